"""How much memory archiving and reading take, whatever the archive's size."""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.corpus import LINE_BYTES, record_lines
from benchmarks.environment import ROOT, process_environment
from benchmarks.measure import Spread, settle, timed
from benchmarks.peak_memory import peak_memory
from benchmarks.plots import bar_plot
from benchmarks.report import Bar, Progress, Report
from benchmarks.site import filled_site

ARCHIVE, READ = "archive_training_data", "iter_examples"
_COMMANDS: Final = {
    ARCHIVE: [sys.executable, str(ROOT / "manage.py"), "archive_training_data"],
    READ: [sys.executable, "-m", "benchmarks.read_archive"],
}
_LIMIT = 400e6  # bytes

_METHOD = f"""\
Peak resident memory (`ru_maxrss`) of two fresh processes: `manage.py archive_training_data` over a live database, and
a full iteration of `training_archive.reader.iter_examples` over the ZIP that came of it. The live databases were filled
by the drain with records of {LINE_BYTES:,} bytes; one is four times as large as the other, to show that memory does not
grow with the archive. The figures count Python, Django and every library. Medians over the rounds, with the lowest and
the highest."""


@dataclass(frozen=True, slots=True)
class Size:
    rounds: int
    rows: Sequence[int]


FULL: Final = Size(3, (250_000_000 // LINE_BYTES, 1_000_000_000 // LINE_BYTES))
QUICK: Final = Size(1, (25_000_000 // LINE_BYTES, 100_000_000 // LINE_BYTES))


@dataclass(slots=True)
class Found:
    """What the rounds over one live database found, by step."""

    rows: int
    live_bytes: int
    peak_bytes: dict[str, list[int]] = field(default_factory=lambda: {ARCHIVE: [], READ: []})
    seconds: dict[str, list[float]] = field(default_factory=lambda: {ARCHIVE: [], READ: []})

    def name(self, step: str) -> str:
        return f"{step}, {self.live_bytes / 1e6:,.0f} MB"

    def peak(self, step: str) -> Spread:
        return Spread.of([peak / 1e6 for peak in self.peak_bytes[step]])


def run(*, quick: bool, progress: Progress) -> Report:
    size = QUICK if quick else FULL
    with TemporaryDirectory(prefix="gleaner-bench-") as folder:
        found, sources = [], []
        for rows in size.rows:
            progress(f"memory: filling a database with {rows:,} rows", 0, 1)
            sources.append(Path(folder) / str(rows))
            live = filled_site(sources[-1], record_lines(rows))
            found.append(Found(rows, live.stat().st_size))
        for number in range(size.rounds):
            for index, (source, figures) in enumerate(zip(sources, found, strict=True)):
                progress("memory: archiving and reading", number * len(found) + index, size.rounds * len(found))
                _measure(source, figures)
    return _report(found)


def _measure(source: Path, found: Found) -> None:
    with TemporaryDirectory(prefix="gleaner-bench-") as folder:
        copy = Path(folder) / "site"
        shutil.copytree(source, copy)
        environment = process_environment(copy)
        for step, command in _COMMANDS.items():
            settle()
            with timed() as watch:
                result = peak_memory(command, environment)
            found.peak_bytes[step].append(result["peak"])
            found.seconds[step].append(watch.seconds)
        assert int(result["output"]) == found.rows, "not every example was read back"


def _report(found: Sequence[Found]) -> Report:
    peaks = {figures.name(step): figures.peak(step) for step in _COMMANDS for figures in found}
    return Report(
        name="memory",
        title="Peak memory of archiving and reading",
        method=_METHOD,
        columns=("step", "live file, MB", "examples", "peak RSS, MB", "seconds"),
        rows=[
            (
                step,
                f"{figures.live_bytes / 1e6:,.0f}",
                f"{figures.rows:,}",
                figures.peak(step).text(0),
                Spread.of(figures.seconds[step]).text(),
            )
            for step in _COMMANDS
            for figures in found
        ],
        bars=[_bar(step, found[-1]) for step in _COMMANDS],
        figure=bar_plot(
            "Peak resident memory, median",
            "MB",
            {name: peak.median for name, peak in peaks.items()},
            ours=list(peaks),
            limit=("the bar", _LIMIT / 1e6),
            logarithmic=False,
        ),
        raw={"sizes": found},
    )


def _bar(step: str, largest: Found) -> Bar:
    peak = largest.peak(step).median
    return Bar(
        f"peak of {step} over a live file of {largest.live_bytes / 1e6:,.0f} MB",
        f"at most {_LIMIT / 1e6:.0f} MB",
        f"{peak:.0f} MB",
        peak <= _LIMIT / 1e6,
    )
