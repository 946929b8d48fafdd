"""What the figures were measured on."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import gettempdir


def machine_facts() -> dict[str, str]:
    return {
        "cores": str(os.cpu_count()),
        "CPU": _cpu_name(),
        "memory": f"{_memory_bytes() / 2**30:.0f} GiB",
        "file system": _file_system(Path(gettempdir())),
        "kernel": f"{platform.system()} {platform.release().partition('-')[0].rpartition('.')[0]}",
        "Python": platform.python_version(),
        "DuckDB": version("duckdb"),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _file_system(folder: Path) -> str:
    """The type of the file system that `folder` lies on."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    over = [(mount[1], mount[2]) for mount in mounts if folder.resolve().is_relative_to(mount[1])]
    return max(over, key=lambda mount: len(mount[0]), default=("", "unknown"))[1]
