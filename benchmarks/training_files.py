"""What adding to a large training file costs, beside writing it anew each time; and the memory of a 2 GB one."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import orjson

from benchmarks import conversations
from benchmarks.environment import ROOT, process_environment
from benchmarks.measure import Spread, settle, timed
from benchmarks.peak_memory import peak_memory
from benchmarks.plots import line_plot
from benchmarks.report import Bar, Progress, Report
from benchmarks.site import site
from capture_app.files import write_atomically

ADD, NAIVE = "add_conversations", "the whole file anew"
BUILD, JSON, JSONL = "build_training_file", "download as JSON", "download as JSON Lines"

_REQUEST: Final = 80  # conversations
_SMALL_BYTES: Final = 3_000  # of a stored conversation that is added
_LARGE_BYTES: Final = 100_000  # of one in the large file
_LIMIT: Final = 300e6  # bytes
_MOST_GROWTH: Final = 1.5  # of the cost of one conversation, from the smallest file to the largest
_NAME: Final = "measured"

_METHOD = f"""\
Conversations of {conversations.PAIRS} pairs and some {_SMALL_BYTES:,} bytes are added to one training file in requests
of {_REQUEST}. *{ADD}* is the service, with all its writes to the disk and to an SQLite file. *{NAIVE}* does what seed
004 describes: the JSON file is read, {_REQUEST} conversations are appended, and both files are written again, by rename
and with an fsync; it has no database. The figure is the time of a request, divided by {_REQUEST}, when the file holds
so many conversations already; the median over the requests, with the lowest and the highest.

Memory is the peak resident memory (`ru_maxrss`) of fresh processes: `manage.py {BUILD} --all` makes a training file of
large conversations and writes both formats, and the downloads are read to their end through a signed link. The figures
count Python, Django and every library."""


@dataclass(frozen=True, slots=True)
class Size:
    requests: int  # measured at each number of conversations
    naive_requests: int
    held: Sequence[int]  # conversations that the file holds already
    large_bytes: int  # of the stored conversations of the large file; as JSON they are somewhat more


FULL: Final = Size(20, 3, (1_000, 10_000, 100_000), 2_000_000_000)
QUICK: Final = Size(5, 2, (500, 2_000), 60_000_000)


@dataclass(slots=True)
class Found:
    """Milliseconds for each conversation, request by request, by the conversations that the file held."""

    ours: dict[int, list[float]] = field(default_factory=dict)
    naive: dict[int, list[float]] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)  # bytes
    seconds: dict[str, float] = field(default_factory=dict)
    large_bytes: dict[str, int] = field(default_factory=dict)  # of the large file, by format


def run(*, quick: bool, progress: Progress) -> Report:
    size, found = QUICK if quick else FULL, Found()
    with TemporaryDirectory(prefix="gleaner-bench-") as name:
        folder = Path(name)
        with site(folder / "adding"):
            progress("training_files: storing conversations", 0, 1)
            conversations.store(max(size.held) + size.requests * _REQUEST, _SMALL_BYTES)
            _add(size, found, progress)
            _add_naively(folder / "naive", size, found, progress)
    with TemporaryDirectory(prefix="gleaner-bench-") as name:
        _measure_memory(Path(name), size, found, progress)
    return _report(found)


def _add(size: Size, found: Found, progress: Progress) -> None:
    from training_files.actors import SHELL
    from training_files.service import add_conversations, create_training_file

    ids = list(conversations.ids(max(size.held) + size.requests * _REQUEST))
    first, done = ids[:1], 1
    file_id = create_training_file(_NAME, conversation_ids=first, by=SHELL).pk
    settle()
    for held in size.held:
        while done < held:
            add_conversations(file_id, ids[done : done + _REQUEST], by=SHELL)
            done += _REQUEST
            progress("training_files: adding", done, max(size.held))
        found.ours[held] = []
        for _ in range(size.requests):
            with timed() as watch:
                add_conversations(file_id, ids[done : done + _REQUEST], by=SHELL)
            done += _REQUEST
            found.ours[held].append(1000 * watch.seconds / _REQUEST)


def _add_naively(folder: Path, size: Size, found: Found, progress: Progress) -> None:
    """The first `held` conversations at once, and then requests, of which each writes the whole file anew."""
    from training_files.conversations.store import load_conversation
    from training_files.models import Conversation

    folder.mkdir()
    for held in size.held:
        progress(f"training_files: {held:,} anew each time", 0, 1)
        rows = Conversation.objects.order_by("id").iterator(chunk_size=1_000)
        texts = (
            {"conversation_metadata": each.metadata, "training_pairs": each.pairs}
            for each in map(load_conversation, rows)
        )
        path = folder / "training.json"
        path.write_bytes(orjson.dumps({"conversations": list(islice(texts, held))}, option=orjson.OPT_INDENT_2))
        found.naive[held] = []
        for _ in range(size.naive_requests):
            added = list(islice(texts, _REQUEST))
            settle()
            with timed() as watch:
                _write_anew(path, added)
            found.naive[held].append(1000 * watch.seconds / _REQUEST)


def _write_anew(path: Path, added: list[dict[str, Any]]) -> None:
    full = orjson.loads(path.read_bytes())
    full["conversations"] += added
    write_atomically(path, orjson.dumps(full, option=orjson.OPT_INDENT_2))
    lines = (orjson.dumps(pair) for each in full["conversations"] for pair in each["training_pairs"])
    write_atomically(path.with_suffix(".jsonl"), b"\n".join(lines))


def _measure_memory(folder: Path, size: Size, found: Found, progress: Progress) -> None:
    with site(folder):
        progress("training_files: storing large conversations", 0, 1)
        conversations.store(size.large_bytes // _LARGE_BYTES, _LARGE_BYTES)
    manage = [sys.executable, str(ROOT / "manage.py"), BUILD, _NAME, "--all", "--output", str(folder / "out"), "--json"]
    read = [sys.executable, "-m", "benchmarks.download_training_file", _NAME]
    for step, command in {BUILD: manage, JSON: [*read, "json"], JSONL: [*read, "jsonl"]}.items():
        progress(f"training_files: {step}", 0, 1)
        settle()
        with timed() as watch:
            result = peak_memory(command, process_environment(folder))
        found.peaks[step], found.seconds[step] = result["peak"], watch.seconds
        if step != BUILD:
            found.large_bytes[step] = int(result["output"])


def _report(found: Found) -> Report:
    ours = {held: Spread.of(values) for held, values in found.ours.items()}
    naive = {held: Spread.of(values) for held, values in found.naive.items()}
    largest = max(found.large_bytes.values()) / 1e9
    return Report(
        name="training_files",
        title="Adding to a training file, and the memory of a large one",
        method=_METHOD,
        columns=("conversations in the file", f"{ADD}, ms each", f"{NAIVE}, ms each"),
        rows=[(f"{held:,}", ours[held].text(2), naive[held].text(2)) for held in ours],
        bars=[_growth(ours), *(_peak(found, step, largest) for step in found.peaks)],
        figure=line_plot(
            "Time to add one conversation",
            "conversations in the file",
            "ms",
            {
                ADD: {held: spread.median for held, spread in ours.items()},
                NAIVE: {held: spread.median for held, spread in naive.items()},
            },
            ours=(ADD,),
        ),
        raw=asdict(found),
        notes=[
            "Seconds of the steps over the large file: "
            + ", ".join(f"{step} {seconds:,.1f}" for step, seconds in found.seconds.items())
            + "."
        ],
    )


def _growth(ours: dict[int, Spread]) -> Bar:
    smallest, largest = min(ours), max(ours)
    growth = ours[largest].median / ours[smallest].median
    return Bar(
        f"cost of a conversation that is added to {largest:,}, against one that is added to {smallest:,}",
        f"at most {_MOST_GROWTH} times",
        f"{growth:.2f} times",
        growth <= _MOST_GROWTH,
    )


def _peak(found: Found, step: str, gigabytes: float) -> Bar:
    peak = found.peaks[step]
    return Bar(
        f"peak of {step}, {gigabytes:.2f} GB", f"under {_LIMIT / 1e6:.0f} MB", f"{peak / 1e6:.0f} MB", peak < _LIMIT
    )
