"""Old chunks move to cold storage, whole, verified, and with all that they refer to."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from capture_app.models import ExampleIndex, Job, Review
from console.example_page.finding import find_example, find_row
from tests.unit.training_archive.cold.conftest import JANUARY, ONLY_OLD, SHARED, YOUNGS
from tests.unit.training_archive.cold.material import cold_ids, here_ids, killed_before
from tests.unit.training_archive.conftest import Killed
from tests.unit.training_archive.shipping.material import add_chunk, blobs_in, examples_in, flip_byte
from training_archive.cold import moving
from training_archive.cold.ledger import InColdStorage, Ledger, cold_parts
from training_archive.cold.moving import ColdReport
from training_archive.exceptions import ArchiveBusy
from training_archive.locks import only_run
from training_archive.models import ArchivedChunk
from training_archive.reader import iter_examples
from training_archive.sealed import sealed_folder
from training_archive.services import archive_status, archive_training_data, rebuild_example_index, verify_archive
from training_archive.shipping.exceptions import ShippingError
from training_archive.shipping.fetching import fetch_archive
from training_archive.shipping.service import ship_archive
from training_archive.shipping.stores.folder import FolderStore
from training_archive.tasks import move_to_cold_storage as move_task

pytestmark = pytest.mark.django_db

Move = Callable[..., ColdReport]


def indexed() -> set[str]:
    return set(ExampleIndex.objects.values_list("pk", flat=True))


# --- What moves ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("archived")
def test_old_chunks_move_by_month_and_young_ones_stay(move: Move, zip_path: Path, cold_folder: Path) -> None:
    moved = move()

    january, february = cold_parts(zip_path)

    assert (here_ids(zip_path), cold_ids(cold_folder)) == (["y"], ["a", "b", "c"])
    assert ([part.month for part in (january, february)], january.rows, february.rows) == (["202601", "202602"], 2, 1)
    assert (len(moved.moved), moved.rows, moved.kept_chunks, moved.damaged_blobs) == (3, 3, 1, 0)
    assert verify_archive().problems == []
    assert {path.name for path in (cold_folder / "old").iterdir()} == {
        january.name,
        february.name,
        "llm_training_dataset.cold.json",
    }


@pytest.mark.usefixtures("moved")
def test_the_same_run_again_finds_nothing_to_do(move: Move, cold_folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in cold_folder.rglob("*.zip")}

    report = move()

    assert (report.moved, report.kept_chunks) == ([], 1)
    assert {path: path.stat().st_mtime_ns for path in cold_folder.rglob("*.zip")} == before


@pytest.mark.usefixtures("archived")
def test_a_dry_run_says_what_would_move_and_changes_nothing(move: Move, zip_path: Path, cold_folder: Path) -> None:
    before = zip_path.read_bytes()

    report = move(dry_run=True)

    assert [chunk.rows for chunk in report.moved] == [1, 1, 1]
    assert zip_path.read_bytes() == before
    assert not cold_folder.exists()


@pytest.mark.usefixtures("moved")
def test_images_go_along_and_stay_where_others_need_them(data_dir: Path, zip_path: Path) -> None:
    assert set(blobs_in(data_dir).values()) == {SHARED, YOUNGS}
    january, february = cold_parts(zip_path)
    assert (january.blobs, february.blobs) == (2, 1)


@pytest.mark.usefixtures("archived")
def test_an_image_that_is_gone_or_damaged_is_told_and_hinders_nothing(
    move: Move, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    [own] = [name for name, content in blobs_in(data_dir).items() if content == ONLY_OLD]
    flip_byte(data_dir / own, 3)

    report = move()

    assert (report.damaged_blobs, report.rows) == (1, 3)
    assert "1 image or file could not go along" in caplog.text


@pytest.mark.usefixtures("archived")
def test_when_all_is_old_no_zip_is_left(move: Move, zip_path: Path) -> None:
    move(older_than=timedelta(0))

    assert not zip_path.exists()
    with pytest.raises(InColdStorage, match="4 chunks"):
        next(iter_examples())


@pytest.mark.usefixtures("archived")
def test_an_age_beyond_the_calendar_moves_nothing(move: Move) -> None:
    assert move(older_than=timedelta(days=999_999)).moved == []


@pytest.mark.usefixtures("archived")
def test_a_part_is_no_larger_than_a_zip_may_become(move: Move, settings: Any, zip_path: Path) -> None:
    settings.TRAINING_ARCHIVE = {**settings.TRAINING_ARCHIVE, "ROLL_BYTES": 1}

    move()

    assert [part.rows for part in cold_parts(zip_path)] == [1, 1, 1]


@pytest.mark.usefixtures("archived")
def test_a_chunk_with_more_images_than_a_part_can_hold_stays(
    move: Move, monkeypatch: pytest.MonkeyPatch, zip_path: Path
) -> None:
    monkeypatch.setattr(moving, "MOST_BLOBS", 0)

    report = move()

    assert (len(report.too_many_blobs), report.kept_chunks, here_ids(zip_path)) == (3, 4, ["a", "b", "c", "y"])


# --- Who still knows of them -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("archived")
def test_the_index_and_what_people_said_stay(move: Move) -> None:
    Review.objects.create(example_id="a", verdict="good", reviewed_by="ann", reviewed_at=JANUARY.astimezone())

    move()

    assert indexed() == {"a", "b", "c", "y"}
    assert Review.objects.count() == 1


@pytest.mark.usefixtures("moved")
def test_a_rebuilt_index_keeps_what_it_knows_of_them() -> None:
    rebuild_example_index()

    assert indexed() == {"a", "b", "c", "y"}
    assert ArchivedChunk.objects.count() == 4


@pytest.mark.usefixtures("moved")
def test_an_examples_page_says_that_it_is_in_cold_storage() -> None:
    row, _ = find_row("a")
    assert row is not None

    trouble = find_example(row).trouble

    assert trouble is not None
    assert trouble.title == "Its chunk is in cold storage"
    assert "fetch_archive --from-cold" in trouble.text


@pytest.mark.usefixtures("moved")
def test_the_status_tells_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("archive_status")
    assert "Cold storage   3 examples in 3 chunks" in capsys.readouterr().out

    call_command("archive_status", "--json")
    parts = json.loads(capsys.readouterr().out)["cold_parts"]

    assert [(part["storage"], part["rows"]) for part in parts] == [("cold", 2), ("cold", 1)]


@pytest.mark.usefixtures("archived")
def test_the_job_is_recorded_and_archive_runs_go_on(move: Move, zip_path: Path) -> None:
    move()
    assert Job.objects.get(name="cold").rows == 3

    archive_training_data()

    assert archive_status().problem == ""
    assert len(cold_parts(zip_path)) == 2


@pytest.mark.usefixtures("archived")
def test_shipped_copies_and_hosts_that_fetch_them_follow(move: Move, settings: Any, tmp_path: Path) -> None:
    settings.TRAINING_ARCHIVE = {**settings.TRAINING_ARCHIVE, "SHIP_TO": "elsewhere"}
    ship_archive()
    fetch_archive(to=tmp_path / "host")

    move()
    ship_archive()
    fetch_archive(to=tmp_path / "host")

    assert examples_in(tmp_path / "host" / "llm_training_dataset.zip") == ["y"]


# --- What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("archived")
def test_without_a_storage_nothing_moves(move: Move, settings: Any) -> None:
    settings.TRAINING_ARCHIVE = {}

    with pytest.raises(ShippingError, match="COLD_STORAGE"):
        move()


@pytest.mark.usefixtures("archived")
def test_the_task_without_a_storage_does_nothing(settings: Any, zip_path: Path) -> None:
    settings.TRAINING_ARCHIVE = {}

    move_task()

    assert here_ids(zip_path) == ["a", "b", "c", "y"]


@pytest.mark.usefixtures("archived")
def test_the_task_moves_what_is_older_than_the_setting(settings: Any, zip_path: Path) -> None:
    move_task()

    assert here_ids(zip_path) == ["y"]


@pytest.mark.usefixtures("archived")
def test_a_copy_that_does_not_come_back_as_it_was_sent_takes_no_chunk_away(
    move: Move, monkeypatch: pytest.MonkeyPatch, zip_path: Path
) -> None:
    real = FolderStore.stage

    def lying(self: FolderStore, source: Any, *args: Any, **options: Any) -> Any:
        publish = real(self, source, *args, **options)

        def spoil() -> None:
            publish()
            flip_byte(self._path(source.name), 50)

        return spoil

    monkeypatch.setattr(FolderStore, "stage", lying)

    with pytest.raises(ShippingError, match="is not in the storage 'cold' as it was sent"):
        move()

    assert here_ids(zip_path) == ["a", "b", "c", "y"]


@pytest.mark.usefixtures("archived")
def test_a_storage_that_cannot_be_written_takes_no_chunk_away(move: Move, cold_folder: Path, zip_path: Path) -> None:
    cold_folder.touch()

    with pytest.raises(OSError, match="cold"):
        move()

    assert here_ids(zip_path) == ["a", "b", "c", "y"]
    cold_folder.unlink()
    assert move().rows == 3


@pytest.mark.usefixtures("archived")
def test_another_run_at_work_is_waited_for(move: Move, zip_path: Path) -> None:
    with only_run(sealed_folder(), zip_path), pytest.raises(ArchiveBusy):
        move()


# --- Kills -----------------------------------------------------------------------------------------------------------


def test_killed_anywhere_no_example_is_lost_and_the_next_run_finishes(
    archive: Callable[..., None], move: Move, monkeypatch: pytest.MonkeyPatch, zip_path: Path, cold_folder: Path
) -> None:
    step, died = 0, True
    while died:
        archive("aby")
        died = killed_before(monkeypatch, step, move)
        gone = {"a", "b", "y"} - set(here_ids(zip_path))
        assert gone <= set(cold_ids(cold_folder)), f"killed before step {step}"
        known = {chunk.chunk for part in Ledger.read(zip_path).parts.values() for chunk in part.chunks}
        assert len(known) >= len(gone), f"killed before step {step}: nobody knows of them"

        move()

        assert (here_ids(zip_path), cold_ids(cold_folder)) == (["y"], ["a", "b"]), f"killed before step {step}"
        assert indexed() == {"a", "b", "y"}
        assert Ledger.read(zip_path).loose == set()
        assert ArchivedChunk.objects.count() == 3
        step += 1
    assert step > 10


@pytest.mark.parametrize("killed", ["rewrite_zip", "remember_part"])
@pytest.mark.parametrize("between", [("rebuild_example_index",), ("merge_chunks", "--this-month")], ids=" ".join)
def test_what_runs_between_a_kill_and_the_next_move_confuses_nobody(
    archive: Callable[..., None],
    move: Move,
    monkeypatch: pytest.MonkeyPatch,
    zip_path: Path,
    cold_folder: Path,
    between: tuple[str, ...],
    killed: str,
) -> None:
    """The part is there, and its chunks are here, or just gone."""
    archive("aby")
    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(moving, killed, _die)
        move()

    call_command(*between)
    move(older_than=timedelta(0))

    assert (here_ids(zip_path), cold_ids(cold_folder)) == ([], ["a", "b", "y"])
    assert indexed() == {"a", "b", "y"}


@pytest.mark.usefixtures("moved")
def test_a_host_that_lost_its_ledger_takes_the_storages_copy(move: Move, zip_path: Path) -> None:
    before = cold_parts(zip_path)
    zip_path.with_name(f".{zip_path.name}.cold.json").unlink()

    move()

    assert cold_parts(zip_path) == before


@pytest.mark.usefixtures("archived")
def test_a_killed_prune_that_left_an_empty_zip_is_no_hindrance(
    move: Move, monkeypatch: pytest.MonkeyPatch, zip_path: Path
) -> None:
    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr("training_archive.removed_chunks.remove_if_empty", _die)
        move(older_than=timedelta(0))
    assert zip_path.exists()

    move(older_than=timedelta(0))

    assert not zip_path.exists()


def _die(*args: Any, **options: Any) -> None:
    raise Killed


# --- The command -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("archived")
def test_the_command_says_what_moved(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("move_to_cold_storage", "--older-than", "180d", "--dry-run")
    assert "Would move 3 chunks with 3 examples to 'cold'; 1 chunk stays. Nothing was changed." in (
        capsys.readouterr().out
    )

    call_command("move_to_cold_storage", "--older-than", "180d")
    assert "Moved 3 chunks with 3 examples and 1 blob to 'cold'" in capsys.readouterr().out

    call_command("move_to_cold_storage", "--older-than", "180d")
    assert "No chunk to move is wholly from before" in capsys.readouterr().out


@pytest.mark.usefixtures("archived")
def test_the_command_gives_json(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("move_to_cold_storage", "--older-than", "180d", "--json")

    found = json.loads(capsys.readouterr().out)
    assert (found["storage"], len(found["moved"]), len(found["parts"])) == ("cold", 3, 2)


def test_the_command_leaves_it_to_another_run(zip_path: Path) -> None:
    add_chunk(zip_path, 1, ["a"])
    with only_run(sealed_folder(), zip_path), pytest.raises(CommandError) as raised:
        call_command("move_to_cold_storage", "--older-than", "180d")

    assert raised.value.returncode == 75
