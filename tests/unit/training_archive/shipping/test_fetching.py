"""What a training host pulls, what it refuses, and what it leaves alone."""

import os
import resource
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training_archive.conftest import Killed
from tests.unit.training_archive.material import rewrite_member
from tests.unit.training_archive.shipping.material import (
    ACTIVE,
    DATED,
    add_blob,
    add_chunk,
    blobs_in,
    examples_in,
    flip_byte,
    manifest_in,
    prune,
    remove_all_blobs,
    zips_in,
)
from training_archive.shipping.downloads import Downloads
from training_archive.shipping.exceptions import FetchBusy, ShippingError, StorageUnreachable
from training_archive.shipping.fetching import FetchReport, fetch_archive
from training_archive.shipping.service import ship_archive
from training_archive.shipping.stores.folder import FolderStore

pytestmark = pytest.mark.django_db

Append = Callable[..., None]
Fetch = Callable[..., FetchReport]
Roll = Callable[[], Path]


@pytest.fixture
def shipped(append: Append, roll: Roll, data_dir: Path) -> None:
    """Two ZIPs and a blob are elsewhere."""
    append("a")
    roll()
    append("b")
    add_blob(data_dir, b"an image")
    ship_archive()


# --- What is fetched -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("shipped")
def test_an_empty_host_gets_all_of_it(fetch: Fetch, host: Path, data_dir: Path) -> None:
    report = fetch()

    assert zips_in(host) == zips_in(data_dir)
    assert blobs_in(host) == blobs_in(data_dir)
    assert examples_in(host / ACTIVE) == ["a", "b"]
    assert (report.zips, report.fetched, report.blobs_fetched, report.problems) == (
        [DATED, ACTIVE],
        [DATED, ACTIVE],
        1,
        [],
    )


@pytest.mark.usefixtures("shipped")
def test_what_is_here_is_not_fetched_again(fetch: Fetch) -> None:
    fetch()

    report = fetch()

    assert (report.fetched, report.taken, report.blobs_fetched, report.bytes_received) == ([], [], 0, 0)


@pytest.mark.usefixtures("shipped")
def test_after_an_append_only_what_is_new_is_received(append: Append, fetch: Fetch, host: Path, zip_path: Path) -> None:
    fetch()
    before = zip_path.stat().st_size
    append("c")
    ship_archive()

    report = fetch()

    assert report.fetched == [ACTIVE]
    assert report.bytes_received < zip_path.stat().st_size - before / 2
    assert examples_in(host / ACTIVE) == ["a", "b", "c"]


@pytest.mark.usefixtures("shipped")
def test_after_a_roll_over_the_zip_is_renamed_and_not_fetched(
    append: Append, roll: Roll, fetch: Fetch, host: Path, data_dir: Path
) -> None:
    fetch()
    second = roll().name
    append("c")
    ship_archive()

    report = fetch()

    assert (report.taken, report.fetched) == ([second], [ACTIVE])
    assert zips_in(host) == zips_in(data_dir)


@pytest.mark.usefixtures("shipped")
def test_a_zip_that_was_pruned_is_removed(fetch: Fetch, host: Path, data_dir: Path) -> None:
    fetch()
    prune(data_dir / DATED)
    ship_archive()

    assert fetch().removed == [DATED]
    assert set(zips_in(host)) == {ACTIVE}


@pytest.mark.usefixtures("shipped")
def test_a_zip_that_was_pruned_stays_on_request(fetch: Fetch, host: Path, data_dir: Path) -> None:
    fetch()
    prune(data_dir / DATED)
    ship_archive()

    assert fetch(keep=True).left == [DATED]
    assert set(zips_in(host)) == {DATED, ACTIVE}
    assert fetch().removed == [DATED]


@pytest.mark.usefixtures("shipped")
def test_a_zip_out_of_which_somebody_was_forgotten_is_replaced(fetch: Fetch, host: Path, data_dir: Path) -> None:
    fetch()
    prune(data_dir / DATED)
    add_chunk(data_dir / DATED, 70, ["other"])
    ship_archive()

    assert fetch().fetched == [DATED]
    assert examples_in(host / ACTIVE) == ["b", "other"]


@pytest.mark.usefixtures("shipped")
def test_a_forgotten_blob_is_removed_and_the_host_keeps_its_own(fetch: Fetch, host: Path, data_dir: Path) -> None:
    own = add_blob(host, b"captured here")
    fetch()
    remove_all_blobs(data_dir)
    ship_archive()

    assert fetch().blobs_removed == 1
    assert set(blobs_in(host)) == {own}


@pytest.mark.usefixtures("shipped")
def test_the_configured_place_is_the_default(data_dir: Path, host: Path, capture: Callable[..., None]) -> None:
    capture(DATA_DIR=host)

    fetch_archive()

    assert zips_in(host) == zips_in(data_dir)
    assert blobs_in(host) == blobs_in(data_dir)


@pytest.mark.usefixtures("shipped")
def test_an_archive_that_was_emptied_is_empty_here(fetch: Fetch, host: Path, data_dir: Path) -> None:
    fetch()
    for path in data_dir.glob("*.zip"):
        prune(path)
    ship_archive()

    fetch()

    assert zips_in(host) == {}


# --- What is wrong there ---------------------------------------------------------------------------------------------


def test_nothing_shipped_yet_is_said(fetch: Fetch) -> None:
    with pytest.raises(ShippingError, match="Nothing was shipped there yet"):
        fetch()


def test_no_storage_named_is_said(settings: Any, fetch: Fetch) -> None:
    settings.TRAINING_ARCHIVE = {}

    with pytest.raises(ShippingError, match="Say --from ALIAS"):
        fetch()


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize("name", [ACTIVE, DATED])
def test_a_flipped_byte_there_is_refused_and_nothing_here_changes(
    append: Append, fetch: Fetch, host: Path, elsewhere: Path, name: str
) -> None:
    fetch()
    before = zips_in(host)
    append("c")
    ship_archive()
    (host / name).unlink()
    flip_byte(elsewhere / name, 700)

    with pytest.raises(ShippingError, match=rf"{name} in the storage is not what the manifest says.*--recheck"):
        fetch()
    assert zips_in(host) == {other: content for other, content in before.items() if other != name}
    ship_archive(recheck=True)
    fetch()
    assert examples_in(host / ACTIVE) == ["a", "b", "c"]


@pytest.mark.usefixtures("shipped")
def test_a_flipped_byte_in_a_blob_is_refused(fetch: Fetch, host: Path, elsewhere: Path) -> None:
    [blob] = blobs_in(elsewhere)
    flip_byte(elsewhere / blob, 2)

    with pytest.raises(ShippingError, match="is not what its name says"):
        fetch()
    assert blobs_in(host) == {}


@pytest.mark.usefixtures("shipped")
def test_an_object_that_is_missing_there_is_refused(fetch: Fetch, host: Path, elsewhere: Path) -> None:
    (elsewhere / DATED).unlink()

    with pytest.raises(ShippingError, match=DATED):
        fetch()
    assert zips_in(host) == {}


@pytest.mark.usefixtures("shipped")
def test_a_set_that_changes_meanwhile_is_asked_for_again(
    append: Append, fetch: Fetch, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = iter([True])
    read = FolderStore.read

    def reading(self: FolderStore, name: str, offset: int = 0) -> Any:
        if name == DATED and next(changes, False):  # the manifest is read already
            append("c")
            ship_archive()
        return read(self, name, offset)

    monkeypatch.setattr(FolderStore, "read", reading)

    fetch()

    assert examples_in(host / ACTIVE) == ["a", "b", "c"]


def test_a_damaged_chunk_comes_over_and_is_named(append: Append, fetch: Fetch, host: Path, zip_path: Path) -> None:
    append("a")
    rewrite_member(zip_path, "llm_training_chunk_0000.json", None)
    ship_archive()

    [problem] = fetch().problems

    assert str(problem) == f"{ACTIVE}: llm_training_chunk_0000.duckdb: llm_training_chunk_0000.duckdb has no sidecar."
    assert zips_in(host) == zips_in(zip_path.parent)
    assert len(fetch().problems) == 1  # until it is mended


@pytest.mark.usefixtures("shipped")
def test_an_object_larger_than_said_is_not_read_to_its_end(fetch: Fetch, elsewhere: Path, host: Path) -> None:
    [blob] = blobs_in(elsewhere)
    (elsewhere / blob).write_bytes(b"")
    with (elsewhere / blob).open("wb") as file:
        file.truncate(2**43)

    with pytest.raises(ShippingError, match="is not what its name says"):
        fetch()
    assert blobs_in(host) == {}


# --- What is here ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("shipped")
def test_a_zip_with_chunks_of_this_host_is_not_replaced(fetch: Fetch, host: Path) -> None:
    host.mkdir()
    add_chunk(host / ACTIVE, 99, ["captured here"])
    before = zips_in(host)

    with pytest.raises(ShippingError, match=r"holds llm_training_chunk_0099, which was not fetched.*--to"):
        fetch()
    assert zips_in(host) == before


@pytest.mark.usefixtures("shipped")
def test_a_fetched_zip_that_was_appended_to_here_is_not_replaced(append: Append, fetch: Fetch, host: Path) -> None:
    fetch()
    add_chunk(host / ACTIVE, 99, ["captured here"])
    append("c")
    ship_archive()

    with pytest.raises(ShippingError, match="llm_training_chunk_0099"):
        fetch()


@pytest.mark.usefixtures("shipped")
def test_an_older_copy_that_came_by_hand_is_replaced(append: Append, fetch: Fetch, host: Path, zip_path: Path) -> None:
    host.mkdir()
    shutil.copy(zip_path, host)
    append("c")
    ship_archive()

    fetch()

    assert examples_in(host / ACTIVE) == ["a", "b", "c"]


@pytest.mark.usefixtures("shipped")
def test_a_dated_zip_of_this_host_is_left_and_named(fetch: Fetch, host: Path) -> None:
    host.mkdir()
    own = "llm_training_dataset-20200101.zip"
    add_chunk(host / own, 99, ["captured here"])

    assert fetch().left == [own]
    assert own in zips_in(host)


@pytest.mark.usefixtures("shipped")
def test_a_fetched_zip_that_went_bad_is_fetched_again(fetch: Fetch, host: Path, data_dir: Path) -> None:
    fetch()
    (host / DATED).write_bytes(b"no ZIP")

    assert fetch().fetched == [DATED]
    assert zips_in(host) == zips_in(data_dir)


@pytest.mark.usefixtures("shipped")
def test_a_file_of_others_under_our_name_is_not_replaced(fetch: Fetch, host: Path) -> None:
    host.mkdir()
    (host / ACTIVE).write_bytes(b"no ZIP")

    with pytest.raises(ShippingError, match="cannot be read, and was not fetched"):
        fetch()
    assert zips_in(host) == {ACTIVE: b"no ZIP"}


@pytest.mark.usefixtures("shipped")
def test_a_fetch_beside_a_fetch_or_an_archive_run_is_refused(
    fetch: Fetch, host: Path, lock_elsewhere: Callable[[Path], AbstractContextManager[None]]
) -> None:
    with lock_elsewhere(host / f".{ACTIVE}.lock"), pytest.raises(FetchBusy, match="is at work"):
        fetch()
    assert zips_in(host) == {}


# --- Interrupted and taken up ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("shipped")
def test_a_fetch_that_was_cut_off_goes_on_where_it_was(
    fetch: Fetch, host: Path, elsewhere: Path, data_dir: Path
) -> None:
    host.mkdir()
    sha256 = manifest_in(elsewhere)["files"][0]["sha256"]
    (host / f".{DATED}.{sha256[:16]}.part").write_bytes((elsewhere / DATED).read_bytes()[:1000])

    report = fetch()

    sizes = sum(len(content) for content in [*zips_in(data_dir).values(), *blobs_in(data_dir).values()])
    assert report.bytes_received == sizes - 1000
    assert zips_in(host) == zips_in(data_dir)


@pytest.mark.usefixtures("shipped")
def test_a_part_that_is_wrong_is_fetched_anew(fetch: Fetch, host: Path, elsewhere: Path, data_dir: Path) -> None:
    host.mkdir()
    sha256 = manifest_in(elsewhere)["files"][0]["sha256"]
    (host / f".{DATED}.{sha256[:16]}.part").write_bytes(b"torn" * 100)

    fetch()

    assert zips_in(host) == zips_in(data_dir)


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize("rename", range(1, 8))
def test_a_fetch_killed_at_any_rename_loses_nothing_and_is_finished_by_the_next(
    append: Append,
    roll: Roll,
    fetch: Fetch,
    host: Path,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    rename: int,
) -> None:
    fetch()
    roll()
    append("c")
    ship_archive()
    replace, calls = Path.replace, iter(range(1, 100))

    def die(self: Path, target: Any) -> Path:
        if next(calls) == rename:
            raise Killed
        return replace(self, target)

    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(Path, "replace", die)
        fetch()

    assert set(examples_in(host / ACTIVE)) >= {"a", "b"}
    fetch()
    assert zips_in(host) == zips_in(data_dir)
    assert not list(host.glob(".*.part"))


@pytest.mark.usefixtures("shipped")
def test_a_full_disk_leaves_what_is_here_and_the_rest_comes_later(
    append: Append, fetch: Fetch, host: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch()
    before = zips_in(host)
    add_chunk(data_dir / ACTIVE, 70, ["c"], response_strong=os.urandom(200_000).hex())
    ship_archive()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # the kernel refuses to write more into a file
    try:
        with pytest.raises(OSError, match="too large"):
            fetch()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert zips_in(host) == before
    report = fetch()
    assert zips_in(host) == zips_in(data_dir)
    assert report.bytes_received < (data_dir / ACTIVE).stat().st_size


def test_a_storage_that_comes_back_is_read_on(
    append: Append, fetch: Fetch, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append("a")
    ship_archive()
    real, failures = FolderStore._blocks, iter([True] * 3)

    def cut_off(self: FolderStore, name: str, offset: int) -> Any:
        for block in real(self, name, offset):
            yield block[:100]
            if next(failures, False):
                raise StorageUnreachable("cut off")
            yield block[100:]

    monkeypatch.setattr(FolderStore, "_blocks", cut_off)

    fetch()

    assert examples_in(host / ACTIVE) == ["a"]


@pytest.mark.usefixtures("shipped")
def test_a_blob_that_a_killed_fetch_brought_is_removed_when_it_is_forgotten(
    fetch: Fetch, host: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*arguments: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(Downloads, "download", die)
        fetch()
    assert len(blobs_in(host)) == 1
    remove_all_blobs(data_dir)
    ship_archive()

    fetch()

    assert blobs_in(host) == {}
