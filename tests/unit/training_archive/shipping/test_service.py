"""What a ship puts into a storage, in which order, and what it takes away."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from capture_app.exceptions import JobBusy
from capture_app.models import Job
from tests.unit.training_archive.shipping.material import (
    ACTIVE,
    DATED,
    MANIFEST,
    add_blob,
    blobs_in,
    flip_byte,
    killed_ship,
    manifest_in,
    prune,
    remove_blob,
    zips_in,
)
from training_archive.exceptions import ArchiveDamaged
from training_archive.shipping.exceptions import ShippingError
from training_archive.shipping.service import SHIP, ship_after_run, ship_archive

pytestmark = pytest.mark.django_db

Append = Callable[..., None]
Roll = Callable[[], Path]


# --- What is shipped -------------------------------------------------------------------------------------------------


def test_the_zip_is_shipped_under_its_own_name(append: Append, zip_path: Path, elsewhere: Path) -> None:
    append("a", "b")

    report = ship_archive()

    assert zips_in(elsewhere) == {ACTIVE: zip_path.read_bytes()}
    assert (report.zips, report.sent, report.bytes_sent >= zip_path.stat().st_size) == ([ACTIVE], [ACTIVE], True)


def test_the_manifest_names_the_set_oldest_first(append: Append, roll: Roll, elsewhere: Path) -> None:
    append("a")
    roll()
    append("b")

    ship_archive()

    assert [(file["name"], file["chunks"]) for file in manifest_in(elsewhere)["files"]] == [
        (DATED, ["llm_training_chunk_0000"]),
        (ACTIVE, ["llm_training_chunk_0001"]),
    ]


def test_what_is_there_already_is_not_sent_again(append: Append) -> None:
    append("a")
    ship_archive()

    report = ship_archive()

    assert (report.sent, report.deleted) == ([], [])


def test_an_append_sends_the_active_zip_alone(append: Append, roll: Roll, zip_path: Path, elsewhere: Path) -> None:
    append("a")
    roll()
    append("b")
    ship_archive()
    append("c")

    assert ship_archive().sent == [ACTIVE]
    assert zips_in(elsewhere) == zips_in(zip_path.parent)


def test_a_roll_over_between_two_ships_is_followed(append: Append, roll: Roll, zip_path: Path, elsewhere: Path) -> None:
    append("a")
    ship_archive()
    roll()
    append("b")

    ship_archive()

    assert zips_in(elsewhere) == zips_in(zip_path.parent)
    assert set(zips_in(elsewhere)) == {DATED, ACTIVE}


def test_a_zip_that_was_pruned_here_is_deleted_there(append: Append, roll: Roll, elsewhere: Path) -> None:
    append("a")
    pruned = roll()
    append("b")
    ship_archive()
    prune(pruned)

    assert ship_archive().deleted == [DATED]
    assert set(zips_in(elsewhere)) == {ACTIVE}


def test_a_dated_zip_that_was_rewritten_is_replaced(
    append: Append, roll: Roll, zip_path: Path, elsewhere: Path
) -> None:
    append("a")
    dated = roll()
    append("b")
    ship_archive()
    prune(dated)
    append("c")
    zip_path.rename(dated)
    append("b")

    assert ship_archive().sent == [DATED, ACTIVE]
    assert zips_in(elsewhere) == zips_in(zip_path.parent)


def test_nothing_of_others_is_touched(append: Append, roll: Roll, elsewhere: Path) -> None:
    elsewhere.mkdir()
    others = ["llm_training_dataset-20200101.zip", "notes.txt", ".notes.zip.part"]
    for name in others:
        (elsewhere / name).write_text("not ours")
    append("a")
    ship_archive()
    roll()
    append("b")
    ship_archive()

    assert [(elsewhere / name).read_text() for name in others] == ["not ours"] * 3


def test_names_begin_with_the_prefix(settings: Any, append: Append, elsewhere: Path) -> None:
    settings.TRAINING_ARCHIVE = {"SHIP_TO": "elsewhere", "SHIP_PREFIX": "team/archive"}
    append("a")

    ship_archive()

    assert {path.name for path in (elsewhere / "team" / "archive").iterdir()} == {ACTIVE, MANIFEST}


# --- What is refused -------------------------------------------------------------------------------------------------


def test_without_a_storage_nothing_can_be_shipped(settings: Any, append: Append) -> None:
    settings.TRAINING_ARCHIVE = {}
    append("a")

    with pytest.raises(ShippingError, match="names no storage"):
        ship_archive()


def test_an_alias_that_storages_lacks_is_an_error(settings: Any, append: Append) -> None:
    settings.TRAINING_ARCHIVE = {"SHIP_TO": "nowhere"}
    append("a")

    with pytest.raises(ShippingError, match="no usable alias 'nowhere'"):
        ship_archive()


def test_an_archive_that_is_not_there_deletes_nothing(append: Append, zip_path: Path, elsewhere: Path) -> None:
    append("a")
    ship_archive()
    zip_path.unlink()  # or its disk is not mounted

    with pytest.raises(ShippingError, match=r"1 chunk of the copy, llm_training_chunk_0000 among them, would be lost"):
        ship_archive()
    assert set(zips_in(elsewhere)) == {ACTIVE}


def test_a_zip_that_is_damaged_here_does_not_replace_the_good_copy(
    append: Append, zip_path: Path, elsewhere: Path
) -> None:
    append("a")
    ship_archive()
    shipped = zips_in(elsewhere)
    zip_path.write_bytes(zip_path.read_bytes()[:-100])

    with pytest.raises(ArchiveDamaged):
        ship_archive()
    assert zips_in(elsewhere) == shipped


def test_the_archive_is_not_shipped_onto_itself(settings: Any, append: Append, zip_path: Path) -> None:
    options = {"location": str(zip_path.parent)}
    settings.STORAGES = {
        **settings.STORAGES,
        "elsewhere": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options},
    }
    append("a")
    before = zip_path.read_bytes()

    with pytest.raises(ShippingError, match="is the archive itself"):
        ship_archive()
    assert zip_path.read_bytes() == before


def test_a_manifest_of_others_deletes_nothing(
    append: Append, elsewhere: Path, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere.mkdir()
    (elsewhere / "notes.txt").write_text("not ours")
    (elsewhere / MANIFEST).write_text('{"version": 1, "files": [{"name": "notes.txt"}]}')
    append("a")

    ship_archive()

    assert (elsewhere / "notes.txt").exists()
    assert [file["name"] for file in manifest_in(elsewhere)["files"]] == [ACTIVE]
    assert "nothing there will be deleted" in caplog.text


def test_a_second_ship_beside_the_first_is_refused(
    append: Append, data_dir: Path, elsewhere: Path, lock_elsewhere: Callable[[Path], AbstractContextManager[None]]
) -> None:
    append("a")

    with lock_elsewhere(data_dir / ".ship.lock"), pytest.raises(JobBusy, match="'ship' is at work"):
        ship_archive()
    assert not elsewhere.exists()


# --- Interrupted and taken up ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["stage", "_publish", "put", "delete", "clear_unfinished"])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_ship_killed_anywhere_leaves_a_set_without_holes_and_is_finished_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
    append: Append,
    roll: Roll,
    zip_path: Path,
    elsewhere: Path,
    data_dir: Path,
    method: str,
    call: int,
) -> None:
    append("a")
    forgotten = add_blob(data_dir, b"a face")
    roll().rename(zip_path.with_name("llm_training_dataset-20200101.zip"))
    append("b")
    ship_archive()
    shipped = {chunk for file in manifest_in(elsewhere)["files"] for chunk in file["chunks"]}
    roll()
    append("c")
    remove_blob(data_dir, forgotten)
    prune(zip_path.with_name("llm_training_dataset-20200101.zip"))

    killed_ship(monkeypatch, method, call)

    # Whoever takes what the manifest names, by its names, has all that was shipped before; save what was pruned.
    names = [file["name"] for file in manifest_in(elsewhere)["files"]]
    there = "".join((elsewhere / name).read_bytes().decode("latin-1") for name in names)
    assert all(chunk in there for chunk in shipped - {"llm_training_chunk_0000"})
    ship_archive()
    assert zips_in(elsewhere) == zips_in(zip_path.parent)
    assert blobs_in(elsewhere) == {}
    assert manifest_in(elsewhere)["unsettled"] == {"files": [], "listings": []}
    assert {path.name for path in elsewhere.iterdir() if path.is_file()} == {DATED, ACTIVE, MANIFEST}


def test_what_a_killed_ship_had_sent_is_deleted_when_it_is_gone_here(
    monkeypatch: pytest.MonkeyPatch, append: Append, roll: Roll, data_dir: Path, elsewhere: Path
) -> None:
    append("a")
    ship_archive()
    dated = roll()
    append("b")
    blob = add_blob(data_dir, b"a face")
    killed_ship(monkeypatch, "put", 2)  # the manifest that names the dated ZIP
    assert (elsewhere / DATED).exists()
    prune(dated)
    remove_blob(data_dir, blob)

    ship_archive()

    assert (set(zips_in(elsewhere)), blobs_in(elsewhere)) == ({ACTIVE}, {})


def test_a_blob_that_was_forgotten_after_a_killed_ship_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, append: Append, data_dir: Path, elsewhere: Path
) -> None:
    append("a")
    ship_archive()
    blob = add_blob(data_dir, b"a face")
    killed_ship(monkeypatch, "_publish", 2)  # after the listing that announces it
    assert [content for name, content in blobs_in(elsewhere).items() if name.endswith(".part")] == [b"a face"]
    remove_blob(data_dir, blob)

    ship_archive()

    assert blobs_in(elsewhere) == {}


def test_an_upload_is_taken_up_where_it_was(append: Append, zip_path: Path, elsewhere: Path) -> None:
    append("a")
    content = zip_path.read_bytes()
    elsewhere.mkdir()
    (elsewhere / f".{ACTIVE}.part").write_bytes(content[:1000])

    report = ship_archive()

    assert zips_in(elsewhere) == {ACTIVE: content}
    assert report.bytes_sent == len(content) - 1000


def test_a_part_of_another_version_is_written_anew(append: Append, zip_path: Path, elsewhere: Path) -> None:
    append("a")
    elsewhere.mkdir()
    (elsewhere / f".{ACTIVE}.part").write_bytes(b"of another version" * 10_000)

    ship_archive()

    assert zips_in(elsewhere) == {ACTIVE: zip_path.read_bytes()}


def test_wrong_bytes_there_are_found_and_replaced_by_a_recheck(
    append: Append, zip_path: Path, data_dir: Path, elsewhere: Path
) -> None:
    append("a")
    blob = add_blob(data_dir, b"an image")
    ship_archive()
    flip_byte(elsewhere / ACTIVE, 500)
    flip_byte(elsewhere / blob, 3)

    assert ship_archive().sent == []
    report = ship_archive(recheck=True)

    assert (report.sent, report.blobs_sent) == ([ACTIVE], 1)
    assert zips_in(elsewhere) == {ACTIVE: zip_path.read_bytes()}
    assert blobs_in(elsewhere) == {blob: b"an image"}


def test_what_is_gone_there_is_sent_again(append: Append, elsewhere: Path) -> None:
    append("a")
    ship_archive()
    (elsewhere / ACTIVE).unlink()

    assert ship_archive().sent == [ACTIVE]


# --- The job, and the hook after an archive run ----------------------------------------------------------------------


def test_a_ship_is_recorded(append: Append) -> None:
    append("a")

    ship_archive()

    recorded = Job.objects.get(name=SHIP)
    assert (recorded.state, recorded.rows) == ("ok", 1)


def test_a_ship_of_another_archive_is_not_the_job(tmp_path: Path, append: Append, zip_path: Path) -> None:
    append("a")
    other = tmp_path / "other" / ACTIVE
    other.parent.mkdir()
    zip_path.rename(other)

    ship_archive(zip_path=other)

    assert not Job.objects.filter(name=SHIP).exists()


def test_a_zip_that_did_not_change_is_not_hashed_again(append: Append) -> None:
    append("a")
    ship_archive()
    stages = []

    ship_archive(progress=lambda stage, done, total: stages.append(stage))

    assert not [stage for stage in stages if stage.startswith("hashing")]


def test_without_a_storage_nothing_happens_after_a_run(settings: Any) -> None:
    settings.TRAINING_ARCHIVE = {}

    assert ship_after_run() is None
    assert not Job.objects.exists()


def test_after_a_run_the_archive_is_shipped(append: Append, elsewhere: Path) -> None:
    append("a")

    assert ship_after_run() is not None
    assert set(zips_in(elsewhere)) == {ACTIVE}


def test_a_failure_after_a_run_is_recorded_and_raises_nothing(
    append: Append, elsewhere: Path, caplog: pytest.LogCaptureFixture
) -> None:
    append("a")
    elsewhere.write_text("a file where the folder should be")

    assert ship_after_run() is None
    assert Job.objects.get(name=SHIP).state == "failed"
    assert "could not be shipped; it is safe here" in caplog.text
    elsewhere.unlink()
    assert ship_after_run() is not None


def test_a_ship_after_a_run_beside_another_is_left_to_that_one(
    append: Append,
    data_dir: Path,
    lock_elsewhere: Callable[[Path], AbstractContextManager[None]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    append("a")

    with lock_elsewhere(data_dir / ".ship.lock"):
        assert ship_after_run() is None
    assert "'ship' is at work" in caplog.text
