"""SIGKILL in the middle of an import and of a requeue: run again, each example is stored exactly once."""

import json
import signal
import sqlite3
import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path

import orjson

from tests.faults.conftest import Site

SETTINGS = "tests.faults.intake_settings"

# Where an import gets to, in this order, and for the how manieth time it is killed there.
IMPORT_POINTS = [
    ("capture_app.inbox.spool.write_atomically", 1),  # before the first segment
    ("capture_app.inbox.spool.write_atomically", 5),  # some segments of the load are in
    ("pathlib.Path.replace", 4),  # a segment is written, and has no name yet
    ("training_archive.importing.intake.drain_captures", 2),  # a load is in the inbox
    ("capture_app.drain.ingest", 2),
    ("capture_app.drain.index_examples", 1),  # in the live database, and not in the index
    ("capture_app.inbox.spool.SpoolInbox.acknowledge", 2),
    ("pathlib.Path.unlink", 9),  # some of the segments are forgotten
    ("training_archive.importing.intake.stored_ids", 4),
]
REQUEUE_POINTS = [
    ("capture_app.requeue.make_storable", 1),
    ("capture_app.inbox.spool.write_atomically", 2),
    ("capture_app.requeue.rewrite_without", 1),  # taken in, and still in quarantine
    ("shutil.copymode", 1),  # while the quarantine is rewritten
    ("capture_app.requeue.unseal", 5),
    ("capture_app.requeue.store_blobs", 3),
    ("capture_app.requeue.rewrite_without", 1),  # taken in, and still withheld: the quarantine is done with by now
    ("training_archive.requeue.drain_captures", 1),
    ("capture_app.drain.index_examples", 1),
    ("training_archive.requeue.chunk_name", 1),
    ("training_archive.requeue.fsync_directory", 1),  # named, and not indexed
    ("training_archive.requeue.index_examples", 1),
]


def example_ids(count: int) -> list[str]:
    return [str(uuid.UUID(int=number + 1)) for number in range(count)]


def record(example_id: str, **values: object) -> bytes:
    facts = {"id": example_id, "task": "shop", "prompt_text": "What? " * 20, "system_prompt": "", "metadata": {}}
    rest = {"response_strong": "That.", "slot_specs": {}, "provider": "p", "model_name": "m", "input_tokens": 1}
    return orjson.dumps({**facts, **rest, "created_at": "2026-01-01T12:00:00", **values}) + b"\n"


def done(site: Site, lines: list[str]) -> list[int]:
    """Have each line done by a child (see intake_kills); how each ended."""
    process = subprocess.run(
        [sys.executable, "-m", "tests.faults.intake_kills"],
        cwd=Path(__file__).parents[2],
        env={**site.environment, "DJANGO_SETTINGS_MODULE": SETTINGS},
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return [int(line) for line in process.stdout.split()]


def indexed_ids(site: Site) -> list[str]:
    with sqlite3.connect(site.folder / "db.sqlite3") as database:
        found = [example_id for (example_id,) in database.execute("SELECT id FROM capture_app_exampleindex")]
    database.close()
    return found


def assert_each_is_archived_once(site: Site, ids: list[str]) -> None:
    site.manage_json("archive_training_data")
    assert Counter(site.archived_ids()) == Counter(ids)
    assert sorted(indexed_ids(site)) == sorted(ids)
    status = site.manage_json("archive_status")
    assert (status["inbox_rows"], status["live_rows"], status["sealed_files"]) == (0, 0, 0)


def source(folder: Path, ids: list[str], name: str = "source") -> Path:
    path = folder / f"{name}.jsonl"
    path.write_bytes(b"".join(map(record, ids)))
    return path


def test_an_import_that_is_killed_anywhere_and_run_again_stores_each_example_once(site: Site, tmp_path: Path) -> None:
    ids = example_ids(300)
    path = source(tmp_path, ids)

    ended = done(site, [*(f"import {path} {point} {time}" for point, time in IMPORT_POINTS), f"import {path}"])

    assert ended == [-signal.SIGKILL] * len(IMPORT_POINTS) + [0]
    assert_each_is_archived_once(site, ids)


def test_an_archive_run_between_a_kill_and_the_next_import_doubles_nothing(site: Site, tmp_path: Path) -> None:
    ids = example_ids(120 * len(IMPORT_POINTS))
    lines = []
    for number, (point, time) in enumerate(IMPORT_POINTS):
        path = source(tmp_path, ids[120 * number : 120 * (number + 1)], f"source{number}")
        lines += [f"import {path} {point} {time}", "archive", f"import {path}"]

    assert done(site, lines) == [-signal.SIGKILL, 0, 0] * len(IMPORT_POINTS)
    assert_each_is_archived_once(site, ids)


def put_aside(site: Site) -> list[str]:
    """Records in quarantine, examples withheld and a sealed file under another name; the ids that can be stored."""
    script = """
from datetime import datetime
from pathlib import Path
from capture_app.blobs import Blob
from capture_app.conf import capture_settings
from capture_app.quarantine import BadRecord, quarantine
from capture_app.withheld import withhold
from tests.faults.test_intake_kill import example_ids, record
from tests.unit.capture_app.captured import example
from tests.unit.training_archive.material import row, write_database
import django
django.setup()
ids = example_ids(60)
data_dir = capture_settings().data_dir
bad = [BadRecord(record(example_id, input_tokens="many").rstrip(), "refused") for example_id in ids[:30]]
quarantine(data_dir, generation="g", batch_name="b", records=[*bad[:10], BadRecord(b"{torn", "no JSON"), *bad[10:]])
for number, example_id in enumerate(ids[30:50]):
    picture = Blob(f"{number:064x}", "image/png", b"picture")
    metadata = {"gleaner": {"messages": [picture.reference]}}
    withhold(data_dir, example(id=example_id, metadata=metadata), [picture], "it failed")
write_database(data_dir / "sealed" / "odd name.duckdb", [row(example_id) for example_id in ids[50:]])
"""
    made = site.run("-c", script, DJANGO_SETTINGS_MODULE=SETTINGS)
    assert made.returncode == 0, made.stderr
    return example_ids(60)


def test_a_requeue_that_is_killed_anywhere_and_run_again_stores_each_example_once(site: Site) -> None:
    ids = put_aside(site)

    ended = done(site, [*(f"requeue {point} {time}" for point, time in REQUEUE_POINTS), "requeue"])

    assert ended == [-signal.SIGKILL] * len(REQUEUE_POINTS) + [0]
    [left] = (site.data_dir / "quarantine").rglob("*.jsonl")
    assert [json.loads(line)["text"] for line in left.read_text().splitlines()] == ["{torn"]
    assert_each_is_archived_once(site, ids)
