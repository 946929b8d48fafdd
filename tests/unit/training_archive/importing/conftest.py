"""What the tests of importing share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from capture_app.conf import capture_settings
from training_archive.importing.formats import results_of, with_format
from training_archive.importing.reading import Result, Source, dated, stat_regular


@pytest.fixture
def source_of(tmp_path: Path) -> Callable[..., Source]:
    """A file as the service makes a source of it, its format told by its content."""

    def make(path: Path, format_: str = "auto", **values: Any) -> Source:
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        found, conf = stat_regular(path), capture_settings()
        facts = {"path": path, "name": path.name, "size": found.st_size, "dated": dated(found), "format": ""}
        rest = {"task": "", "data_dir": conf.data_dir, "blob_bytes": conf.blob_bytes, "scratch": scratch}
        return with_format(Source(**{**facts, **rest, **values}), format_)

    return make


@pytest.fixture
def read(source_of: Callable[..., Source]) -> Callable[..., list[Result]]:
    """Everything that a file holds."""

    def results(path: Path, format_: str = "auto", **values: Any) -> list[Result]:
        return list(results_of(source_of(path, format_, **values)))

    return results


@pytest.fixture
def write_lines(tmp_path: Path) -> Callable[..., Path]:
    """A file of JSON lines; bytes as they are."""

    def write(*records: Any, name: str = "source.jsonl") -> Path:
        path = tmp_path / name
        lines = [record if isinstance(record, bytes) else orjson.dumps(record) for record in records]
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        return path

    return write
