"""The commands that let the archive grow and shrink: what they print, and how they end."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training_archive.material import row, write_database
from tests.unit.training_archive.running import failure
from training_archive.dated_names import dated_zips
from training_archive.reader import iter_chunks, iter_examples
from training_archive.services import archive_training_data

pytestmark = pytest.mark.django_db

Calls = Callable[..., list[str]]
Command = Callable[..., str]


@pytest.fixture
def three_zips(settings: Any, capture_calls: Calls, zip_path: Path) -> Path:
    settings.TRAINING_ARCHIVE = {"ROLL_BYTES": 1}
    for count in (1, 2, 3):
        capture_calls(count)
        archive_training_data()
    return zip_path


@pytest.fixture
def with_old(two_chunks: Path, tmp_path: Path) -> Path:
    """An archive of two young chunks and one of 2020."""
    rows = [row("old 1", created_at=datetime(2020, 1, 1)), row("old 2", created_at=datetime(2020, 1, 2))]
    archive_training_data(db_path=write_database(tmp_path / "old" / "old.duckdb", rows))
    return two_chunks


@pytest.fixture
def busy(lock_elsewhere: Callable[[Path], AbstractContextManager[None]], data_dir: Path) -> Any:
    return lambda: lock_elsewhere(data_dir / "sealed" / ".lock")


# --- archive_status --------------------------------------------------------------------------------------------------


def test_the_status_counts_all_zips_as_one_archive(three_zips: Path, command: Command) -> None:
    lines = dict(line.split(maxsplit=1) for line in command("archive_status").splitlines())

    assert lines["Archive"].startswith("6 examples in 3 chunks, ")
    assert lines["Archive"].endswith(" in 3 ZIPs")


def test_the_status_of_one_zip_counts_no_zips(two_chunks: Path, command: Command) -> None:
    assert " ZIPs" not in command("archive_status")


def test_the_status_lists_the_zips_as_json(three_zips: Path, command: Command) -> None:
    printed = json.loads(command("archive_status", "--json"))

    dated = [path.name for path in dated_zips(three_zips)]
    assert [(found["name"], found["rows"]) for found in printed["zips"]] == [
        (dated[0], 1),
        (dated[1], 2),
        (three_zips.name, 3),
    ]
    assert (printed["chunks"], printed["archived_rows"]) == (3, 6)
    assert printed["zip_bytes"] == sum(found["size"] for found in printed["zips"])


def test_the_status_fails_for_a_damaged_dated_zip_and_prints_the_rest(
    three_zips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = dated_zips(three_zips)[0]
    damaged.write_bytes(b"")

    error = failure("archive_status")

    assert damaged.name in str(error)
    assert "5 examples in 2 chunks" in capsys.readouterr().out


# --- merge_chunks ----------------------------------------------------------------------------------------------------


def test_merging_says_what_became_what(two_chunks: Path, command: Command) -> None:
    first, second = command("merge_chunks", "--this-month").splitlines()

    [chunk] = iter_chunks(two_chunks)
    assert first == f"{two_chunks.name}: 2 chunks became {chunk.chunk}.duckdb, 3 examples."
    assert second.startswith("The archive had ")
    assert "read back and verified in" in second


def test_merging_nothing_says_so(two_chunks: Path, command: Command) -> None:
    assert command("merge_chunks").startswith("No ZIP has several chunks of a month that is over; nothing was changed.")


def test_merging_prints_one_json_object_on_request(two_chunks: Path, command: Command) -> None:
    sources = [sidecar.chunk for sidecar in iter_chunks(two_chunks)]

    printed = json.loads(command("merge_chunks", "--this-month", "--json"))

    [merged] = printed["merged"]
    assert (merged["sources"], merged["chunk"]["rows"]) == (sources, 3)
    assert printed["bytes_after"] == two_chunks.stat().st_size


def test_merging_another_archive_is_asked_for_by_its_path(two_chunks: Path, tmp_path: Path, command: Command) -> None:
    other = tmp_path / "other.zip"
    other.write_bytes(two_chunks.read_bytes())

    command("merge_chunks", "--this-month", f"--zip-path={other}")

    assert (len(list(iter_chunks(other))), len(list(iter_chunks(two_chunks)))) == (1, 2)


def test_merging_while_another_run_is_at_work_ends_with_status_75(two_chunks: Path, busy: Any) -> None:
    with busy():
        assert failure("merge_chunks").returncode == 75


@pytest.mark.parametrize("name", ["merge_chunks", "prune_archive"])
def test_without_an_archive_the_command_fails_with_the_reason(name: str, zip_path: Path) -> None:
    arguments = ["--older-than=1d"] if name == "prune_archive" else []

    error = failure(name, *arguments)

    assert (error.returncode, f"There is no archive at {zip_path}" in str(error)) == (1, True)


@pytest.mark.parametrize("arguments", [["merge_chunks"], ["prune_archive", "--older-than=1d", "--yes"]])
def test_a_damaged_zip_fails_with_the_reason(two_chunks: Path, arguments: list[str]) -> None:
    two_chunks.write_bytes(b"no ZIP")

    error = failure(*arguments)

    assert (error.returncode, "not readable as a ZIP" in str(error)) == (1, True)


# --- prune_archive ---------------------------------------------------------------------------------------------------


def test_pruning_only_says_what_it_would_remove(with_old: Path, command: Command) -> None:
    before = with_old.read_bytes()
    *_, old = iter_chunks(with_old)

    first, second = command("prune_archive", "--older-than=400d").splitlines()

    assert first.startswith(f"{with_old.name}: {old.chunk}.duckdb, 2 examples, ")
    assert first.endswith("the last from 2020-01-02T00:00:00+00:00")
    assert second == (
        "Would remove 1 chunk with 2 examples; 2 chunks stay. Nothing was changed; add --yes to remove them."
    )
    assert with_old.read_bytes() == before


def test_pruning_removes_them_when_told_to(with_old: Path, command: Command) -> None:
    last = command("prune_archive", "--older-than=400d", "--yes").splitlines()[-1]

    assert last == "Removed 1 chunk with 2 examples and 0 blobs; 2 chunks stay."
    assert len(list(iter_examples(with_old))) == 3


def test_pruning_nothing_says_so(two_chunks: Path, command: Command) -> None:
    line = command("prune_archive", "--older-than=400d", "--yes")

    assert line.startswith("No chunk is wholly from before 20")
    assert line.endswith(" UTC; 2 chunks stay.\n")


def test_pruning_prints_one_json_object_on_request(with_old: Path, command: Command) -> None:
    printed = json.loads(command("prune_archive", "--older-than=400d", "--json"))

    assert ([chunk["rows"] for chunk in printed["chunks"]], printed["kept_chunks"]) == ([2], 2)
    assert printed["dry_run"] is True


def test_an_age_beyond_the_calendar_is_no_error(two_chunks: Path, command: Command) -> None:
    assert "No chunk is wholly from before" in command("prune_archive", "--older-than=999999d")


@pytest.mark.parametrize("age", ["", "400", "-1d", "0d", "1m", "5h", "1d2h", "1.5d", "9999999d"])
def test_what_is_no_age_is_refused(age: str) -> None:
    assert "argument --older-than: " in str(failure("prune_archive", f"--older-than={age}"))


def test_pruning_needs_an_age() -> None:
    assert "--older-than" in str(failure("prune_archive", "--yes"))


def test_pruning_while_another_run_is_at_work_ends_with_status_75(two_chunks: Path, busy: Any) -> None:
    with busy():
        assert failure("prune_archive", "--older-than=1d").returncode == 75
