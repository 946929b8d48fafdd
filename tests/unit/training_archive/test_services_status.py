"""archive_status says where everything is."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from capture_app.services import drain_captures
from tests.unit.training_archive.material import (
    change_sidecar,
    rewrite_member,
)
from training_archive.reader import iter_chunks
from training_archive.services import archive_status, archive_training_data

pytestmark = pytest.mark.django_db

Calls = Callable[..., list[str]]


def test_at_first_everything_is_empty(zip_path: Path) -> None:
    status = archive_status()

    assert (status.capture.inbox_rows, status.capture.live_rows, status.sealed_files) == (0, 0, 0)
    assert (status.zip_path, status.zip_size, status.chunks, status.rows) == (zip_path, 0, 0, 0)
    assert (status.last_chunk_at, status.last_chunk_age) == (None, None)


def test_the_status_says_at_which_station_the_examples_are(
    capture_calls: Calls, interrupted_run: Callable[..., None], zip_path: Path
) -> None:
    capture_calls(5)
    archive_training_data()
    capture_calls(4)
    interrupted_run()
    capture_calls(3)
    drain_captures()
    capture_calls(2)

    status = archive_status()

    assert (status.chunks, status.rows, status.sealed_files) == (1, 5, 1)
    assert (status.capture.live_rows, status.capture.inbox_rows) == (3, 2)
    assert status.zip_size == zip_path.stat().st_size


def test_the_status_counts_what_is_in_quarantine(capture_calls: Calls, data_dir: Path) -> None:
    capture_calls(1)
    [segment] = (data_dir / "spool").glob("*.jsonl")
    with segment.open("ab") as file:
        file.write(b"no record\n")
    drain_captures()

    assert archive_status().capture.quarantined == 1


def test_the_age_of_the_last_chunk_is_that_of_the_youngest(capture_calls: Calls, zip_path: Path) -> None:
    for _ in range(2):
        capture_calls(1)
        archive_training_data()
    oldest, youngest = iter_chunks(zip_path)
    aged = orjson.loads(oldest.to_json()) | {"created_at": "2020-01-01T00:00:00+00:00"}
    rewrite_member(zip_path, f"{oldest.chunk}.json", orjson.dumps(aged))

    status = archive_status()

    assert status.last_chunk_at == datetime.fromisoformat(youngest.created_at)
    assert status.last_chunk_age is not None
    assert timedelta(0) < status.last_chunk_age < timedelta(days=1)


@pytest.mark.parametrize(
    "lie", [{"rows": "x"}, {"created_at": 5}, {"created_at": "nonsense"}, {"created_at": "2026-01-01T00:00:00"}]
)
def test_the_status_names_a_sidecar_of_wrong_types(two_chunks: Path, lie: dict[str, Any]) -> None:
    change_sidecar(two_chunks, lie)

    assert "sidecar is not readable" in archive_status().problem


def test_the_status_says_the_other_figures_when_the_zip_is_damaged(capture_calls: Calls, zip_path: Path) -> None:
    capture_calls(2)
    zip_path.write_bytes(b"no ZIP")

    status = archive_status()

    assert (status.capture.inbox_rows, "not readable as a ZIP" in status.problem) == (2, True)
