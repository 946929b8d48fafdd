"""How fast the archive becomes a data set, in each format, beside pandas and `datasets`; and in how much memory."""

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.bulk import TEXT, bulk_session
from benchmarks.environment import process_environment
from benchmarks.measure import Spread, in_turns, settle
from benchmarks.peak_memory import peak_memory
from benchmarks.plots import grouped_bar_plot
from benchmarks.report import Progress, Report
from benchmarks.site import site
from training_archive.services import archive_training_data

FORMATS: Final = ("openai-chat", "trl-messages", "sharegpt", "alpaca", "csv", "parquet", "hf-dataset")
OURS, BY_HAND = "export_dataset", "by hand"
WAYS: Final = (OURS, BY_HAND)

_CHUNKS = 4
_QUIET = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}

_METHOD = f"""\
Rows a second from a ZIP of {_CHUNKS} chunks with {{rows:,}} examples to a finished data set. {TEXT} *{OURS}* is the
whole service, with neither duplicates looked for nor splits made, for the other way does neither: each id once, every
message checked, files hashed and fsynced, a card, a manifest and the lineage written, and the folder published in one
rename. *{BY_HAND}* unpacks the chunks with `zipfile`, reads them with DuckDB into one pandas frame, and writes it with
`DataFrame.to_csv` or `DataFrame.to_parquet(compression="zstd")`; for the other formats it becomes a
`datasets.Dataset`, mapped row by row and written with `to_json` or `to_parquet`. Each run is a fresh process; the clock
starts when everything is imported, and *peak RSS* is the whole process's. The ways take turns; figures are medians over
the rounds, with the lowest and the highest. Columns go from DuckDB into pandas and out again without a look at any
row; ours are looked at, whatever the format."""


@dataclass(frozen=True, slots=True)
class Size:
    rounds: int
    rows: int


FULL, QUICK = Size(3, 40_000), Size(1, 2_000)


@dataclass(slots=True)
class Runs:
    rows_a_second: list[float] = field(default_factory=list)
    peak_bytes: list[int] = field(default_factory=list)

    @property
    def rate(self) -> Spread:
        return Spread.of(self.rows_a_second)


Found = dict[str, dict[str, Runs]]  # by format, by way


def run(*, quick: bool, progress: Progress) -> Report:
    size = QUICK if quick else FULL
    found: Found = {name: {way: Runs() for way in WAYS} for name in FORMATS}
    with TemporaryDirectory(prefix="gleaner-bench-") as name:
        source = Path(name) / "site"
        _archive(source, size, progress)
        for number in range(size.rounds):
            for index, format_name in enumerate(FORMATS):
                progress(f"export: {format_name}", number * len(FORMATS) + index, size.rounds * len(FORMATS))
                for way in in_turns(WAYS, number):
                    _measure(source, format_name, way, size.rows, found[format_name][way])
    return _report(found, size)


def _archive(folder: Path, size: Size, progress: Progress) -> None:
    rows = size.rows // _CHUNKS
    with bulk_session(folder) as bulk:
        for number in range(_CHUNKS):
            progress("export: archiving", number, _CHUNKS)
            bulk.fill(folder, rows, first=number * rows)
            with site(folder):
                archive_training_data()


def _measure(source: Path, format_name: str, way: str, rows: int, runs: Runs) -> None:
    with TemporaryDirectory(prefix="gleaner-bench-") as folder:
        out = Path(folder) / "out"
        out.mkdir()
        environment = {**process_environment(source), **_QUIET, "HF_HOME": folder}
        settle()
        result = peak_memory([sys.executable, "-m", "benchmarks.export_once", way, format_name, str(out)], environment)
    output = json.loads(result["output"])
    assert output["rows"] == rows, "not every example was exported"
    runs.rows_a_second.append(rows / output["seconds"])
    runs.peak_bytes.append(result["peak"])


def _report(found: Found, size: Size) -> Report:
    return Report(
        name="export",
        title="From the ZIP to a data set",
        method=_METHOD.format(rows=size.rows),
        columns=(
            *("format", f"{OURS}, rows a second", f"{BY_HAND}, rows a second", "times by hand"),
            *(f"{OURS}, peak RSS, MB", f"{BY_HAND}, peak RSS, MB"),
        ),
        rows=[
            (
                name,
                *(ways[way].rate.text(0) for way in WAYS),
                f"{ways[OURS].rate.median / ways[BY_HAND].rate.median:.2f}",
                *(Spread.of([peak / 1e6 for peak in ways[way].peak_bytes]).text(0) for way in WAYS),
            )
            for name, ways in found.items()
        ],
        bars=[],
        figure=grouped_bar_plot(
            f"Exports of {size.rows:,} examples",
            "rows a second",
            {name: {way: ways[way].rate.median for way in WAYS} for name, ways in found.items()},
            ours=(OURS,),
        ),
        raw={
            "rows": size.rows,
            "runs": {name: {way: asdict(runs) for way, runs in ways.items()} for name, ways in found.items()},
        },
    )
