"""An example is found wherever it is, and what stands in the way is said."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest

from capture_app.conf import capture_settings
from capture_app.live_database import lock_path
from capture_app.models import ExampleIndex, ForgottenExample
from console.example_page import finding
from console.example_page.finding import CHUNK, FORGOTTEN, LIVE, SEALED, UNKNOWN, find_example, find_row
from tests.unit.console.example_page.conftest import Store
from tests.unit.training_archive.conftest import interrupted_run, lock_elsewhere  # noqa: F401  (fixtures)
from tests.unit.training_archive.material import chunk_file, rewrite_member
from training_archive.models import ArchivedChunk
from training_archive.services import archive_training_data, forget, merge_chunks, prune_archive

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(store: Store) -> ExampleIndex:
    return store(id="e 1", response_strong="12 EUR")


@pytest.fixture
def archived(row: ExampleIndex) -> ExampleIndex:
    archive_training_data()
    return row


def answer(row: ExampleIndex) -> tuple[str, str]:
    """Where it was found, and its answer."""
    found = find_example(row)
    assert found.place
    assert found.example
    return found.place.kind, found.example["response_strong"]


def trouble(row: ExampleIndex) -> str:
    found = find_example(row)
    assert found.example is None
    assert found.trouble
    return f"{found.trouble.title} {found.trouble.text} {found.trouble.details}"


def test_a_live_example_is_found(row: ExampleIndex) -> None:
    assert answer(row) == (LIVE, "12 EUR")


def test_a_sealed_example_is_found(row: ExampleIndex, interrupted_run: Callable[..., None]) -> None:  # noqa: F811  (a fixture that is imported)
    interrupted_run("compressing the chunk")

    assert answer(row) == (SEALED, "12 EUR")


def test_an_archived_example_is_found_in_its_chunk(archived: ExampleIndex) -> None:
    assert answer(archived) == (CHUNK, "12 EUR")
    assert find_example(archived).place == finding.place_of(archived)


def test_an_example_in_a_merged_chunk_is_found(archived: ExampleIndex, store: Store) -> None:
    store()
    archive_training_data()
    merge_chunks(this_month=True)

    assert answer(archived) == (CHUNK, "12 EUR")


def test_an_id_with_a_nul_is_found_under_its_name_in_the_index(store: Store) -> None:
    row = store(id="a\0b", response_strong="x")

    assert row.pk == "a b"
    assert answer(row) == (LIVE, "x")


def test_times_have_their_zone(row: ExampleIndex) -> None:
    example = find_example(row).example

    assert example
    assert example["created_at"] == row.created_at


@pytest.mark.parametrize("example_id", ["nobody", "", "\0", "x" * 10_000])
def test_an_id_that_is_not_in_the_index_may_be_in_the_inbox(example_id: str) -> None:
    assert find_row(example_id) == (None, UNKNOWN)
    assert "drain_captures" in UNKNOWN.text


def test_a_forgotten_example_is_said_to_be(archived: ExampleIndex) -> None:
    forget(by="tester", ids=[archived.pk])

    assert find_row(archived.pk) == (None, FORGOTTEN)


def test_an_example_that_is_being_forgotten_is_not_shown_any_more(row: ExampleIndex) -> None:
    ForgottenExample.objects.create(id=row.pk, erasure="x")

    assert find_row(row.pk) == (None, FORGOTTEN)


def test_a_pruned_example_is_not_known(archived: ExampleIndex) -> None:
    prune_archive(older_than=timedelta(days=1), dry_run=False)

    assert find_row(archived.pk) == (None, UNKNOWN)


def test_a_live_database_that_is_held_for_long_is_said_to_be(
    row: ExampleIndex,
    lock_elsewhere: Callable[[Path], AbstractContextManager[None]],  # noqa: F811  (a fixture that is imported)
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finding, "_LOCK_SECONDS", 0.05)

    with lock_elsewhere(lock_path(capture_settings().live_database)):
        assert "in use" in trouble(row)
    assert answer(row) == (LIVE, "12 EUR")


def test_a_live_database_that_is_no_database_is_said_to_be(row: ExampleIndex) -> None:
    capture_settings().live_database.write_bytes(b"no database" * 1000)

    assert "cannot be read now" in trouble(row)


def test_a_live_database_that_is_gone_is_said_to_be(row: ExampleIndex) -> None:
    capture_settings().live_database.unlink()

    assert "was not found" in trouble(row)


def test_a_sealed_file_that_is_damaged_is_said_to_be(row: ExampleIndex, data_dir: Path) -> None:
    capture_settings().live_database.unlink()
    (data_dir / "sealed").mkdir()
    (data_dir / "sealed" / "llm_training_chunk_x.duckdb").write_bytes(b"no database" * 1000)

    assert "cannot be read now" in trouble(row)


def test_a_missing_zip_is_said(archived: ExampleIndex, zip_path: Path) -> None:
    zip_path.unlink()

    assert "There is no archive" in trouble(archived)


def test_a_missing_chunk_is_said(archived: ExampleIndex, zip_path: Path) -> None:
    rewrite_member(zip_path, chunk_file(zip_path), None)

    assert "is in none of the archive's ZIPs" in trouble(archived)
    assert "verify_archive" in trouble(archived)


def test_a_damaged_chunk_is_said(archived: ExampleIndex, zip_path: Path) -> None:
    rewrite_member(zip_path, chunk_file(zip_path), b"other bytes" * 10_000)

    assert "damaged" in trouble(archived)


@pytest.mark.parametrize("content", [b"", b"no ZIP", b"PK\x05\x06" + bytes(18)])
def test_a_damaged_zip_is_said(content: bytes, archived: ExampleIndex, zip_path: Path) -> None:
    zip_path.write_bytes(content)

    assert "Its chunk" in trouble(archived)


def test_a_chunk_in_another_zip_of_the_archive_is_found(archived: ExampleIndex, zip_path: Path) -> None:
    shutil.move(zip_path, zip_path.with_name("llm_training_dataset-20260101.zip"))

    assert answer(archived) == (CHUNK, "12 EUR")


def test_a_chunk_behind_a_damaged_zip_is_found(archived: ExampleIndex, zip_path: Path) -> None:
    shutil.copy(zip_path, zip_path.with_name("llm_training_dataset-20260101.zip"))
    zip_path.write_bytes(b"no ZIP")

    assert answer(archived) == (CHUNK, "12 EUR")


def test_a_chunk_that_does_not_hold_it_is_said(archived: ExampleIndex) -> None:
    row = ExampleIndex.objects.create(id="stray", created_at=archived.created_at, generation=archived.generation)

    assert "was not found" in trouble(row)


def test_a_folder_that_cannot_be_written_is_said(archived: ExampleIndex, data_dir: Path) -> None:
    (data_dir / "unpacked").write_text("in the way")

    assert "could not be unpacked" in trouble(archived)
    assert ArchivedChunk.objects.get().name in trouble(archived)
