"""A storage of which only Django's interface is known."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import InMemoryStorage, storages

from tests.unit.training_archive.shipping.material import ACTIVE, MANIFEST, add_blob, blobs_in, prune, zips_in
from training_archive.shipping.exceptions import ShippingError, StorageUnreachable
from training_archive.shipping.fetching import FetchReport
from training_archive.shipping.service import ship_archive

pytestmark = pytest.mark.django_db

Append = Callable[..., None]


class OtherStorage(InMemoryStorage):
    """Fails when it is told to, and then as a network does, or a careless disk."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.failures = 0
        self.renames = False
        self.flips = False

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        if self.failures:
            self.failures -= 1
            raise ConnectionResetError(errno.ECONNRESET, "reset by peer")
        saved = super().save(name, content, max_length)
        if self.flips and saved.endswith(".zip"):
            with self.open(saved, "r+b") as file:
                file.write(b"\x00")
        return saved

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return f"{name}-1" if self.renames else name


@pytest.fixture(autouse=True)
def storage(settings: Any) -> None:
    settings.STORAGES = {**settings.STORAGES, "other": {"BACKEND": f"{__name__}.OtherStorage"}}
    settings.TRAINING_ARCHIVE = {"SHIP_TO": "other"}


def other() -> Any:
    return storages["other"]


def test_an_archive_goes_there_and_back(
    append: Append, fetch: Callable[..., FetchReport], host: Path, data_dir: Path
) -> None:
    append("a")
    add_blob(data_dir, b"an image")

    report = ship_archive()
    fetch()

    assert (report.sent, report.blobs_sent) == ([ACTIVE], 1)
    assert (zips_in(host), blobs_in(host)) == (zips_in(data_dir), blobs_in(data_dir))


def test_what_changed_is_replaced_and_what_did_not_is_left(append: Append, zip_path: Path) -> None:
    append("a")
    ship_archive()
    append("b")

    assert ship_archive().sent == [ACTIVE]
    assert ship_archive().sent == []
    assert other().open(ACTIVE).read() == zip_path.read_bytes()


def test_what_the_network_refuses_is_tried_again(append: Append) -> None:
    append("a")
    other().failures = 5

    assert ship_archive().sent == [ACTIVE]


def test_a_network_that_stays_away_is_an_error(append: Append) -> None:
    append("a")
    other().failures = 1000

    with pytest.raises(StorageUnreachable, match="goes on where it was"):
        ship_archive()


def test_a_storage_that_takes_other_names_is_refused(append: Append) -> None:
    append("a")
    other().renames = True

    with pytest.raises(ShippingError, match=f"keeps {MANIFEST} under another name"):
        ship_archive()
    assert other().listdir("")[1] == []


def test_what_does_not_come_back_as_it_was_sent_is_an_error(append: Append) -> None:
    append("a")
    other().flips = True

    with pytest.raises(ShippingError, match="did not come back"):
        ship_archive()
    other().flips = False
    assert ship_archive(recheck=True).sent == [ACTIVE]


def test_what_is_deleted_here_is_deleted_there(append: Append, roll: Callable[[], Path]) -> None:
    append("a")
    dated = roll()
    append("b")
    ship_archive()
    prune(dated)

    assert ship_archive().deleted == [dated.name]
    assert not other().exists(dated.name)
