"""python -m benchmarks [NAME ...] [--quick]"""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, Final

from rich.console import Console

from benchmarks.environment import set_up_django
from benchmarks.machine import machine_facts
from benchmarks.report import Report

DOCUMENTS: Final = Path(__file__).resolve().parent.parent / "docs" / "benchmarks"
NAMES: Final = (
    *("capture", "drain", "archive", "memory", "survival", "load"),
    *("growth", "append", "density", "merge_read", "export", "footprint", "console", "training_files", "redaction"),
)

_PLAIN_WIDTH = 120  # of output that goes to no terminal


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    console = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    folder = Path(mkdtemp(prefix="gleaner-benchmarks-")) if options.quick else DOCUMENTS
    with TemporaryDirectory(prefix="gleaner-bench-") as scratch:
        set_up_django(Path(scratch))
        reports = [_measure(name, options.quick, folder) for name in options.names or NAMES]
    for report in reports:
        report.show(console)
    console.print(f"Written to {folder}.")
    met = all(bar.met for report in reports for bar in report.bars)
    return 0 if met or options.quick else 1


def _options(arguments: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure Gleaner beside its alternatives."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(NAMES)}; default: all")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, written to a temporary folder, bars not binding"
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    return options


def _measure(name: str, quick: bool, folder: Path) -> Report:
    from capture_app.management.service_command import progress_on_stderr  # needs the settings, as _benchmark does

    with progress_on_stderr() as progress:
        report = _benchmark(name)(quick=quick, progress=progress)
    report.write(folder, machine_facts())
    return report


def _benchmark(name: str) -> Callable[..., Report]:
    """The benchmark's `run`; imported here, because it needs the settings that main has just made."""
    run: Callable[..., Report] = import_module(f"benchmarks.{name}").run
    return run


if __name__ == "__main__":
    sys.exit(main())
