"""prune_archive removes chunks that have become too old, whole, and nothing else."""

import base64
import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from capture_app import call_llm
from capture_app.blobs import Blob, blob_path, store_blobs
from capture_app.models import ExampleIndex
from tests.unit.training_archive.conftest import Killed
from tests.unit.training_archive.material import change_sidecar, row, write_database
from training_archive.chunks import PREFIX
from training_archive.dated_names import archive_zips, roll_over
from training_archive.exceptions import ArchiveBusy, ArchiveDamaged, ArchiveError
from training_archive.models import ArchivedChunk, ArchivedGeneration
from training_archive.reader import iter_chunks, iter_examples
from training_archive.removed_chunks import removed_chunks
from training_archive.services import (
    archive_status,
    archive_training_data,
    merge_chunks,
    prune_archive,
    rebuild_example_index,
)
from training_archive.services import prune as prune_module
from training_archive.zip_writer import rewrite_zip

pytestmark = pytest.mark.django_db

Calls = Callable[..., list[str]]
YEAR = timedelta(days=365)
OLD = datetime(2020, 1, 1)  # naive, in UTC, as chunks have it
IMAGE = b"an image " * 20


@pytest.fixture
def archive_old(tmp_path: Path) -> Callable[..., None]:
    """Archive a chunk with examples of 2020, which the index knows."""

    def archive(*ids: str, zip_path: Path | None = None, **values: Any) -> None:
        rows = [row(example_id, **{"created_at": OLD, **values}) for example_id in ids]
        database = write_database(tmp_path / f"with {ids[0]}" / "old.duckdb", rows)
        archive_training_data(db_path=database, zip_path=zip_path)
        rebuild_example_index(zip_path=zip_path)

    return archive


@pytest.fixture
def mixed(archive_old: Callable[..., None], capture_calls: Calls, zip_path: Path) -> list[str]:
    """A chunk of old examples (a, b), one of old and young, one of young ones; the ids of those that must stay."""
    archive_old("a", "b")
    young = capture_calls(1)
    archive_training_data()
    young += capture_calls(1)
    archive_training_data()
    return young


def prune(older_than: timedelta = YEAR, **options: Any) -> prune_module.PruneReport:
    return prune_archive(older_than=older_than, dry_run=False, **options)


def archived() -> list[str]:
    return [example["id"] for example in iter_examples(columns=["id"])]


def indexed() -> set[str]:
    return set(ExampleIndex.objects.values_list("pk", flat=True))


# --- What goes -------------------------------------------------------------------------------------------------------


def test_a_chunk_that_is_too_old_leaves_zip_index_and_records(mixed: list[str]) -> None:
    old = next(iter_chunks())

    report = prune()

    assert [(chunk.chunk, chunk.rows, chunk.size) for chunk in report.chunks] == [(old.chunk, 2, old.size)]
    assert (report.kept_chunks, report.rows) == (2, 2)
    assert archived() == mixed
    assert indexed() == set(mixed)
    assert set(ArchivedChunk.objects.values_list("name", flat=True)) == {sidecar.chunk for sidecar in iter_chunks()}
    assert ArchivedGeneration.objects.count() == 2


def test_a_dry_run_says_the_same_and_changes_nothing(mixed: list[str], zip_path: Path) -> None:
    before = zip_path.read_bytes()

    report = prune_archive(older_than=YEAR, dry_run=True)

    assert zip_path.read_bytes() == before
    assert indexed() == {"a", "b", *mixed}
    assert [chunk.chunk for chunk in prune().chunks] == [chunk.chunk for chunk in report.chunks]
    assert report.dry_run


def test_a_chunk_that_also_holds_a_younger_example_stays_whole(tmp_path: Path, zip_path: Path) -> None:
    rows = [row("old", created_at=OLD), row("young", created_at=datetime.now(UTC).replace(tzinfo=None))]
    archive_training_data(db_path=write_database(tmp_path / "mixed" / "other.duckdb", rows))

    assert prune().chunks == []

    assert sorted(archived()) == ["old", "young"]


def test_the_age_is_that_of_the_examples_and_not_of_the_chunk(archive_old: Callable[..., None]) -> None:
    archive_old("a")

    assert [chunk.last_created_at for chunk in prune().chunks] == ["2020-01-01T00:00:00+00:00"]


def test_a_chunk_without_times_is_as_old_as_the_chunk_itself(archive_old: Callable[..., None], zip_path: Path) -> None:
    archive_old("a", created_at=None)

    assert prune().chunks == []

    change_sidecar(zip_path, {"created_at": "2021-01-01T00:00:00+00:00"})
    assert [chunk.last_created_at for chunk in prune().chunks] == ["2021-01-01T00:00:00+00:00"]


def test_all_zips_are_pruned_and_one_of_which_nothing_is_left_goes(
    archive_old: Callable[..., None], capture_calls: Calls, zip_path: Path
) -> None:
    archive_old("a")
    first = roll_over(zip_path, datetime.now(UTC))
    archive_old("b")
    young = capture_calls(1)
    archive_training_data()

    report = prune()

    assert [chunk.zip_name for chunk in report.chunks] == [first.name, zip_path.name]
    assert archive_zips(zip_path) == [zip_path]
    assert archived() == young


def test_an_archive_of_which_nothing_is_left_begins_anew(
    archive_old: Callable[..., None], capture_calls: Calls, zip_path: Path
) -> None:
    archive_old("a")
    prune()
    assert not zip_path.exists()

    young = capture_calls(1)
    archive_training_data()

    assert archived() == young


def test_of_a_merged_chunk_all_live_databases_leave_the_index(archive_old: Callable[..., None]) -> None:
    archive_old("a")
    archive_old("b")
    merge_chunks(this_month=True)

    assert prune().rows == 2

    assert (indexed(), ArchivedGeneration.objects.count()) == (set(), 0)


@pytest.mark.parametrize("age", [timedelta(days=999_999), timedelta.max])
def test_an_age_beyond_the_calendar_removes_nothing(mixed: list[str], age: timedelta) -> None:
    report = prune(age)

    assert (report.chunks, report.before) == ([], datetime.min.replace(tzinfo=UTC))


def test_the_index_of_what_another_chunk_holds_as_well_stays(
    archive_old: Callable[..., None], mixed: list[str], zip_path: Path
) -> None:
    generation = ExampleIndex.objects.get(pk=mixed[0]).generation
    change_sidecar(zip_path, {"generation": generation})  # of the old chunk

    prune()

    assert set(mixed) <= indexed()


# --- Another archive -------------------------------------------------------------------------------------------------


def test_pruning_a_copy_leaves_index_records_and_blobs_of_ours(
    archive_old: Callable[..., None], zip_path: Path, tmp_path: Path, data_dir: Path
) -> None:
    archive_old("a", metadata=with_blob(data_dir))
    copy = tmp_path / "copy" / zip_path.name
    copy.parent.mkdir()
    copy.write_bytes(zip_path.read_bytes())

    assert prune(zip_path=copy).rows == 1

    assert not copy.exists()
    assert (archived(), indexed()) == (["a"], {"a"})
    assert ArchivedChunk.objects.count() == ArchivedGeneration.objects.count() == 1
    assert blob_path(data_dir, SHA256).exists()


def test_pruning_another_archive_takes_its_own_examples_out_of_the_index(
    capture_calls: Calls, archive_old: Callable[..., None], tmp_path: Path
) -> None:
    other = tmp_path / "other.zip"
    archive_old("a", zip_path=other)
    young = capture_calls(1)
    archive_training_data()

    prune(zip_path=other)

    assert indexed() == set(young)


# --- Blobs -----------------------------------------------------------------------------------------------------------


SHA256 = hashlib.sha256(IMAGE).hexdigest()


def with_blob(data_dir: Path) -> dict[str, Any]:
    """Metadata that refers to an image, which is stored."""
    store_blobs(data_dir, [Blob(SHA256, "image/png", IMAGE)])
    return {"gleaner": {"messages": [f"blob:sha256:{SHA256}"]}}


def ask_with_image() -> None:
    url = "data:image/png;base64," + base64.b64encode(IMAGE).decode()
    call_llm(
        messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}], training_metadata={}
    )


def test_blobs_go_with_the_last_example_that_refers_to_them(archive_old: Callable[..., None], data_dir: Path) -> None:
    archive_old("a", metadata=with_blob(data_dir))

    assert prune().blobs == 1

    assert not blob_path(data_dir, SHA256).exists()


def test_blobs_that_younger_examples_refer_to_stay(archive_old: Callable[..., None], data_dir: Path) -> None:
    archive_old("a", metadata=with_blob(data_dir))
    ask_with_image()

    assert prune().blobs == 0

    assert blob_path(data_dir, SHA256).read_bytes() == IMAGE


def test_a_run_killed_before_its_sweep_is_made_good_by_the_next(
    archive_old: Callable[..., None], data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_old("a", metadata=with_blob(data_dir))
    kill(monkeypatch, "sweep_marked_blobs")

    report = prune()

    assert (report.chunks, report.blobs) == ([], 1)
    assert not blob_path(data_dir, SHA256).exists()


def test_a_run_killed_before_it_forgot_the_last_chunk_is_made_good_by_the_next(
    archive_old: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_old("a")
    kill(monkeypatch, "remember_change")

    prune()

    assert not ArchivedChunk.objects.exists()


# --- What can go wrong -----------------------------------------------------------------------------------------------


def kill(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """A run that dies before it calls the function of this name."""

    def die(*args: Any, **options: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(prune_module, where, die)
        with pytest.raises(Killed):
            prune()


@pytest.mark.parametrize("where", ["blobs_of_chunks", "mark_blobs", "rewrite_zip", "remember_change"])
def test_a_killed_run_is_finished_by_the_next(mixed: list[str], monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    kill(monkeypatch, where)

    prune()

    assert archived() == mixed
    assert indexed() == set(mixed)
    assert set(ArchivedChunk.objects.values_list("name", flat=True)) == {sidecar.chunk for sidecar in iter_chunks()}


@pytest.fixture
def half_removed(mixed: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A pruning was killed when the old chunk had left the index, and not yet the ZIP; the ids of what must stay."""
    kill(monkeypatch, "rewrite_zip")
    assert indexed() == set(mixed)
    assert set(archived()) == {"a", "b", *mixed}
    return mixed


@pytest.mark.usefixtures("half_removed")
def test_what_a_killed_run_left_behind_is_told_by_the_status(zip_path: Path) -> None:
    assert archive_status().leaving_chunks == 1

    prune()

    assert archive_status().leaving_chunks == 0


@pytest.mark.usefixtures("half_removed")
def test_what_a_killed_run_left_behind_is_told_by_the_next_archive_run(caplog: pytest.LogCaptureFixture) -> None:
    archive_training_data()

    assert "killed while it removed 1 chunk from the archive" in caplog.text


def test_what_a_killed_run_left_behind_stays_with_the_index_made_anew(half_removed: list[str]) -> None:
    rebuild_example_index()

    assert indexed() == {"a", "b", *half_removed}
    assert archive_status().leaving_chunks == 0


def test_what_a_killed_run_left_behind_is_merged_with_nothing(half_removed: list[str]) -> None:
    merge_chunks(this_month=True)
    prune()

    assert archived() == half_removed
    assert archive_status().leaving_chunks == 0


def test_a_run_killed_once_the_zip_was_rewritten_is_made_good_by_an_archive_run(
    archive_old: Callable[..., None], monkeypatch: pytest.MonkeyPatch, zip_path: Path
) -> None:
    archive_old("a")
    [old] = iter_chunks()

    def rewrite_and_die(*args: Any, **options: Any) -> None:
        rewrite_zip(*args, **options)
        raise Killed

    with monkeypatch.context() as patched, suppress(Killed):
        patched.setattr(prune_module, "rewrite_zip", rewrite_and_die)
        prune()
    archive_training_data()

    assert (removed_chunks(zip_path), archive_status().leaving_chunks) == ({old.chunk}, 0)
    assert not ArchivedChunk.objects.exists()
    prune()
    assert not zip_path.exists()


def test_a_chunk_whose_archive_run_was_killed_at_the_end_is_left_to_the_next_run(
    tmp_path: Path, data_dir: Path, zip_path: Path
) -> None:
    database = write_database(data_dir / "old.duckdb", [row("a", created_at=OLD)])
    content = database.read_bytes()
    [sidecar] = archive_training_data(db_path=database).chunks
    (data_dir / "sealed" / f"{sidecar.chunk}.duckdb").write_bytes(content)  # killed before it removed the sealed file

    assert prune().chunks == []
    archive_training_data()
    assert prune().rows == 1

    assert archive_training_data().chunks == []
    assert not zip_path.exists()


def test_without_an_archive_it_is_said(zip_path: Path) -> None:
    with pytest.raises(ArchiveError, match="There is no archive"):
        prune()


def test_two_runs_share_no_archive(
    mixed: list[str], zip_path: Path, lock_elsewhere: Callable[[Path], AbstractContextManager[None]]
) -> None:
    with lock_elsewhere(zip_path.with_name(f".{zip_path.name}.lock")), pytest.raises(ArchiveBusy):
        prune()


@pytest.mark.parametrize("content", [b"", b"no ZIP"])
def test_a_damaged_zip_is_told_before_anything_goes(mixed: list[str], zip_path: Path, content: bytes) -> None:
    zip_path.with_name("llm_training_dataset-20260101.zip").write_bytes(content)

    with pytest.raises(ArchiveDamaged, match=r"llm_training_dataset-20260101\.zip is not readable"):
        prune()

    assert indexed() == {"a", "b", *mixed}


@pytest.mark.parametrize(
    "lie",
    [
        {"chunk": f"{PREFIX}another"},
        {"last_created_at": "yesterday"},
        {"last_created_at": "2020-01-01T00:00:00"},
    ],
)
def test_a_sidecar_that_cannot_be_believed_removes_nothing(
    mixed: list[str], zip_path: Path, lie: dict[str, Any]
) -> None:
    change_sidecar(zip_path, lie)
    before = zip_path.read_bytes()

    with pytest.raises(ArchiveDamaged):
        prune()

    assert indexed() == {"a", "b", *mixed}
    assert zip_path.read_bytes() == before


def test_a_sidecar_cannot_have_another_chunk_removed(mixed: list[str], zip_path: Path) -> None:
    young: Sequence[str] = [sidecar.chunk for sidecar in iter_chunks()][1:]
    change_sidecar(zip_path, {"chunk": young[0]})

    with pytest.raises(ArchiveDamaged, match="another chunk's"):
        prune()

    assert set(mixed) <= set(archived())
