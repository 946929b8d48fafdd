"""How much memory the work on an archive takes, whatever its size: a hundred times the input, the same memory."""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.bulk import TEXT, Bulk, bulk_session
from benchmarks.environment import ROOT, process_environment
from benchmarks.measure import settle, timed
from benchmarks.peak_memory import peak_memory
from benchmarks.plots import grouped_bar_plot
from benchmarks.report import Bar, Progress, Report
from benchmarks.site import site
from training_archive.services import archive_training_data

ARCHIVE, READ, VERIFY = "archive_training_data", "iter_examples", "verify_archive"
EXPORT, IMPORT, MERGE = "export_dataset", "import_examples", "merge_chunks"

_MANAGE = (sys.executable, str(ROOT / "manage.py"))
_PARTS = 5  # the chunks that are merged are a fifth each
_LIMIT = 500e6  # bytes
_MOST_GROWTH = 1.5  # of the peak, from the last size but one to the last, which is ten times as large

_METHOD = f"""\
Peak resident memory (`ru_maxrss`) of a fresh process for each step and size. {TEXT} *{ARCHIVE}* takes a live database
with that many examples, *{READ}* iterates over the ZIP that came of it, *{VERIFY}* reads and opens all of that,
*{EXPORT}* writes it as `trl-messages` with `--dedupe near`, and *{IMPORT}* takes as many examples from JSON
lines into an empty project. *{MERGE}* makes one chunk of {_PARTS} that have as many examples together. The figures
count Python, Django and every library. Sizes that would take very long are left out for the steps that are slowest."""


@dataclass(frozen=True, slots=True)
class Size:
    rows: Mapping[int, tuple[str, ...]]  # the steps that are measured at each size


_ALL: Final = (ARCHIVE, READ, VERIFY, EXPORT, IMPORT, MERGE)
FULL: Final = Size({10_000: _ALL, 100_000: _ALL, 1_000_000: (ARCHIVE, READ, VERIFY)})
QUICK: Final = Size({1_000: _ALL, 10_000: _ALL})


@dataclass(slots=True)
class Found:
    """One step, by rows."""

    peak_bytes: dict[int, int] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)


def run(*, quick: bool, progress: Progress) -> Report:
    size = QUICK if quick else FULL
    found = {step: Found() for step in _ALL}
    for rows, steps in size.rows.items():
        with TemporaryDirectory(prefix="gleaner-bench-") as name, bulk_session(Path(name)) as bulk:
            folder = Path(name)
            progress(f"footprint: making {rows:,} examples", 0, len(steps))
            bulk.fill(folder / "site", rows)
            for number, step in enumerate(steps):
                progress(f"footprint: {step}, {rows:,} examples", number, len(steps))
                _measure(step, bulk, folder, rows, found[step])
    return _report(found)


def _measure(step: str, bulk: Bulk, folder: Path, rows: int, found: Found) -> None:
    where = _prepared(step, bulk, folder, rows)
    settle()
    with timed() as watch:
        result = peak_memory(_command(step, folder), process_environment(where))
    if step == READ:
        assert int(result["output"]) == rows, "not every example was read back"
    found.peak_bytes[rows], found.seconds[rows] = result["peak"], watch.seconds


def _prepared(step: str, bulk: Bulk, folder: Path, rows: int) -> Path:
    """The site that the step works on."""
    if step == IMPORT:
        bulk.write_json_lines(folder / "examples.jsonl", rows)
        with site(folder / "empty"):
            pass
        return folder / "empty"
    if step == MERGE:
        for number in range(_PARTS):
            bulk.fill(folder / "parts", rows // _PARTS, first=number * rows // _PARTS)
            with site(folder / "parts"):
                archive_training_data()
        return folder / "parts"
    return folder / "site"


def _command(step: str, folder: Path) -> list[str]:
    export = [EXPORT, "--from", "archive", "--format", "trl-messages", "--dedupe", "near", "--out", str(folder / "out")]
    commands: dict[str, list[str]] = {
        READ: [sys.executable, "-m", "benchmarks.read_archive"],
        EXPORT: [*_MANAGE, *export],
        IMPORT: [*_MANAGE, IMPORT, str(folder / "examples.jsonl")],
        MERGE: [*_MANAGE, MERGE, "--this-month"],
    }
    return commands.get(step, [*_MANAGE, step])


def _report(found: Mapping[str, Found]) -> Report:
    largest = max(rows for figures in found.values() for rows in figures.peak_bytes)
    return Report(
        name="footprint",
        title="Peak memory against the size of the input",
        method=_METHOD,
        columns=("step", "examples", "peak RSS, MB", "seconds"),
        rows=[
            (step, f"{rows:,}", f"{peak / 1e6:.0f}", f"{figures.seconds[rows]:.1f}")
            for step, figures in found.items()
            for rows, peak in figures.peak_bytes.items()
        ],
        bars=[bar for step, figures in found.items() for bar in _bars(step, figures)],
        figure=grouped_bar_plot(
            "Peak resident memory",
            "MB",
            {
                step: {f"{rows:,} examples": peak / 1e6 for rows, peak in figures.peak_bytes.items()}
                for step, figures in found.items()
            },
            ours=(f"{largest:,} examples",),
        ),
        raw={"steps": {step: asdict(figures) for step, figures in found.items()}},
    )


def _bars(step: str, found: Found) -> list[Bar]:
    smaller, largest = sorted(found.peak_bytes)[-2:]
    peak, growth = found.peak_bytes[largest], found.peak_bytes[largest] / found.peak_bytes[smaller]
    return [
        Bar(
            f"peak of {step}, {largest:,} examples",
            f"under {_LIMIT / 1e6:.0f} MB",
            f"{peak / 1e6:.0f} MB",
            peak < _LIMIT,
        ),
        Bar(
            f"peak of {step}, {smaller:,} and {largest:,} examples",
            f"at most {_MOST_GROWTH} times as much for {largest / smaller:g} times the input",
            f"{growth:.2f} times",
            growth <= _MOST_GROWTH,
        ),
    ]
