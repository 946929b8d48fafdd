"""Picked examples as a data set, by the archive's own exporter; and the data set as one ZIP to take away.

It is written into `exports/` of the data directory, where `forget` finds it by its registration like any other.
"""

import io
import re
import secrets
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from capture_app.conf import capture_settings
from capture_app.progress import Progress
from console.actions.exceptions import ActionError
from console.models import ActionRun
from training_archive.exports.formats import FORMATS
from training_archive.exports.manifest import MANIFEST, read_manifest
from training_archive.exports.options import EXACT, NEAR, NONE, ExportOptions, ExportReport, parse_split
from training_archive.exports.service import export_dataset

FOLDER: Final = "exports"  # in the data directory
FORMAT_CHOICES: Final = [
    (name, f"{name} (pairs of a better and a worse answer)" if kind.wants_pairs else name)
    for name, kind in FORMATS.items()
]
DEDUPE_CHOICES: Final = [
    (EXACT, "one example for each prompt: the best rated, then the latest"),
    (NEAR, "one also for prompts that are nearly the same"),
    (NONE, "all of them"),
]
SPLIT_CHOICES: Final = [
    (".8/.1/.1", "80 % train, 10 % validation, 10 % test"),
    (".9/.1", "90 % train, 10 % validation"),
    ("1", "all in train"),
]
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}", re.ASCII)
_BLOCK: Final = 1 << 20  # bytes
_PACKED: Final = (".parquet",)  # compressed already


def is_name(text: str) -> bool:
    """Whether a data set may be called this: it names a folder here and a file at whoever takes it away."""
    return _NAME.fullmatch(text) is not None


def new_name(kind: str) -> str:
    """A name that no data set has: the format's, the time in UTC, and what tells two of one second apart."""
    return f"{kind}-{datetime.now(UTC):%Y%m%dt%H%M%Sz}-{secrets.token_hex(2)}"


def is_taken(name: str) -> bool:
    """Whether there is a data set of this name, or a run that may yet write one: it would replace what is there."""
    runs = ActionRun.objects.filter(kind=ActionRun.Kind.EXPORT, choices__name=name, choices__count_only=False)
    return folder_of(name).exists() or runs.exclude(state=ActionRun.State.SUCCEEDED).exists()


def folder_of(name: str) -> Path:
    """Where the data set of this name is, or will be. Raises ActionError for what is no name."""
    if not is_name(name):
        raise ActionError("That is no name of a data set: letters a to z, digits, - and _. Nothing was written.")
    return capture_settings().data_dir / FOLDER / name


def do_export(run: ActionRun, progress: Progress) -> dict[str, Any]:
    """Write what the run asks for, or only count it. What an ended run has written under its name is written anew."""
    choices = run.choices
    options = ExportOptions(
        format=choices["format"], ids=tuple(run.ids), dedupe=choices["dedupe"], split=parse_split(choices["split"])
    )
    if choices["count_only"]:
        return _figures(export_dataset(options=options, dry_run=True, progress=progress))
    out = folder_of(choices["name"])
    out.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _figures(export_dataset(options=options, out=out, overwrite=True, progress=progress))


def _figures(report: ExportReport) -> dict[str, Any]:
    return {
        "matching": report.matching,
        "rows": report.rows,
        "splits": dict(report.splits),
        "left_out": dict(report.left_out),
        "seconds": round(report.seconds, 1),
    }


def manifest(name: str) -> dict[str, Any] | None:
    """What the data set says of itself; None when its folder is gone."""
    return read_manifest(folder_of(name) / MANIFEST)


def files_of(name: str) -> list[tuple[str, int]]:
    """The data set's files, each with its size in bytes. Links are none of them."""
    return [(path.relative_to(folder_of(name)).as_posix(), path.stat().st_size) for path in _files(folder_of(name))]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def zip_stream(name: str) -> Iterator[bytes]:
    """The data set's folder as a ZIP, piece by piece; nothing is written to the disk. Raises ActionError at once."""
    folder = folder_of(name)
    files = _files(folder)
    if not files:
        raise ActionError(f"The data set {name} is not there any more. Export the examples again.")
    return _zipped(folder, files)


def _zipped(folder: Path, files: list[Path]) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:
        for path in files:
            info = zipfile.ZipInfo.from_file(path, f"{folder.name}/{path.relative_to(folder).as_posix()}")
            info.compress_type = zipfile.ZIP_STORED if path.suffix in _PACKED else zipfile.ZIP_DEFLATED
            with path.open("rb") as source, archive.open(info, "w", force_zip64=True) as target:
                while block := source.read(_BLOCK):
                    target.write(block)
                    yield sink.take()
            yield sink.take()
    yield sink.take()


class _Sink(io.RawIOBase):
    """A file that cannot go back, which is what `zipfile` takes for a stream."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, block: Any) -> int:
        self._blocks.append(bytes(block))
        return len(self._blocks[-1])

    def take(self) -> bytes:
        """What was written since the last time."""
        taken, self._blocks = b"".join(self._blocks), []
        return taken
