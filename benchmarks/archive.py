"""What an archive run costs: how long it keeps capture's drains out, how long it takes, how large the ZIP grows."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks import naive
from benchmarks.corpus import LINE_BYTES, record_lines
from benchmarks.environment import DATA
from benchmarks.measure import Spread, settle, timed
from benchmarks.plots import line_plot
from benchmarks.report import Bar, Progress, Report
from benchmarks.site import filled_site, site, spool
from capture_app.conf import LIVE_DATABASE_NAME
from capture_app.inbox.spool import FOLDER
from capture_app.services import rotate_live_database
from training_archive.conf import SEALED_FOLDER
from training_archive.services import archive_training_data

OURS, NAIVE = "archive_training_data", "naive"

_LONGEST_LOCK = 0.050  # seconds
_LOCK_GROWTH = 2.0  # between the smallest and the largest database
_LARGEST_SHARE = 0.7  # of the naive way's wall time

_METHOD = f"""\
Two databases hold the same rows of {LINE_BYTES:,} bytes, text cut at random places out of the installed packages'
source code and documentation. *archive_training_data* archives its live database as the drain left it: rotate, compact,
append to the ZIP at `--compresslevel 9`, read back and verify, fsync. *naive* holds the lock while it copies a live
database
that was made with DuckDB's defaults, counts the copy's rows and makes the live database anew; then it runs VACUUM and
CHECKPOINT on the copy and appends it with `zipfile` in append mode, deflate 9, and a JSON sidecar; it verifies nothing
and waits for no disk. Both begin without a ZIP. The lock is measured apart, over databases of three sizes in turns:
ours is the time that `ArchiveReport.rotation_lock_seconds` reports, from the same service. Figures are medians over the
rounds, with the lowest and the highest."""


@dataclass(frozen=True, slots=True)
class Size:
    rounds: int
    rows: Sequence[int]  # the databases whose lock is measured; the largest is archived whole
    rotations: int
    naive_rotations: int


FULL: Final = Size(5, (1_000, 10_000, 100_000), 15, 3)
QUICK: Final = Size(2, (100, 1_000, 10_000), 9, 2)


@dataclass(frozen=True, slots=True)
class Sources:
    """A database of the same rows for each side; rounds work on copies."""

    ours: Path  # the folder of a site
    naive: Path  # a DuckDB file


@dataclass(slots=True)
class Found:
    seconds: dict[str, list[float]] = field(default_factory=lambda: {OURS: [], NAIVE: []})
    zip_bytes: dict[str, list[int]] = field(default_factory=lambda: {OURS: [], NAIVE: []})
    lock_seconds: dict[str, dict[int, list[float]]] = field(default_factory=lambda: {OURS: {}, NAIVE: {}})

    def add_run(self, name: str, seconds: float, zip_path: Path) -> None:
        self.seconds[name].append(seconds)
        self.zip_bytes[name].append(zip_path.stat().st_size)

    def add_lock(self, name: str, rows: int, seconds: float) -> None:
        self.lock_seconds[name].setdefault(rows, []).append(seconds)


def run(*, quick: bool, progress: Progress) -> Report:
    size = QUICK if quick else FULL
    found = Found()
    with TemporaryDirectory(prefix="gleaner-bench-") as folder:
        sources = {}
        for number, rows in enumerate(size.rows):
            progress(f"archive: filling databases with {rows:,} rows", number, len(size.rows))
            sources[rows] = _sources(Path(folder) / str(rows), rows)
        _measure_locks(sources, size, found, progress)
        _measure_runs(sources[max(size.rows)], size, found, progress)
    return _report(found, size)


def _sources(folder: Path, rows: int) -> Sources:
    made = Sources(ours=folder / "ours", naive=folder / "naive.duckdb")
    spool(made.ours, record_lines(rows))
    naive.load(made.naive, sorted((made.ours / DATA / FOLDER).iterdir()), primary_key=True)
    filled_site(made.ours, ())
    return made


def _measure_locks(sources: Mapping[int, Sources], size: Size, found: Found, progress: Progress) -> None:
    for number in range(size.rotations):
        progress("archive: rotations", number, size.rotations)
        for rows, source in sources.items():
            found.add_lock(OURS, rows, _rotate(source.ours))
            if number < size.naive_rotations:
                found.add_lock(NAIVE, rows, _take_away(source.naive))


def _rotate(folder: Path) -> float:
    with site(folder) as live:
        sealed = live.parent / SEALED_FOLDER / live.name
        sealed.parent.mkdir(exist_ok=True)
        settle()
        seconds = rotate_live_database(db_path=live, sealed=sealed)
        assert seconds is not None, "there was nothing to rotate"
        sealed.replace(live)
    return seconds


def _take_away(live: Path) -> float:
    copy = live.with_name("copy.duckdb")
    settle()
    seconds = naive.take_away(live, copy)
    copy.replace(live)
    return seconds


def _measure_runs(source: Sources, size: Size, found: Found, progress: Progress) -> None:
    for number in range(size.rounds):
        for step, name in enumerate((OURS, NAIVE) if number % 2 == 0 else (NAIVE, OURS)):
            progress(f"archive: {name}", 2 * number + step, 2 * size.rounds)
            with TemporaryDirectory(prefix="gleaner-bench-") as folder:
                (_archive_ours if name == OURS else _archive_naive)(Path(folder), source, found)


def _archive_ours(folder: Path, source: Sources, found: Found) -> None:
    shutil.copytree(source.ours, folder / "site")
    with site(folder / "site"):
        settle()
        with timed() as watch:
            report = archive_training_data()
        found.add_run(OURS, watch.seconds, report.zip_path)


def _archive_naive(folder: Path, source: Sources, found: Found) -> None:
    live, zip_path = folder / LIVE_DATABASE_NAME, folder / "naive.zip"
    shutil.copy(source.naive, live)
    settle()
    with timed() as watch:
        naive.archive(live, zip_path)
    found.add_run(NAIVE, watch.seconds, zip_path)


def _report(found: Found, size: Size) -> Report:
    locks = {
        name: {rows: Spread.of([1000 * second for second in seconds]) for rows, seconds in by_rows.items()}
        for name, by_rows in found.lock_seconds.items()
    }
    return Report(
        name="archive",
        title="What an archive run costs",
        method=_METHOD,
        columns=("way", "seconds", "ZIP, MB", *(f"lock, ms, {rows:,} rows" for rows in size.rows)),
        rows=[
            (
                f"{name}, {max(size.rows):,} rows",
                Spread.of(found.seconds[name]).text(),
                Spread.of([count / 1e6 for count in found.zip_bytes[name]]).text(),
                *(locks[name][rows].text(2 if name == OURS else 0) for rows in size.rows),
            )
            for name in (OURS, NAIVE)
        ],
        bars=_bars(found, {rows: spread.median for rows, spread in locks[OURS].items()}),
        figure=line_plot(
            "How long an archive run holds the live database's lock, median",
            "rows in the live database",
            "ms",
            {name: {rows: spread.median for rows, spread in by_rows.items()} for name, by_rows in locks.items()},
            ours=(OURS,),
            limit=("the bar", 1000 * _LONGEST_LOCK),
        ),
        raw=asdict(found),
    )


def _bars(found: Found, locks: Mapping[int, float]) -> list[Bar]:
    seconds = {name: Spread.of(values).median for name, values in found.seconds.items()}
    sizes = {name: Spread.of(values).median / 1e6 for name, values in found.zip_bytes.items()}
    least, most = min(locks), max(locks)
    growth = max(locks[most], locks[least]) / min(locks[most], locks[least])
    return [
        Bar(
            f"lock held, {most:,} rows",
            f"at most {1000 * _LONGEST_LOCK:.0f} ms",
            f"{locks[most]:.2f} ms",
            locks[most] <= 1000 * _LONGEST_LOCK,
        ),
        Bar(
            f"lock held, {least:,} and {most:,} rows",
            f"within {_LOCK_GROWTH:.0f} times",
            f"{growth:.2f} times apart",
            growth <= _LOCK_GROWTH,
        ),
        Bar(
            "wall time",
            f"at most {_LARGEST_SHARE} of the naive way's {seconds[NAIVE]:.1f} s",
            f"{seconds[OURS]:.1f} s, {seconds[OURS] / seconds[NAIVE]:.2f} of it",
            seconds[OURS] <= _LARGEST_SHARE * seconds[NAIVE],
        ),
        Bar(
            "ZIP",
            f"no larger than the naive way's {sizes[NAIVE]:.1f} MB",
            f"{sizes[OURS]:.1f} MB",
            sizes[OURS] <= sizes[NAIVE],
        ),
    ]
