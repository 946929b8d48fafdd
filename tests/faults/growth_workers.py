"""What makes an archive grow and shrink: `python -m tests.faults.growth_workers READY ROLE [ARGUMENT]`, until killed.

Each makes the file READY when it begins its work. A writer acknowledges a call as in tests.faults.workers.
"""

import base64
import hashlib
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import django
import duckdb
from django.db import Error as DatabaseError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.faults.growth_settings")

_PAUSE = 0.01  # seconds
_OLD = datetime(2020, 1, 1)  # naive, in UTC, as chunks have it


def image(number: int) -> bytes:
    """One of a few images, which all kinds of examples share."""
    return f"image {number % 5} ".encode() * 50


def write(acknowledged: Path) -> None:
    from capture_app import call_llm

    descriptor = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number in count():
        url = "data:image/png;base64," + base64.b64encode(image(number)).decode()
        parts = [{"type": "text", "text": f"{number}?"}, {"type": "image_url", "image_url": {"url": url}}]
        response = call_llm(messages=[{"role": "user", "content": parts}], training_metadata={})
        if response.example_id is None:
            raise SystemExit("A call was not captured, though nothing is wrong with the disk.")
        os.write(descriptor, f"{response.example_id}\n".encode())
        time.sleep(_PAUSE)


def archive() -> None:
    """Archive and merge in turns, and what is older than a year is pruned."""
    from training_archive.services import archive_training_data, merge_chunks, prune_archive

    while True:
        with others_at_work():
            archive_training_data()
        if random.random() < 0.4:
            with others_at_work():
                merge_chunks(this_month=True)
        if random.random() < 0.4:
            with others_at_work():
                prune_archive(older_than=timedelta(days=365), dry_run=False)


def merge() -> None:
    from training_archive.services import merge_chunks

    while True:
        with others_at_work():
            merge_chunks(this_month=True)


def prune() -> None:
    from training_archive.services import prune_archive

    while True:
        with others_at_work():
            prune_archive(older_than=timedelta(days=365), dry_run=False)


def old(database: Path) -> None:
    """Archive chunks that are to be pruned: examples of years ago, with images that the writers' refer to, too."""
    from training_archive.services import archive_training_data

    while True:
        with others_at_work():
            _write_old(database)
            archive_training_data(db_path=database)


def _write_old(database: Path) -> None:
    from capture_app.blobs import Blob, store_blobs
    from capture_app.conf import capture_settings
    from capture_app.example import new_example_id
    from tests.unit.training_archive.material import row, write_database

    content = [image(random.randrange(5)), os.urandom(100)]
    blobs = [Blob(_sha256(each), "image/png", each) for each in content]
    store_blobs(capture_settings().data_dir, blobs)
    for path in (database, database.with_name(database.name + ".wal")):
        path.unlink(missing_ok=True)
    facts = {"gleaner": {"messages": [blob.reference for blob in blobs]}}
    write_database(database, [row(new_example_id(), task="old", created_at=_OLD, metadata=facts)])


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def others_at_work() -> Iterator[None]:
    """Whoever holds the archive, or has not made it yet, is awaited."""
    from training_archive.exceptions import ArchiveBusy, ArchiveError

    try:
        yield
    except ArchiveBusy:
        time.sleep(_PAUSE)
    except ArchiveError as error:
        if "There is no archive" not in str(error):
            raise
        time.sleep(_PAUSE)


def grow(archived: Path) -> None:
    """Capture, archive, merge; what is archived for sure is written down, a line for each run."""
    from capture_app import call_llm
    from training_archive.services import archive_training_data, merge_chunks

    with archived.open("a") as file:
        for number in count():
            ids = [call_llm(f"{each}?", training_metadata={}).example_id for each in range(3)]
            archive_training_data()
            print(*ids, file=file, flush=True)
            if number % 4 == 3:
                merge_chunks(this_month=True)


def look(archived: Path) -> None:
    """Read the archive again and again while it grows; each look finds all that was archived before it, and once."""
    from training_archive.reader import iter_chunks, iter_examples, load_into

    def examples() -> Counter[str]:
        return Counter(example["id"] for example in iter_examples(columns=["id"]))

    def loaded() -> Counter[str]:
        with duckdb.connect() as connection:
            load_into(connection)
            return Counter(found for (found,) in connection.execute("SELECT id FROM examples").fetchall())

    def chunks() -> Counter[str]:
        generations = Counter(each for sidecar in iter_chunks() for each in sidecar.generations)
        return Counter({example_id: generations[_generation(example_id)] for example_id in before})

    looks = 0
    end = time.monotonic() + 8
    while time.monotonic() < end or looks < 6:
        before = archived.read_text().rpartition("\n")[0].split() if archived.exists() else []
        if not before:
            time.sleep(_PAUSE)
            continue
        found = (examples, loaded, chunks)[looks % 3]()
        missed = [example_id for example_id in before if not found[example_id]]
        doubled = [example_id for example_id, times in found.items() if times > 1]
        if missed or doubled:
            raise SystemExit(f"look {looks}: missed {missed}, doubled {doubled} of {len(before)}")
        looks += 1
    print(looks, len(before))


def _generation(example_id: str) -> str:
    from capture_app.models import ExampleIndex

    return ExampleIndex.objects.values_list("generation", flat=True).get(pk=example_id)


def full_disk() -> None:
    """Archive, merge and prune on a disk that fails now and then; never again in the last run."""
    from capture_app.exceptions import CaptureError
    from tests.faults import broken_disk
    from training_archive.exceptions import ArchiveError
    from training_archive.services import archive_training_data, merge_chunks, prune_archive

    kept: list[str | None] = []
    failures: Counter[str] = Counter()
    for _ in range(12):
        kept += broken_disk.capture(5)
        archive_training_data()
        for probability in (0.01, 0.05, 0.3):
            with broken_disk.full_disk(probability=probability):
                try:
                    merge_chunks(this_month=True)
                    prune_archive(older_than=timedelta(days=365), dry_run=False)
                except (CaptureError, ArchiveError, OSError, DatabaseError, duckdb.Error) as failure:
                    failures[type(failure).__name__] += 1
    merge_chunks(this_month=True)
    print(json.dumps({"kept": kept, "failures": failures}))


def report() -> None:
    """Print what Django's database says of the archive, and whether the ZIPs say the same."""
    from capture_app.models import ExampleIndex
    from training_archive.models import ArchivedChunk, ArchivedGeneration
    from training_archive.reader import iter_chunks, iter_examples

    sidecars = list(iter_chunks())
    indexed = dict(ExampleIndex.objects.values_list("pk", "generation"))
    where = dict(ArchivedGeneration.objects.values_list("generation", "chunk"))
    facts: dict[str, Any] = {
        "ids": [example["id"] for example in iter_examples(columns=["id"])],
        "chunks": [sidecar.chunk for sidecar in sidecars],
        "known_chunks": sorted(ArchivedChunk.objects.values_list("name", flat=True)),
        "generations": sorted((each, sidecar.chunk) for sidecar in sidecars for each in sidecar.generations),
        "known_generations": sorted(where.items()),
        "indexed": list(indexed),
        "lead_nowhere": [example_id for example_id, generation in indexed.items() if generation not in where],
    }
    print(json.dumps(facts))


ROLES: dict[str, Callable[..., None]] = {
    "write": write,
    "archive": archive,
    "merge": merge,
    "prune": prune,
    "old": old,
    "grow": grow,
    "look": look,
    "full_disk": full_disk,
    "report": report,
}


if __name__ == "__main__":
    django.setup()
    ready, role, *arguments = sys.argv[1:]
    Path(ready).touch()
    ROLES[role](*map(Path, arguments))
