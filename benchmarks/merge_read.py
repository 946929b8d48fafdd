"""How fast an archive becomes one table: the reader beside what one would type by hand."""

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from benchmarks.bulk import TEXT, bulk_session
from benchmarks.measure import Spread, in_turns, settle, timed
from benchmarks.plots import bar_plot
from benchmarks.report import Bar, Progress, Report
from benchmarks.site import site
from capture_app.duckdb_files import count_rows, quoted
from capture_app.example import TABLE
from training_archive.reader import load_into
from training_archive.services import archive_training_data

OURS, BY_HAND = "reader.load_into", "zipfile and ATTACH by hand"
_MOST_TIME = 1.3  # times that by hand

_METHOD = f"""\
Rows a second from a ZIP of {{chunks}} chunks with {{rows:,}} examples in all into one table of a new DuckDB file,
each id once, the first chunk that holds it winning. {TEXT} *{OURS}* checks each chunk's name, schema and CRC, and its
table has the primary key. *{BY_HAND}* is the second listing of [formats](../formats.md); its table has no key.
Both connections have DuckDB's defaults. The ways take turns; figures are medians over the rounds, with the lowest and
the highest."""


@dataclass(frozen=True, slots=True)
class Size:
    rounds: int
    chunks: int
    rows_per_chunk: int

    @property
    def rows(self) -> int:
        return self.chunks * self.rows_per_chunk


FULL, QUICK = Size(7, 30, 3_000), Size(2, 5, 500)


def run(*, quick: bool, progress: Progress) -> Report:
    size = QUICK if quick else FULL
    with TemporaryDirectory(prefix="gleaner-bench-") as name:
        archive = _archive(Path(name), size, progress)
        seconds = _compare(archive, size, progress)
    return _report(seconds, size)


def _archive(folder: Path, size: Size, progress: Progress) -> Path:
    with bulk_session(folder) as bulk:
        for number in range(size.chunks):
            progress("merge_read: archiving", number, size.chunks)
            bulk.fill(folder / "site", size.rows_per_chunk, first=number * size.rows_per_chunk)
            with site(folder / "site"):
                report = archive_training_data()
    return report.zip_path


def _compare(archive: Path, size: Size, progress: Progress) -> dict[str, list[float]]:
    ways: dict[str, Callable[[Path, Path], None]] = {OURS: _load, BY_HAND: _load_by_hand}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(size.rounds):
        progress("merge_read: reading", number, size.rounds)
        for way in in_turns(list(ways), number):
            with TemporaryDirectory(prefix="gleaner-bench-") as name:
                merged = Path(name) / "merged.duckdb"
                settle()
                with timed() as watch:
                    ways[way](archive, merged)
                with duckdb.connect(merged, read_only=True) as connection:
                    assert count_rows(connection, TABLE) == size.rows, "not every example was read"
            seconds[way].append(watch.seconds)
    return seconds


def _load(archive: Path, merged: Path) -> None:
    with duckdb.connect(merged) as connection:
        load_into(connection, archive)


def _load_by_hand(archive: Path, merged: Path) -> None:
    with (
        duckdb.connect(merged) as connection,
        TemporaryDirectory(prefix="gleaner-bench-") as folder,
        zipfile.ZipFile(archive) as members,
    ):
        for name in sorted(members.namelist()):
            if not name.endswith(".duckdb"):
                continue
            chunk = members.extract(name, folder)
            connection.execute(f"ATTACH {quoted(chunk)} AS chunk (READ_ONLY)")
            connection.execute("CREATE TABLE IF NOT EXISTS examples AS FROM chunk.examples LIMIT 0")
            connection.execute("INSERT INTO examples FROM chunk.examples WHERE id NOT IN (SELECT id FROM examples)")
            connection.execute("DETACH chunk")


def _report(seconds: Mapping[str, Sequence[float]], size: Size) -> Report:
    rates = {way: Spread.of([size.rows / second for second in taken]) for way, taken in seconds.items()}
    ours, by_hand = Spread.of(seconds[OURS]).median, Spread.of(seconds[BY_HAND]).median
    return Report(
        name="merge_read",
        title="From the ZIP to one table",
        method=_METHOD.format(chunks=size.chunks, rows=size.rows),
        columns=("way", "seconds", "rows a second"),
        rows=[(way, Spread.of(taken).text(2), rates[way].text(0)) for way, taken in seconds.items()],
        bars=[
            Bar(
                f"time of {OURS}, {size.chunks} chunks",
                f"at most {_MOST_TIME} times the {by_hand:.2f} s by hand",
                f"{ours:.2f} s, {ours / by_hand:.2f} times",
                ours <= _MOST_TIME * by_hand,
            )
        ],
        figure=bar_plot(
            f"{size.chunks} chunks into one table",
            "rows a second",
            {way: rate.median for way, rate in rates.items()},
            ours=(OURS,),
            limit=("the bar", size.rows / (_MOST_TIME * by_hand)),
            logarithmic=False,
        ),
        raw={"rows": size.rows, "chunks": size.chunks, "seconds": seconds},
    )
