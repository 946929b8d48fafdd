"""To forget reaches cold storage: parts are written anew without what is to go, or the request stays pending."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from capture_app.models import ExampleIndex, ForgottenExample, Review
from capture_app.progress import silent
from tests.unit.training_archive.cold.conftest import JANUARY, ONLY_OLD, SHARED
from tests.unit.training_archive.cold.material import cold_ids, here_ids, ids_of, killed_before
from tests.unit.training_archive.shipping.material import blobs_in
from training_archive.cold import moving
from training_archive.cold.forgetting import ColdStorageUnreached, erase_in_cold, search_cold
from training_archive.cold.ledger import Ledger, cold_parts
from training_archive.cold.moving import ColdReport
from training_archive.cold.returning import ReturnReport
from training_archive.models import ArchivedChunk, Erasure
from training_archive.receipts import read_receipt
from training_archive.services import forget, prune_archive, rebuild_example_index
from training_archive.shipping.exceptions import ShippingError
from training_archive.shipping.stores.folder import FolderStore

pytestmark = pytest.mark.django_db

Move = Callable[..., ColdReport]
YEAR = timedelta(days=365)


def bytes_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def days_since(moment: datetime) -> timedelta:
    return datetime.now(UTC) - moment.replace(tzinfo=UTC)


# --- To forget -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("moved")
def test_a_user_is_forgotten_there_too(zip_path: Path, cold_folder: Path) -> None:
    before = cold_parts(zip_path)

    report = forget(by="ann", user="bob")

    assert (here_ids(zip_path), cold_ids(cold_folder)) == ([], ["a", "c"])
    assert set(ExampleIndex.objects.values_list("pk", flat=True)) == {"a", "c"}
    assert set(ForgottenExample.objects.values_list("pk", flat=True)) == {"b", "y"}
    [receipt] = report.receipts
    assert (receipt.examples, receipt.searched) == (2, {"zips": 1, "chunks": 4, "parts in cold storage": 2})
    assert receipt.chunks == {"llm_training_chunk_0001": 1, "llm_training_chunk_0003": 1}
    assert read_receipt(report.paths[0]) == receipt
    january, february = cold_parts(zip_path)
    assert (january.rows, february) == (1, before[1])
    assert ArchivedChunk.objects.count() == 2


@pytest.mark.usefixtures("moved")
def test_nothing_of_it_is_left_in_the_storage(cold_folder: Path, zip_path: Path) -> None:
    """Neither the part as it was, nor the image that only the example referred to."""
    old = {path.name for path in cold_folder.rglob("*.zip")}
    assert ONLY_OLD in bytes_below(cold_folder)

    forget(by="ann", ids=["b"])

    assert ONLY_OLD not in bytes_below(cold_folder)
    assert SHARED in bytes_below(cold_folder)
    assert len({path.name for path in cold_folder.rglob("*.zip")} & old) == 1
    assert cold_parts(zip_path)[0].blobs == 1


@pytest.mark.usefixtures("moved")
def test_a_part_of_which_nothing_is_left_goes(cold_folder: Path, zip_path: Path) -> None:
    forget(by="ann", ids=["c"])

    assert cold_ids(cold_folder) == ["a", "b"]
    assert [part.month for part in cold_parts(zip_path)] == ["202601"]


@pytest.mark.usefixtures("moved")
def test_who_is_not_there_changes_nothing_there(cold_folder: Path) -> None:
    before = bytes_below(cold_folder)

    forget(by="ann", ids=["y"])

    assert bytes_below(cold_folder) == before


@pytest.mark.usefixtures("moved")
def test_a_dry_run_counts_them(cold_folder: Path) -> None:
    before = bytes_below(cold_folder)

    assert forget(by="ann", user="ann", dry_run=True).found == 2
    assert bytes_below(cold_folder) == before


@pytest.mark.usefixtures("moved")
def test_what_came_back_is_forgotten_like_anything_else(bring_back: Callable[..., ReturnReport]) -> None:
    bring_back()

    assert forget(by="ann", user="ann").receipts[0].searched == {"zips": 3, "chunks": 4}


# --- What cannot be reached ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("moved")
def test_while_the_storage_is_away_the_request_stays_pending_and_all_else_is_erased(
    cold_folder: Path, zip_path: Path
) -> None:
    away = cold_folder.rename(cold_folder.with_name("away"))
    with pytest.raises(ColdStorageUnreached, match="the request stays pending until cold storage is searched, too"):
        forget(by="ann", user="bob")
    assert here_ids(zip_path) == []
    assert Erasure.objects.get().finished_at is None
    shutil.rmtree(cold_folder, ignore_errors=True)
    away.rename(cold_folder)

    [receipt] = forget(by="ann").receipts

    assert (receipt.examples, cold_ids(cold_folder)) == (2, ["a", "c"])
    assert Erasure.objects.get().finished_at is not None


@pytest.mark.usefixtures("moved")
def test_an_id_that_is_only_found_when_the_storage_is_back_counts_with_what_it_held(cold_folder: Path) -> None:
    away = cold_folder.rename(cold_folder.with_name("away"))
    with pytest.raises(ColdStorageUnreached):
        forget(by="ann", ids=["a"])
    shutil.rmtree(cold_folder, ignore_errors=True)
    away.rename(cold_folder)

    [receipt] = forget(by="ann").receipts

    assert receipt.examples == 1
    assert ForgottenExample.objects.get().content_hmac != ""


@pytest.mark.usefixtures("moved")
def test_a_request_that_waits_for_the_storage_keeps_no_other_one_waiting(cold_folder: Path, zip_path: Path) -> None:
    cold_folder.rename(cold_folder.with_name("away"))
    with pytest.raises(ColdStorageUnreached):
        forget(by="ann", ids=["a"])

    with pytest.raises(ColdStorageUnreached):
        forget(by="ann", ids=["y"])

    assert here_ids(zip_path) == []
    assert Erasure.objects.filter(finished_at=None).count() == 2


@pytest.mark.usefixtures("moved")
def test_a_dry_run_that_cannot_search_everything_says_so(cold_folder: Path) -> None:
    cold_folder.rename(cold_folder.with_name("away"))

    with pytest.raises(ColdStorageUnreached, match="Nothing was changed"):
        forget(by="ann", user="ann", dry_run=True)


@pytest.mark.usefixtures("moved")
def test_a_storage_that_takes_no_new_part_keeps_the_request_pending(
    monkeypatch: pytest.MonkeyPatch, cold_folder: Path
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise ShippingError("No writing today.")

    with monkeypatch.context() as patch:
        patch.setattr(FolderStore, "stage", refuse)
        with pytest.raises(ColdStorageUnreached, match="No writing today"):
            forget(by="ann", ids=["a"])
    assert cold_ids(cold_folder) == ["a", "b", "c"]

    forget(by="ann")

    assert cold_ids(cold_folder) == ["b", "c"]


def test_what_a_killed_move_left_in_the_storage_is_forgotten_too(
    archive: Callable[..., None], move: Move, monkeypatch: pytest.MonkeyPatch, cold_folder: Path, zip_path: Path
) -> None:
    """The part is there, its chunks are still here, and nobody moves again."""
    archive("aby")
    with monkeypatch.context() as patch, suppress(ZeroDivisionError):
        patch.setattr(moving, "rewrite_zip", lambda *args, **options: 1 / 0)
        move()
    assert cold_ids(cold_folder) == ["a", "b"]

    forget(by="ann", ids=["a"])

    assert (here_ids(zip_path), cold_ids(cold_folder)) == (["b", "y"], [])


@pytest.mark.usefixtures("moved")
def test_a_killed_run_is_finished_by_the_next(monkeypatch: pytest.MonkeyPatch, cold_folder: Path) -> None:
    assert killed_before(monkeypatch, 2, lambda: forget(by="ann", ids=["a"]))

    forget(by="ann")

    assert cold_ids(cold_folder) == ["b", "c"]
    assert Erasure.objects.get().finished_at is not None


def test_killed_at_any_step_in_cold_storage_nothing_else_is_lost(
    moved_archive: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    zip_path: Path,
    cold_folder: Path,
    tmp_path: Path,
) -> None:
    def erase() -> None:
        found = search_cold(zip_path, lambda chunk, name: "a" in ids_of(chunk), tmp_path, silent)
        erase_in_cold(zip_path, found, ["a"], silent)

    step, died = 0, True
    while died:
        moved_archive("aby")
        died = killed_before(monkeypatch, step, erase)
        assert "b" in cold_ids(cold_folder), f"killed before step {step}"

        erase()

        assert cold_ids(cold_folder) == ["b"], f"killed before step {step}"
        assert Ledger.read(zip_path).loose == set()
        assert ArchivedChunk.objects.count() == 2
        step += 1
    assert step > 5


# --- To prune --------------------------------------------------------------------------------------------------------


def prune(older_than: timedelta, *, dry_run: bool = False) -> Any:
    return prune_archive(older_than=older_than, dry_run=dry_run)


@pytest.mark.usefixtures("moved")
def test_a_part_that_is_too_old_is_pruned_with_all_that_is_known_of_it(cold_folder: Path, zip_path: Path) -> None:
    Review.objects.create(example_id="a", verdict="good", reviewed_by="ann", reviewed_at=datetime.now(UTC))
    age = days_since(JANUARY) - timedelta(days=10)

    report = prune(age)

    assert cold_ids(cold_folder) == ["c"]
    assert set(ExampleIndex.objects.values_list("pk", flat=True)) == {"c", "y"}
    assert Review.objects.count() == 0
    assert (len(report.chunks), report.rows, report.kept_chunks) == (2, 2, 2)
    assert [part.month for part in cold_parts(zip_path)] == ["202602"]
    assert ArchivedChunk.objects.count() == 2


@pytest.mark.usefixtures("moved")
def test_a_dry_prune_says_which_parts_would_go(cold_folder: Path) -> None:
    report = prune(timedelta(days=30), dry_run=True)

    assert [chunk.rows for chunk in report.chunks] == [1, 1, 1]
    assert cold_ids(cold_folder) == ["a", "b", "c"]


@pytest.mark.usefixtures("moved")
def test_while_the_storage_is_away_what_is_here_is_pruned_and_the_next_run_finishes(
    cold_folder: Path, zip_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise ShippingError("No deleting today.")

    with monkeypatch.context() as patch:
        patch.setattr(FolderStore, "delete", refuse)
        with pytest.raises(ShippingError, match="No deleting today"):
            prune(timedelta(0))
    assert here_ids(zip_path) == []
    assert not blobs_in(data_dir)

    prune(timedelta(0))

    assert cold_ids(cold_folder) == []
    assert ExampleIndex.objects.count() == 0


@pytest.mark.usefixtures("moved")
def test_a_rebuild_after_a_prune_knows_nothing_of_it() -> None:
    prune(timedelta(days=30))

    rebuild_example_index()

    assert set(ExampleIndex.objects.values_list("pk", flat=True)) == {"y"}
