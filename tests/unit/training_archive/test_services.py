"""Archiving, on real captures: nothing is lost, nothing is stored twice."""

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from capture_app.models import ExampleIndex
from capture_app.services import drain_captures
from tests.unit.training_archive.material import (
    files_below,
    rewrite_member,
    row,
    write_database,
)
from training_archive.chunks import chunk_name
from training_archive.exceptions import ArchiveBusy, ArchiveDamaged, ArchiveError
from training_archive.models import ArchivedChunk
from training_archive.reader import iter_chunks, iter_examples
from training_archive.services import archive_status, archive_training_data, rebuild_example_index

pytestmark = pytest.mark.django_db

Calls = Callable[..., list[str]]


def archived_ids(zip_path: Path) -> list[str]:
    return sorted(example["id"] for example in iter_examples(zip_path, columns=["id"]))


def sealed_files(data_dir: Path) -> list[Path]:
    return sorted((data_dir / "sealed").glob("*.duckdb"))


# --- archive_training_data -------------------------------------------------------------------------------------------


def test_what_was_captured_is_in_the_archive(capture_calls: Calls, zip_path: Path) -> None:
    ids = capture_calls(3)

    report = archive_training_data()

    assert archived_ids(zip_path) == ids
    assert (report.zip_path, report.rows, report.drained_rows) == (zip_path, 3, 3)


def test_what_was_archived_is_neither_in_the_inbox_nor_in_the_live_database(capture_calls: Calls) -> None:
    capture_calls(3)

    archive_training_data()

    status = archive_status()
    assert (status.capture.inbox_rows, status.capture.live_rows, status.sealed_files) == (0, 0, 0)


def test_what_was_drained_before_is_archived_too(capture_calls: Calls, zip_path: Path) -> None:
    drained = capture_calls(2)
    drain_captures()
    waiting = capture_calls(1)

    archive_training_data()

    assert archived_ids(zip_path) == drained + waiting


def test_without_any_capture_no_zip_is_made(zip_path: Path) -> None:
    report = archive_training_data()

    assert (report.chunks, report.rotation_lock_seconds) == ([], None)
    assert not zip_path.exists()


def test_when_nothing_is_new_the_zip_is_not_touched(capture_calls: Calls, zip_path: Path) -> None:
    capture_calls(1)
    archive_training_data()
    before = zip_path.read_bytes(), zip_path.stat().st_mtime_ns, zip_path.stat().st_ino

    assert archive_training_data().chunks == []

    assert (zip_path.read_bytes(), zip_path.stat().st_mtime_ns, zip_path.stat().st_ino) == before


def test_each_run_adds_a_chunk_after_the_others(capture_calls: Calls, zip_path: Path) -> None:
    first = capture_calls(1)
    [one] = archive_training_data().chunks
    second = capture_calls(2)
    [two] = archive_training_data().chunks

    assert list(iter_chunks(zip_path)) == [one, two]
    assert one.chunk < two.chunk
    assert archived_ids(zip_path) == first + second


def test_a_run_leaves_no_working_file(capture_calls: Calls, data_dir: Path) -> None:
    capture_calls(1)

    archive_training_data()

    files = {path for path in files_below(data_dir) if (data_dir / path).is_file()}
    assert {path for path in files if not path.endswith(".lock") and not path.startswith(("spool/", "metrics/"))} == {
        "llm_training_dataset.duckdb",
        "llm_training_dataset.zip",
    }


def test_an_archived_chunk_is_known_to_the_database(capture_calls: Calls, zip_path: Path) -> None:
    capture_calls(2)

    [sidecar] = archive_training_data().chunks

    known = ArchivedChunk.objects.get()
    assert (known.name, known.zip_name) == (sidecar.chunk, zip_path.name)
    assert [found.generation for found in known.generations.all()] == [sidecar.generation]
    assert (known.rows, known.size, known.sha256) == (2, sidecar.size, sidecar.sha256)
    assert known.first_created_at == datetime.fromisoformat(sidecar.first_created_at or "")


def test_the_index_leads_from_an_example_to_its_chunk(capture_calls: Calls) -> None:
    [example_id] = capture_calls(1)

    [sidecar] = archive_training_data().chunks

    generation = ExampleIndex.objects.get(id=example_id).generation
    assert ArchivedChunk.objects.get(generations__generation=generation).name == sidecar.chunk


def test_the_sidecar_counts_the_records_that_went_to_quarantine(capture_calls: Calls, data_dir: Path) -> None:
    capture_calls(1)
    [segment] = (data_dir / "spool").glob("*.jsonl")
    with segment.open("ab") as file:
        file.write(b"no record\n{}\n")

    [sidecar] = archive_training_data().chunks

    assert (sidecar.rows, sidecar.quarantined_lines) == (1, 2)


def test_quarantine_of_an_earlier_interval_is_not_counted_again(capture_calls: Calls, data_dir: Path) -> None:
    capture_calls(1)
    [segment] = (data_dir / "spool").glob("*.jsonl")
    with segment.open("ab") as file:
        file.write(b"no record\n")
    archive_training_data()
    capture_calls(1)

    [sidecar] = archive_training_data().chunks

    assert sidecar.quarantined_lines == 0


def test_another_zip_path_makes_another_zip(capture_calls: Calls, zip_path: Path, tmp_path: Path) -> None:
    ids = capture_calls(1)

    archive_training_data(zip_path=tmp_path / "elsewhere" / "other.zip")

    assert archived_ids(tmp_path / "elsewhere" / "other.zip") == ids
    assert not zip_path.exists()


def test_the_setting_names_the_zip(capture_calls: Calls, settings: Any, tmp_path: Path) -> None:
    settings.TRAINING_ARCHIVE = {"ZIP_PATH": tmp_path / "chosen.zip", "COMPRESSLEVEL": 1}
    ids = capture_calls(1)

    archive_training_data()

    assert archived_ids(tmp_path / "chosen.zip") == ids


def test_a_higher_level_makes_a_smaller_zip(capture_calls: Calls, tmp_path: Path) -> None:
    for level in (1, 9):
        capture_calls(400)
        archive_training_data(zip_path=tmp_path / f"{level}.zip", compresslevel=level)

    assert (tmp_path / "9.zip").stat().st_size < (tmp_path / "1.zip").stat().st_size


# --- Runs that were interrupted --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["compacting", "compressing the chunk", "copying the ZIP"])
def test_what_an_interrupted_run_left_is_archived_by_the_next(
    capture_calls: Calls, interrupted_run: Callable[..., None], data_dir: Path, zip_path: Path, stage: str
) -> None:
    before = capture_calls(1)
    archive_training_data()
    before += capture_calls(2)
    interrupted_run(stage)
    assert len(sealed_files(data_dir)) == 1

    assert archive_training_data().rows == 2

    assert archived_ids(zip_path) == before
    assert sealed_files(data_dir) == []


def test_what_an_interrupted_run_left_comes_before_what_is_new(
    capture_calls: Calls, interrupted_run: Callable[..., None], zip_path: Path
) -> None:
    capture_calls(1)
    interrupted_run()
    capture_calls(2)

    archive_training_data()

    assert [chunk.rows for chunk in iter_chunks(zip_path)] == [1, 2]


def test_what_an_interrupted_run_left_for_a_zip_whose_name_is_no_utf8_is_archived(
    capture_calls: Calls, interrupted_run: Callable[..., None], data_dir: Path, zip_path: Path
) -> None:
    ids = capture_calls(1)
    interrupted_run(zip_path=data_dir / os.fsdecode(b"\xff.zip"))

    archive_training_data()

    assert archived_ids(zip_path) == ids


@pytest.fixture
def killed_before_unlinking(
    capture_calls: Calls, interrupted_run: Callable[..., None], data_dir: Path, tmp_path: Path
) -> Callable[[Path], list[str]]:
    """The state after a kill between the append to a ZIP and the removal of the sealed file; the ids in it."""

    def make(target: Path) -> list[str]:
        ids = capture_calls(2)
        interrupted_run(zip_path=target)
        shutil.copytree(data_dir / "sealed", tmp_path / "kept")
        archive_training_data(zip_path=target)
        shutil.copytree(tmp_path / "kept", data_dir / "sealed", dirs_exist_ok=True)
        assert len(sealed_files(data_dir)) == 1
        return ids

    return make


def test_a_sealed_file_that_is_in_the_zip_already_is_only_removed(
    killed_before_unlinking: Callable[[Path], list[str]], data_dir: Path, zip_path: Path
) -> None:
    ids = killed_before_unlinking(zip_path)
    before = zip_path.read_bytes()

    archive_training_data()

    assert zip_path.read_bytes() == before
    assert archived_ids(zip_path) == ids
    assert sealed_files(data_dir) == []


def test_a_sealed_file_that_is_in_another_zip_already_is_only_removed(
    killed_before_unlinking: Callable[[Path], list[str]], data_dir: Path, zip_path: Path, tmp_path: Path
) -> None:
    ids = killed_before_unlinking(tmp_path / "other.zip")

    archive_training_data()

    assert archived_ids(tmp_path / "other.zip") == ids
    assert not zip_path.exists()
    assert list((data_dir / "sealed").glob("llm_*")) == []


def test_a_sealed_file_stays_when_its_chunk_in_the_zip_is_damaged(
    killed_before_unlinking: Callable[[Path], list[str]], data_dir: Path, zip_path: Path
) -> None:
    killed_before_unlinking(zip_path)
    [sealed] = sealed_files(data_dir)
    rewrite_member(zip_path, sealed.name, b"damaged")

    with pytest.raises(ArchiveDamaged, match="SHA-256"):
        archive_training_data()

    assert sealed.exists()


def test_a_broken_sealed_file_does_not_keep_the_others_out(
    capture_calls: Calls, data_dir: Path, zip_path: Path
) -> None:
    broken = data_dir / "sealed" / f"{chunk_name(datetime(2020, 1, 1, tzinfo=UTC), [])}.duckdb"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no database" * 1000)
    ids = capture_calls(1)

    with pytest.raises(ArchiveDamaged, match=broken.name):
        archive_training_data()

    assert archived_ids(zip_path) == ids
    assert sealed_files(data_dir) == [broken]


def test_files_of_other_names_in_the_sealed_folder_are_left_alone(capture_calls: Calls, data_dir: Path) -> None:
    note = data_dir / "sealed" / "notes.duckdb"
    note.parent.mkdir(parents=True)
    note.write_bytes(b"by hand")
    capture_calls(1)

    archive_training_data()

    assert note.read_bytes() == b"by hand"


def test_a_zip_that_is_no_zip_costs_no_example(capture_calls: Calls, zip_path: Path) -> None:
    ids = capture_calls(1)
    zip_path.parent.mkdir(parents=True, exist_ok=True)
    zip_path.write_bytes(b"no ZIP")

    with pytest.raises(ArchiveDamaged, match="not readable as a ZIP"):
        archive_training_data()
    assert zip_path.read_bytes() == b"no ZIP"

    zip_path.unlink()
    archive_training_data()
    assert archived_ids(zip_path) == ids


def test_a_zip_below_a_file_is_refused(capture_calls: Calls, tmp_path: Path) -> None:
    capture_calls(1)
    (tmp_path / "file").touch()

    with pytest.raises(ArchiveError, match="cannot hold an archive"):
        archive_training_data(zip_path=tmp_path / "file" / "archive.zip")

    assert archive_status().capture.inbox_rows == 1


# --- Other databases -------------------------------------------------------------------------------------------------


def test_another_database_is_archived_without_draining_the_inbox(
    capture_calls: Calls, zip_path: Path, tmp_path: Path
) -> None:
    capture_calls(2)
    other = write_database(tmp_path / "elsewhere" / "other.duckdb", [row("a")])

    archive_training_data(db_path=other)

    assert archived_ids(zip_path) == ["a"]
    assert archive_status().capture.inbox_rows == 2


def test_another_database_is_left_empty_and_ready(tmp_path: Path) -> None:
    other = write_database(tmp_path / "elsewhere" / "other.duckdb", [row("a")])
    archive_training_data(db_path=other)

    report = archive_training_data(db_path=other)

    assert report.chunks == []
    assert other.exists()


def test_a_copy_of_an_archived_database_can_be_archived(
    capture_calls: Calls, data_dir: Path, zip_path: Path, tmp_path: Path
) -> None:
    capture_calls(2)
    drain_captures()
    copy = tmp_path / "elsewhere" / "copy.duckdb"
    copy.parent.mkdir()
    shutil.copy(data_dir / "llm_training_dataset.duckdb", copy)
    archive_training_data()

    archive_training_data(db_path=copy)

    assert [chunk.rows for chunk in iter_chunks(zip_path)] == [2, 2]
    assert sealed_files(copy.parent) == []


def test_the_live_database_is_known_through_a_link_to_its_folder(
    capture_calls: Calls, data_dir: Path, tmp_path: Path
) -> None:
    capture_calls(1)
    (tmp_path / "link").symlink_to(data_dir)

    report = archive_training_data(db_path=tmp_path / "link" / "llm_training_dataset.duckdb")

    assert report.drained_rows == 1


def test_a_database_that_is_not_there_is_an_error_and_is_not_made(tmp_path: Path, zip_path: Path) -> None:
    missing = tmp_path / "elsewhere" / "missing.duckdb"

    with pytest.raises(ArchiveError, match=r"no DuckDB database at .*check --db-path"):
        archive_training_data(db_path=missing)

    assert not missing.parent.exists()
    assert not zip_path.exists()


def test_a_file_that_is_no_database_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    notes = tmp_path / "notes" / "notes.txt"
    notes.parent.mkdir()
    notes.write_text("These are only some notes.")

    with pytest.raises(ArchiveError, match="no DuckDB database"):
        archive_training_data(db_path=notes)

    assert files_below(notes.parent) == {"notes.txt"}


# --- Runs that meet --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", ["sealed/.lock", ".llm_training_dataset.zip.lock"])
def test_while_another_process_archives_a_run_gives_way(
    capture_calls: Calls,
    lock_elsewhere: Callable[[Path], AbstractContextManager[None]],
    data_dir: Path,
    zip_path: Path,
    lock: str,
) -> None:
    ids = capture_calls(1)

    with lock_elsewhere(data_dir / lock), pytest.raises(ArchiveBusy, match="Nothing was changed"):
        archive_training_data()
    assert not zip_path.exists()

    archive_training_data()
    assert archived_ids(zip_path) == ids


def test_while_another_process_archives_the_index_is_not_rebuilt(
    capture_calls: Calls, lock_elsewhere: Callable[[Path], AbstractContextManager[None]], data_dir: Path
) -> None:
    capture_calls(1)
    archive_training_data()

    with lock_elsewhere(data_dir / "sealed" / ".lock"), pytest.raises(ArchiveBusy):
        rebuild_example_index()

    assert ExampleIndex.objects.count() == 1
