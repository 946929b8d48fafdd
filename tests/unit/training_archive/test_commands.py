"""The archive's commands: what they print, and how they end."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from capture_app.metrics import count_capture_failure
from capture_app.models import ExampleIndex
from tests.unit.training_archive.conftest import Killed
from tests.unit.training_archive.material import rewrite_member, row, write_database
from tests.unit.training_archive.running import failure
from training_archive.archive_set import read_sidecars
from training_archive.management.archive_command import age, human_size
from training_archive.management.commands.archive_status import _job_line
from training_archive.reader import iter_chunks, iter_examples
from training_archive.removed_chunks import removing
from training_archive.services import archive_status, archive_training_data

pytestmark = pytest.mark.django_db

Calls = Callable[..., list[str]]
Command = Callable[..., str]


# --- archive_training_data -------------------------------------------------------------------------------------------


def test_archiving_says_what_became_a_chunk(capture_calls: Calls, command: Command, zip_path: Path) -> None:
    capture_calls(3)

    lines = command("archive_training_data").splitlines()

    [chunk] = iter_chunks(zip_path)
    assert lines[0].startswith(f"Archived 3 examples as {chunk.chunk}.duckdb (")
    assert lines[1].startswith(f"{zip_path} now has ")
    assert "read back and verified" in lines[1]


def test_archiving_says_what_went_to_quarantine(capture_calls: Calls, command: Command, data_dir: Path) -> None:
    capture_calls(1)
    [segment] = (data_dir / "spool").glob("*.jsonl")
    with segment.open("ab") as file:
        file.write(b"no record\n")

    assert "1 record could not be stored, kept in quarantine/." in command("archive_training_data")


def test_archiving_nothing_says_so(command: Command) -> None:
    assert command("archive_training_data") == "Nothing new to archive; the ZIP is as it was.\n"


def test_archiving_prints_one_json_object_on_request(capture_calls: Calls, command: Command, zip_path: Path) -> None:
    capture_calls(3)

    printed = json.loads(command("archive_training_data", "--json"))

    [sidecar] = iter_chunks(zip_path)
    assert printed["zip_path"] == str(zip_path)
    assert printed["drained_rows"] == 3
    assert printed["chunks"] == [json.loads(sidecar.to_json())]


def test_progress_goes_to_standard_error(capture_calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    capture_calls(1)

    call_command("archive_training_data", "--json")

    printed = capsys.readouterr()
    assert "compacting ..." in printed.err
    assert json.loads(printed.out)


def test_the_options_reach_the_service(command: Command, tmp_path: Path, zip_path: Path) -> None:
    other = write_database(tmp_path / "elsewhere" / "other.duckdb", [row("a")])
    target = tmp_path / "other.zip"

    command("archive_training_data", f"--db-path={other}", f"--zip-path={target}", "--compresslevel=1")

    assert [example["id"] for example in iter_examples(target)] == ["a"]
    assert not zip_path.exists()


@pytest.mark.parametrize("level", ["0", "10", "-1", "best"])
def test_a_level_that_deflate_lacks_is_refused(level: str) -> None:
    assert "argument --compresslevel: invalid" in str(failure("archive_training_data", f"--compresslevel={level}"))


def test_another_run_at_work_ends_with_status_75(
    capture_calls: Calls, lock_elsewhere: Callable[[Path], AbstractContextManager[None]], data_dir: Path
) -> None:
    capture_calls(1)

    with lock_elsewhere(data_dir / "sealed" / ".lock"):
        error = failure("archive_training_data")

    assert error.returncode == 75
    assert "Another run that changes or indexes the archive is at work" in str(error)


def test_a_missing_database_ends_with_status_1(tmp_path: Path) -> None:
    error = failure("archive_training_data", f"--db-path={tmp_path / 'missing.duckdb'}")

    assert error.returncode == 1
    assert "There is no DuckDB database at" in str(error)


def test_a_folder_that_cannot_be_made_ends_with_status_1_and_loses_nothing(
    capture_calls: Calls, tmp_path: Path
) -> None:
    capture_calls(2)
    (tmp_path / "file").touch()

    error = failure("archive_training_data", f"--zip-path={tmp_path / 'file' / 'archive.zip'}")

    assert error.returncode == 1
    assert str(tmp_path / "file") in str(error)
    status = archive_status()
    assert status.capture.inbox_rows + status.capture.live_rows == 2


# --- archive_status --------------------------------------------------------------------------------------------------


def test_the_status_is_one_line_for_each_station(capture_calls: Calls, command: Command, zip_path: Path) -> None:
    capture_calls(3)
    archive_training_data()
    capture_calls(2)

    lines = dict(line.split("  ", 1) for line in command("archive_status").splitlines())

    found = {label: value.strip() for label, value in lines.items()}
    assert found["Inbox"].startswith("2 records, ")
    assert found["Archive"].startswith("3 examples in 1 chunk, ")
    assert found["Last chunk"].endswith(" UTC")
    assert found["ZIP"] == str(zip_path)


def test_the_status_of_nothing_is_shown_too(command: Command) -> None:
    assert "none yet" in command("archive_status")


def test_the_status_prints_one_json_object_on_request(capture_calls: Calls, command: Command, zip_path: Path) -> None:
    capture_calls(3)
    archive_training_data()
    capture_calls(2)

    printed = json.loads(command("archive_status", "--json"))

    last_chunk_at = printed["last_chunk_at"]
    for name in ("last_chunk", "inbox_oldest"):
        assert (printed.pop(f"{name}_at")[:2], printed.pop(f"{name}_age_seconds") > 0) == ("20", True)
    assert set(printed.pop("jobs")) == {"archive", "drain"}
    assert printed == {
        "captures": 3,
        "capture_failures": {},
        "withheld_total": 0,
        "inbox_rows": 2,
        "inbox_bytes": printed["inbox_bytes"],
        "live_rows": 0,
        "live_bytes": (zip_path.parent / "llm_training_dataset.duckdb").stat().st_size,
        "sealed_files": 0,
        "quarantined": 0,
        "withheld": 0,
        "zip_path": str(zip_path),
        "zip_bytes": zip_path.stat().st_size,
        "zips": [
            {
                "name": zip_path.name,
                "size": zip_path.stat().st_size,
                "chunks": 1,
                "rows": 3,
                "last_chunk_at": last_chunk_at,
            }
        ],
        "chunks": 1,
        "archived_rows": 3,
        "cold_parts": [],
        "pending_erasures": 0,
        "leaving_chunks": 0,
        "last_shipped_at": None,
        "problem": "",
    }


def test_the_status_of_nothing_has_no_age_in_json(command: Command) -> None:
    printed = json.loads(command("archive_status", "--json"))

    assert (printed["last_chunk_age_seconds"], printed["inbox_oldest_age_seconds"], printed["jobs"]) == (None, None, {})


def test_the_status_says_what_each_job_did_last(capture_calls: Calls, command: Command, zip_path: Path) -> None:
    capture_calls(3)
    archive_training_data()
    zip_path.write_bytes(b"no ZIP")
    capture_calls(1)
    failure("archive_training_data")

    with pytest.raises(CommandError, match="not readable as a ZIP"):
        command("archive_status")
    archive, drain = archive_status().jobs
    line = _job_line(archive)
    assert line.startswith("failed, last success 20")
    assert "3 rows: ArchiveDamaged" in line
    assert _job_line(drain).startswith("ok, last success 20")


def test_the_jobs_are_lines_of_the_status(capture_calls: Calls, command: Command) -> None:
    capture_calls(3)
    archive_training_data()

    lines = dict(line.split("  ", 1) for line in command("archive_status").splitlines())

    assert set(lines) >= {"Captured", "Not kept", "Withheld", "Job archive", "Job drain"}
    assert lines["Job archive"].strip().startswith("ok, last success 20")


def test_a_jobs_facts_in_json_are_its_state_and_its_figures(capture_calls: Calls, command: Command) -> None:
    capture_calls(3)
    archive_training_data()

    job = json.loads(command("archive_status", "--json"))["jobs"]["archive"]

    assert (job["state"], job["problem"], job["rows"]) == ("ok", "", 3)
    assert job["last_success_at"] > job["started_at"]
    assert job["seconds"] > 0


def test_the_status_says_what_was_not_kept(command: Command, data_dir: Path) -> None:
    for error in (OSError(28, "No space left on device"), ValueError("odd"), ValueError("odd")):
        count_capture_failure(error)

    assert "3 examples: 1 x OSError errno 28, 2 x ValueError" in command("archive_status")
    printed = json.loads(command("archive_status", "--json"))
    assert printed["capture_failures"] == {"OSError errno 28": 1, "ValueError": 2}


def test_the_status_tells_quarantine_and_withheld_apart(command: Command, data_dir: Path) -> None:
    for folder, count in (("generation", 2), ("withheld", 3)):
        path = data_dir / "quarantine" / folder / "file.jsonl"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"{}\n" * count)

    printed = json.loads(command("archive_status", "--json"))

    assert (printed["quarantined"], printed["withheld"]) == (2, 3)


def test_what_a_drain_could_not_store_is_shown_with_what_to_do(
    capture_calls: Calls, command: Command, data_dir: Path
) -> None:
    capture_calls(1)
    [segment] = (data_dir / "spool").glob("*.jsonl")
    with segment.open("ab") as file:
        file.write(b"no record\n")

    command("drain_captures")

    assert "Quarantine     1 record in quarantine/, each with the reason; then run `manage.py requeue`\n" in command(
        "archive_status"
    )


def test_a_removal_that_was_killed_is_shown_with_what_to_do(two_chunks: Path, command: Command) -> None:
    with suppress(Killed), removing(two_chunks, two_chunks, read_sidecars(two_chunks)[:1]):
        raise Killed

    assert "Removing       1 chunk, not finished; " in command("archive_status")
    assert json.loads(command("archive_status", "--json"))["leaving_chunks"] == 1


def test_an_archive_run_that_finds_nothing_new_makes_no_chunk_younger(capture_calls: Calls, command: Command) -> None:
    capture_calls(1)
    archive_training_data()
    before = archive_status().last_chunk_at

    archive_training_data()

    assert archive_status().last_chunk_at == before


def test_a_chunk_that_is_young_enough_is_no_failure(capture_calls: Calls, command: Command) -> None:
    capture_calls(1)
    archive_training_data()

    assert command("archive_status", "--max-age=26h")


def test_a_chunk_that_is_too_old_ends_with_status_1(capture_calls: Calls) -> None:
    capture_calls(1)
    archive_training_data()

    error = failure("archive_status", "--max-age=0m")

    assert error.returncode == 1
    assert "more than 0:00:00" in str(error)


def test_no_chunk_at_all_is_not_young_enough() -> None:
    error = failure("archive_status", "--max-age=26h")

    assert error.returncode == 1
    assert "There is no chunk yet" in str(error)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90m", timedelta(minutes=90)), ("26h", timedelta(hours=26)), ("2d", timedelta(days=2))],
)
def test_an_age_is_a_number_and_its_unit(text: str, expected: timedelta) -> None:
    assert age(text) == expected


@pytest.mark.parametrize("text", ["", "26", "h", "-1h", "1.5h", "1w", "26h ", "9999999d"])
def test_what_is_no_age_is_refused(text: str) -> None:
    assert "is no age; write 90m, 26h or 2d" in str(failure("archive_status", f"--max-age={text}"))


# --- verify_archive --------------------------------------------------------------------------------------------------


def test_verifying_counts_what_is_sound(capture_calls: Calls, command: Command, zip_path: Path) -> None:
    for _ in range(2):
        capture_calls(2)
        archive_training_data()

    assert command("verify_archive") == f"{zip_path}: 2 sound chunks, 4 examples.\n"


def test_verifying_names_what_is_damaged_and_ends_with_status_1(capture_calls: Calls, zip_path: Path) -> None:
    capture_calls(1)
    [chunk] = archive_training_data().chunks
    rewrite_member(zip_path, f"{chunk.chunk}.duckdb", b"damaged")

    error = failure("verify_archive")

    assert error.returncode == 1
    assert f"{chunk.chunk}.duckdb: " in str(error)
    assert "nothing was changed" in str(error)


def test_verifying_prints_what_is_damaged_in_json_before_it_fails(
    capture_calls: Calls, zip_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture_calls(1)
    archive_training_data()
    rewrite_member(zip_path, "stray.txt", b"by hand")

    failure("verify_archive", "--json")

    printed = json.loads(capsys.readouterr().out)
    assert printed["problems"] == [
        {"zip_name": zip_path.name, "member": "stray.txt", "reason": "no chunk belongs to it"}
    ]
    assert len(printed["chunks"]) == 1


def test_verifying_what_is_not_there_ends_with_status_1(tmp_path: Path) -> None:
    error = failure("verify_archive", f"--zip-path={tmp_path / 'missing.zip'}")

    assert error.returncode == 1
    assert "There is no archive at" in str(error)


# --- rebuild_example_index -------------------------------------------------------------------------------------------


def test_rebuilding_says_how_many_examples_were_indexed(capture_calls: Calls, command: Command) -> None:
    capture_calls(3)
    archive_training_data()
    ExampleIndex.objects.all().delete()

    assert command("rebuild_example_index") == "Indexed 3 examples.\n"
    assert ExampleIndex.objects.count() == 3


def test_rebuilding_prints_one_json_object_on_request(command: Command) -> None:
    assert json.loads(command("rebuild_example_index", "--json")) == {"indexed_rows": 0}


# --- Sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_500_000, "2.5 MB"), (3e9, "3.0 GB"), (4e15, "4000.0 TB")],
)
def test_sizes_are_said_in_powers_of_a_thousand(size: float, text: str) -> None:
    assert human_size(size) == text


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    commands: dict[str, Any] = {}
    for name in ("archive_training_data", "archive_status", "verify_archive", "rebuild_example_index"):
        with pytest.raises(SystemExit, match="0"):
            call_command(name, "--help")
        commands[name] = capsys.readouterr().out
    assert all("--zip-path" in text and "--json" in text for text in commands.values())
