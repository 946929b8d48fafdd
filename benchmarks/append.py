"""What an archive run costs when the ZIP is large already, beside a copy of the file and the chunk's own work."""

import os
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from django.test import override_settings

from benchmarks.bulk import TEXT, bulk_session
from benchmarks.environment import DATA
from benchmarks.measure import Spread, in_turns, settle, timed
from benchmarks.plots import line_plot
from benchmarks.report import Bar, Progress, Report
from benchmarks.site import site
from capture_app.files import fsync_file
from training_archive.chunks import CHUNK_SUFFIX, SIDECAR_SUFFIX, Sidecar, chunk_name
from training_archive.conf import ZIP_NAME
from training_archive.services import archive_training_data

APPEND, COPY, ALONE = "append", "copy", "alone"
WAYS: Final = (APPEND, COPY, ALONE)

_GB = 10**9
_CHUNK_BYTES = 250 * 10**6  # of each chunk that is there already
_BLOCK_BYTES = 25 * 10**6

_METHOD = f"""\
{{rows:,}} new examples are archived into ZIPs of several sizes. {TEXT} *append* is the whole of
`archive_training_data`, without a roll-over (ROLL_BYTES is raised for it). The chunks that are there already have
{_CHUNK_BYTES // 10**6} MB each, of random bytes, which nothing shrinks. The same run into no ZIP at all is
*chunk alone*; *copy* is `shutil.copyfile` of the ZIP, and *copy on disk* that with an fsync behind it: an archive run,
too, returns only when all is on the disk. The bar is the sum of *copy on disk* and *chunk alone*. The ways take turns;
figures are medians over the rounds, with the lowest and the highest."""


@dataclass(frozen=True, slots=True)
class Size:
    rounds: int
    rows: int
    zip_bytes: Sequence[int]


FULL: Final = Size(3, 10_000, (0, _GB // 2, _GB, 2 * _GB, 4 * _GB))
QUICK: Final = Size(2, 1_000, (0, _GB // 4, _GB // 2))


@dataclass(slots=True)
class Found:
    """Seconds, round by round, at one size of the ZIP."""

    append: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    copy: list[float] = field(default_factory=list)
    copy_on_disk: list[float] = field(default_factory=list)

    @property
    def allowed(self) -> float:
        return Spread.of(self.copy_on_disk).median + Spread.of(self.alone).median


def run(*, quick: bool, progress: Progress) -> Report:
    size = QUICK if quick else FULL
    found = {zip_bytes: Found() for zip_bytes in size.zip_bytes}
    with TemporaryDirectory(prefix="gleaner-bench-") as name, override_settings(TRAINING_ARCHIVE={"ROLL_BYTES": 2**50}):
        folder = Path(name)
        progress("append: filling a database", 0, 1)
        with bulk_session(folder) as bulk:
            bulk.fill(folder / "source", size.rows)
        for zip_bytes in size.zip_bytes:
            archive = folder / ZIP_NAME
            _write_zip(archive, zip_bytes)
            for number in range(size.rounds):
                progress(f"append: to {zip_bytes / _GB:g} GB", number, size.rounds)
                for way in in_turns(WAYS, number):
                    _measure(way, folder, archive, found[zip_bytes])
            archive.unlink(missing_ok=True)
    return _report(found, size)


def _write_zip(path: Path, size: int) -> None:
    """A ZIP of about `size` bytes, in chunks that are none but for their names and sidecars. No ZIP for none."""
    if not size:
        return
    block = os.urandom(_BLOCK_BYTES)
    now, names = datetime.now(UTC) - timedelta(days=30), list[str]()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for _ in range(size // _CHUNK_BYTES):
            names.append(chunk_name(now, names))
            with archive.open(names[-1] + CHUNK_SUFFIX, "w") as member:
                for _ in range(_CHUNK_BYTES // _BLOCK_BYTES):
                    member.write(block)
            archive.writestr(names[-1] + SIDECAR_SUFFIX, _sidecar(names[-1], now).to_json())


def _sidecar(name: str, now: datetime) -> Sidecar:
    return Sidecar(
        chunk=name,
        rows=1,
        rows_per_task={},
        rows_per_provider={},
        rows_per_model={},
        first_created_at=None,
        last_created_at=None,
        sha256="",
        size=_CHUNK_BYTES,
        schema_version=1,
        duckdb_version="",
        storage_version="",
        quarantined_lines=0,
        generation=name,
        created_at=now.isoformat(),
    )


def _measure(way: str, folder: Path, archive: Path, found: Found) -> None:
    with TemporaryDirectory(prefix="round-", dir=folder) as scratch:
        if way != COPY:
            getattr(found, way).append(_archive(folder / "source", Path(scratch), archive if way == APPEND else None))
        elif archive.exists():
            in_cache, on_disk = _copy(archive, Path(scratch) / "copy.zip")
            found.copy.append(in_cache)
            found.copy_on_disk.append(on_disk)
        else:
            found.copy.append(0.0)
            found.copy_on_disk.append(0.0)


def _archive(source: Path, folder: Path, archive: Path | None) -> float:
    copy = folder / "site"
    shutil.copytree(source, copy)
    zip_path = copy / DATA / ZIP_NAME
    if archive is not None and archive.exists():
        os.link(archive, zip_path)  # an append replaces the name and leaves the file as it is
    with site(copy):
        settle()
        with timed() as watch:
            archive_training_data()
    return watch.seconds


def _copy(archive: Path, target: Path) -> tuple[float, float]:
    """Seconds until the file was copied, and until the copy was on the disk."""
    settle()
    with timed() as on_disk:
        with timed() as in_cache:
            shutil.copyfile(archive, target)
        fsync_file(target)
    return in_cache.seconds, on_disk.seconds


def _report(found: dict[int, Found], size: Size) -> Report:
    return Report(
        name="append",
        title="Appending to a large ZIP",
        method=_METHOD.format(rows=size.rows),
        columns=(
            "ZIP, GB",
            "append, s",
            "copy on disk + chunk alone, s",
            "copy on disk, s",
            "copy, s",
            "chunk alone, s",
        ),
        rows=[
            (
                f"{zip_bytes / _GB:g}",
                Spread.of(figures.append).text(2),
                f"{figures.allowed:.2f}",
                *(Spread.of(way).text(2) for way in (figures.copy_on_disk, figures.copy, figures.alone)),
            )
            for zip_bytes, figures in found.items()
        ],
        bars=[_bar(zip_bytes, figures) for zip_bytes, figures in found.items() if zip_bytes],
        figure=line_plot(
            f"Archiving {size.rows:,} examples into a ZIP that is there already, medians",
            "GB in the ZIP",
            "seconds",
            {
                "archive_training_data": _line(found, lambda figures: Spread.of(figures.append).median),
                "copy of the file, on disk, and the chunk alone": _line(found, lambda figures: figures.allowed),
            },
            ours=("archive_training_data",),
            logarithmic=False,
        ),
        raw={"seconds": {zip_bytes: asdict(figures) for zip_bytes, figures in found.items()}},
    )


def _line(found: dict[int, Found], figure: Callable[[Found], float]) -> dict[float, float]:
    return {zip_bytes / _GB: figure(figures) for zip_bytes, figures in found.items()}


def _bar(zip_bytes: int, figures: Found) -> Bar:
    seconds = Spread.of(figures.append).median
    return Bar(
        f"append to {zip_bytes / _GB:g} GB",
        f"at most the {figures.allowed:.2f} s of a copy on disk and the chunk alone",
        f"{seconds:.2f} s, {seconds / figures.allowed:.2f} of it",
        seconds <= figures.allowed,
    )
