"""Chunks leave the copies only when they were merged, pruned or forgotten, or when somebody says so."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.unit.training_archive.conftest import Killed
from tests.unit.training_archive.material import rewrite_member
from tests.unit.training_archive.shipping.material import (
    ACTIVE,
    DATED,
    MANIFEST,
    change_manifest,
    examples_in,
    manifest_in,
    prune,
    zips_in,
)
from training_archive.archive_set import read_sidecars
from training_archive.chunks import PREFIX
from training_archive.removed_chunks import leaving_chunks, removed_chunks, removing, settle_removals
from training_archive.services.merge import merge_chunks
from training_archive.services.prune import prune_archive
from training_archive.shipping.exceptions import ManifestRefused, ShippingError
from training_archive.shipping.fetching import FetchReport
from training_archive.shipping.service import ship_archive

pytestmark = pytest.mark.django_db

Append = Callable[..., None]
Fetch = Callable[..., FetchReport]
Roll = Callable[[], Path]


@pytest.fixture
def shipped(append: Append, roll: Roll, fetch: Fetch) -> None:
    """Two ZIPs are elsewhere, and on the training host."""
    append("a")
    roll()
    append("b")
    ship_archive()
    fetch()


def move_away(data_dir: Path) -> Path:
    """As when a disk is not mounted; where the ZIPs are."""
    away = data_dir.with_name("away")
    away.mkdir()
    for path in data_dir.glob("*.zip"):
        path.rename(away / path.name)
    return away


def bring_back(away: Path, data_dir: Path) -> None:
    for path in away.iterdir():
        path.rename(data_dir / path.name)


# --- Shipping --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("shipped")
def test_a_new_zip_in_the_place_of_zips_that_are_away_is_not_shipped(
    append: Append, data_dir: Path, elsewhere: Path
) -> None:
    before = zips_in(elsewhere)
    away = move_away(data_dir)
    append("c")

    with pytest.raises(ShippingError, match=r"2 chunks of the copy.*Nothing was changed.*--allow-loss"):
        ship_archive()
    assert zips_in(elsewhere) == before
    (data_dir / ACTIVE).unlink()
    bring_back(away, data_dir)
    assert ship_archive().sent == []


@pytest.mark.usefixtures("shipped")
def test_a_loss_that_is_allowed_is_followed_here_and_there(
    append: Append, data_dir: Path, elsewhere: Path, fetch: Fetch, host: Path
) -> None:
    move_away(data_dir)
    append("c")

    ship_archive(allow_loss=True)
    fetch()

    assert zips_in(data_dir) == zips_in(elsewhere) == zips_in(host)


@pytest.mark.usefixtures("shipped")
def test_an_archive_of_which_all_was_pruned_empties_the_copies(
    data_dir: Path, elsewhere: Path, fetch: Fetch, host: Path
) -> None:
    for path in data_dir.glob("*.zip"):
        prune(path)

    assert ship_archive().deleted == [DATED, ACTIVE]
    assert ship_archive().deleted == []
    fetch()
    assert (zips_in(elsewhere), manifest_in(elsewhere)["files"], zips_in(host)) == ({}, [], {})


@pytest.mark.usefixtures("shipped")
def test_what_prune_archive_removes_leaves_the_copies(data_dir: Path, fetch: Fetch, host: Path) -> None:
    prune_archive(older_than=timedelta(0), dry_run=False)

    ship_archive()
    fetch()

    assert zips_in(host) == zips_in(data_dir) == {}


@pytest.mark.usefixtures("shipped")
def test_what_was_noted_is_forgotten_once_it_is_shipped(data_dir: Path, elsewhere: Path) -> None:
    prune(data_dir / DATED)
    assert removed_chunks(data_dir / ACTIVE) == {f"{PREFIX}0000"}

    ship_archive()

    assert removed_chunks(data_dir / ACTIVE) == set()
    assert manifest_in(elsewhere)["gone"] == [f"{PREFIX}0000"]


@pytest.mark.usefixtures("shipped")
def test_a_ship_that_fails_keeps_what_was_noted(data_dir: Path, elsewhere: Path) -> None:
    prune(data_dir / DATED)
    move_away(data_dir)

    with pytest.raises(ShippingError, match="1 chunk of the copy"):
        ship_archive()
    assert removed_chunks(data_dir / ACTIVE) == {f"{PREFIX}0000"}


@pytest.mark.usefixtures("shipped")
def test_a_chunk_whose_removal_was_killed_stays_in_the_copy(data_dir: Path, elsewhere: Path) -> None:
    zip_path, dated, before = data_dir / ACTIVE, data_dir / DATED, zips_in(elsewhere)
    with suppress(Killed), removing(zip_path, dated, read_sidecars(dated)):
        raise Killed
    away = move_away(data_dir)

    with pytest.raises(ShippingError, match="2 chunks of the copy"):
        ship_archive()
    bring_back(away, data_dir)
    ship_archive()

    assert zips_in(elsewhere) == before
    assert leaving_chunks(zip_path) == {f"{PREFIX}0000"}


@pytest.mark.usefixtures("shipped")
def test_what_was_removed_from_a_copy_of_the_archive_stays_in_the_shipped_one(
    data_dir: Path, elsewhere: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "a copy"
    copy.mkdir()
    shutil.copy(data_dir / DATED, copy)
    prune(copy / DATED)
    move_away(data_dir)

    with pytest.raises(ShippingError, match="2 chunks of the copy"):
        ship_archive()


def test_chunks_may_be_merged_again_and_again_and_then_pruned(
    append: Append, zip_path: Path, data_dir: Path, elsewhere: Path, fetch: Fetch, host: Path
) -> None:
    append("a")
    append("b")
    for ids in ("c", "d"):
        ship_archive()
        fetch()
        append(ids)
        merge_chunks(this_month=True)
    ship_archive()
    [chunk] = manifest_in(elsewhere)["files"][0]["chunks"]
    assert manifest_in(elsewhere)["files"][0]["merged"][chunk] == [f"{PREFIX}{number:04d}" for number in range(4)]
    fetch()
    assert examples_in(host / ACTIVE) == ["a", "b", "c", "d"]
    prune(zip_path)

    ship_archive()
    fetch()

    assert (zips_in(elsewhere), zips_in(host), removed_chunks(data_dir / ACTIVE)) == ({}, {}, set())


def test_chunks_that_were_merged_and_pruned_between_two_ships_are_followed(
    append: Append, zip_path: Path, elsewhere: Path
) -> None:
    append("a")
    append("b")
    ship_archive()
    merge_chunks(this_month=True)
    prune(zip_path)

    assert ship_archive().deleted == [ACTIVE]
    assert zips_in(elsewhere) == {}


@pytest.mark.usefixtures("shipped")
def test_a_chunk_that_came_back_before_a_ship_is_not_lost_with_its_disk(data_dir: Path, zip_path: Path) -> None:
    content = (data_dir / DATED).read_bytes()
    prune(data_dir / DATED)
    (data_dir / DATED).write_bytes(content)
    settle_removals(zip_path, {path: read_sidecars(path) for path in data_dir.glob("*.zip")})
    move_away(data_dir)

    with pytest.raises(ShippingError, match="2 chunks of the copy"):
        ship_archive()


@pytest.mark.usefixtures("shipped")
def test_a_chunk_that_came_back_is_no_longer_gone(data_dir: Path, elsewhere: Path) -> None:
    content = (data_dir / DATED).read_bytes()
    prune(data_dir / DATED)
    ship_archive()
    (data_dir / DATED).write_bytes(content)

    ship_archive()

    assert manifest_in(elsewhere)["gone"] == []
    (data_dir / DATED).unlink()
    with pytest.raises(ShippingError, match="would be lost"):
        ship_archive()


def test_a_chunk_whose_sidecar_is_damaged_is_no_loss(append: Append, zip_path: Path) -> None:
    append("a")
    append("b")
    merge_chunks(this_month=True)
    ship_archive()
    rewrite_member(zip_path, f"{PREFIX}0000-0001.json", b"torn")

    assert ship_archive().sent == [ACTIVE]


def test_without_an_archive_a_manifest_of_others_is_left(elsewhere: Path) -> None:
    elsewhere.mkdir()
    (elsewhere / MANIFEST).write_text('{"version": 2}')

    with pytest.raises(ManifestRefused):
        ship_archive(allow_loss=True)
    assert (elsewhere / MANIFEST).read_text() == '{"version": 2}'


def test_a_manifest_that_knows_nothing_of_merges_is_read(append: Append, elsewhere: Path, fetch: Fetch) -> None:
    append("a")
    ship_archive()
    values = manifest_in(elsewhere)
    del values["gone"], values["files"][0]["merged"]
    (elsewhere / MANIFEST).write_bytes(orjson.dumps(values))

    assert fetch().fetched == [ACTIVE]
    assert ship_archive().sent == []


# --- Fetching --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize("left", [0, 1])
def test_what_was_lost_there_stays_here(fetch: Fetch, host: Path, elsewhere: Path, left: int) -> None:
    before = zips_in(host)
    files = [{**manifest_in(elsewhere)["files"][left], "name": ACTIVE}]
    (elsewhere / files[0]["name"]).write_bytes((elsewhere / [DATED, ACTIVE][left]).read_bytes())
    change_manifest(elsewhere, files=files)

    with pytest.raises(ShippingError, match=rf"1 chunk that came .*_000{1 - left} .*Nothing was changed.*--allow-loss"):
        fetch()
    assert zips_in(host) == before
    fetch(allow_loss=True)
    assert zips_in(host) == {ACTIVE: (elsewhere / ACTIVE).read_bytes()}


@pytest.mark.usefixtures("shipped")
def test_what_was_lost_there_and_is_kept_here_is_no_loss(fetch: Fetch, host: Path, elsewhere: Path) -> None:
    change_manifest(elsewhere, files=manifest_in(elsewhere)["files"][1:])

    assert fetch(keep=True).left == [DATED]
    assert set(zips_in(host)) == {DATED, ACTIVE}


@pytest.mark.parametrize("values", [{"gone": ["../x"]}, {"gone": "all"}, {"gone": [5]}])
@pytest.mark.usefixtures("shipped")
def test_a_list_of_what_is_gone_that_names_no_chunks_is_refused(
    fetch: Fetch, elsewhere: Path, values: dict[str, Any]
) -> None:
    change_manifest(elsewhere, **values)

    with pytest.raises(ManifestRefused):
        fetch()
