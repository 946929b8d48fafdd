"""The shipped copy's images and files: what is sent, what stays, what goes."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.training_archive.shipping.material import (
    add_blob,
    blobs_in,
    killed_ship,
    manifest_in,
    remove_blob,
)
from training_archive.shipping.service import ship_archive

pytestmark = pytest.mark.django_db

Append = Callable[..., None]
Roll = Callable[[], Path]


def test_blobs_are_shipped_and_listed(append: Append, data_dir: Path, elsewhere: Path) -> None:
    append("a")
    add_blob(data_dir, b"an image")
    add_blob(data_dir, b"another")

    report = ship_archive()

    assert blobs_in(elsewhere) == blobs_in(data_dir)
    listing = manifest_in(elsewhere)["blobs"]["listing"]["name"]
    assert sorted(line.split()[0] for line in (elsewhere / listing).read_text().splitlines()) == sorted(
        Path(name).name for name in blobs_in(data_dir)
    )
    assert (report.blobs, report.blobs_sent, manifest_in(elsewhere)["blobs"]["bytes"]) == (2, 2, 15)


def test_blobs_that_are_there_are_not_sent_again(append: Append, data_dir: Path) -> None:
    append("a")
    add_blob(data_dir, b"an image")
    ship_archive()
    add_blob(data_dir, b"another")

    assert ship_archive().blobs_sent == 1
    assert ship_archive().blobs_sent == 0


def test_a_blob_that_was_forgotten_here_is_deleted_there(append: Append, data_dir: Path, elsewhere: Path) -> None:
    append("a")
    forgotten, kept = add_blob(data_dir, b"a face"), add_blob(data_dir, b"a tree")
    ship_archive()
    remove_blob(data_dir, forgotten)

    assert ship_archive().blobs_deleted == 1
    assert set(blobs_in(elsewhere)) == {kept}
    assert len(list(elsewhere.glob("*.txt"))) == 1


def test_the_last_blob_can_be_forgotten_too(append: Append, data_dir: Path, elsewhere: Path) -> None:
    append("a")
    forgotten = add_blob(data_dir, b"a face")
    ship_archive()
    remove_blob(data_dir, forgotten)

    ship_archive()

    assert blobs_in(elsewhere) == {}
    assert manifest_in(elsewhere)["blobs"] == {"count": 0, "bytes": 0, "listing": None}


def unmount_blobs(data_dir: Path) -> Path:
    """Where they are now."""
    return (data_dir / "blobs").rename(data_dir.with_name("unmounted"))


def test_blobs_whose_disk_is_not_mounted_stay_in_the_copy(
    append: Append, data_dir: Path, elsewhere: Path, caplog: pytest.LogCaptureFixture
) -> None:
    append("a")
    for content in (b"a face", b"a tree"):
        add_blob(data_dir, content)
    ship_archive()
    before, manifest = blobs_in(elsewhere), manifest_in(elsewhere)["blobs"]
    away = unmount_blobs(data_dir)
    new = add_blob(data_dir, b"captured meanwhile")

    report = ship_archive()

    assert (report.blobs, report.missing_blobs, report.blobs_deleted) == (3, 2, 0)
    assert blobs_in(elsewhere) == {**before, new: b"captured meanwhile"}
    assert "2 blobs of the copy are not here" in caplog.text
    shutil.rmtree(data_dir / "blobs")
    away.rename(data_dir / "blobs")
    add_blob(data_dir, b"captured meanwhile")
    assert ship_archive().missing_blobs == 0
    assert manifest["count"] + 1 == manifest_in(elsewhere)["blobs"]["count"]


def test_a_blob_that_was_removed_while_others_are_missing_is_deleted_there(
    append: Append, data_dir: Path, elsewhere: Path
) -> None:
    append("a")
    removed, lost = add_blob(data_dir, b"a face"), add_blob(data_dir, b"a tree")
    ship_archive()
    remove_blob(data_dir, removed)
    (data_dir / lost).unlink()

    assert ship_archive().blobs_deleted == 1
    assert set(blobs_in(elsewhere)) == {lost}


def test_missing_blobs_go_there_too_when_that_is_meant(append: Append, data_dir: Path, elsewhere: Path) -> None:
    append("a")
    add_blob(data_dir, b"a face")
    ship_archive()
    unmount_blobs(data_dir)

    assert ship_archive(allow_loss=True).blobs_deleted == 1
    assert blobs_in(elsewhere) == {}


def test_a_blob_that_was_removed_and_stored_again_and_lost_stays(
    append: Append, data_dir: Path, elsewhere: Path
) -> None:
    append("a")
    blob = add_blob(data_dir, b"a face")
    ship_archive()
    remove_blob(data_dir, blob)
    ship_archive()
    add_blob(data_dir, b"a face")
    ship_archive()
    (data_dir / blob).unlink()

    assert ship_archive().missing_blobs == 1
    assert set(blobs_in(elsewhere)) == {blob}


def test_what_was_told_of_removed_blobs_is_noted_no_more(append: Append, data_dir: Path) -> None:
    append("a")
    remove_blob(data_dir, add_blob(data_dir, b"never shipped"))

    ship_archive()

    assert not (data_dir / "blobs" / ".removed.txt").exists()


def test_a_ship_that_fails_keeps_what_was_noted_of_blobs(
    monkeypatch: pytest.MonkeyPatch, append: Append, data_dir: Path, elsewhere: Path
) -> None:
    append("a")
    blob = add_blob(data_dir, b"a face")
    ship_archive()
    remove_blob(data_dir, blob)
    append("b")
    killed_ship(monkeypatch, "put", 1)

    assert ship_archive().blobs_deleted == 1
    assert blobs_in(elsewhere) == {}


def test_a_damaged_blob_does_not_replace_the_good_copy(append: Append, data_dir: Path, elsewhere: Path) -> None:
    append("a")
    blob = add_blob(data_dir, b"an image")
    ship_archive()
    (data_dir / blob).write_bytes(b"an im")  # what a power failure may leave
    torn = add_blob(data_dir, b"another")
    (data_dir / torn).write_bytes(b"")

    report = ship_archive()

    assert report.damaged_blobs == sorted(Path(name).name for name in (blob, torn))
    assert blobs_in(elsewhere) == {blob: b"an image"}
    assert manifest_in(elsewhere)["blobs"]["count"] == 1
