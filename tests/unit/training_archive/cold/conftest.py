"""An archive with old and young chunks, and a storage that old ones move to."""

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from capture_app.blobs import REFERENCE
from capture_app.models import ExampleIndex, Review
from tests.unit.training_archive.shipping.material import add_blob, add_chunk
from training_archive.cold.moving import ColdReport, move_to_cold_storage
from training_archive.cold.returning import ReturnReport, fetch_from_cold
from training_archive.models import ArchivedChunk, Erasure
from training_archive.services import rebuild_example_index
from training_archive.shipping.retries import Backoff

JANUARY, FEBRUARY = datetime(2026, 1, 15), datetime(2026, 2, 15)  # naive, in UTC, as chunks have it
YOUNG = datetime.now().replace(microsecond=0) - timedelta(days=1)
HALF_A_YEAR = timedelta(days=183)

ONLY_OLD, SHARED, YOUNGS = b"an old image " * 20, b"a shared image " * 20, b"a young image " * 20


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails is tried again at once."""
    monkeypatch.setattr(Backoff, "wait", lambda self, failures: None)


@pytest.fixture
def cold_folder(tmp_path: Path) -> Path:
    """Where COLD_STORAGE leads."""
    return tmp_path / "cold"


@pytest.fixture(autouse=True)
def storage(settings: Any, cold_folder: Path, tmp_path: Path) -> None:
    backend = "django.core.files.storage.FileSystemStorage"
    settings.STORAGES = {
        **settings.STORAGES,
        "cold": {"BACKEND": backend, "OPTIONS": {"location": str(cold_folder)}},
        "elsewhere": {"BACKEND": backend, "OPTIONS": {"location": str(tmp_path / "elsewhere")}},
    }
    settings.TRAINING_ARCHIVE = {"COLD_STORAGE": "cold", "COLD_PREFIX": "old"}


@pytest.fixture
def archive(zip_path: Path, data_dir: Path, cold_folder: Path) -> Callable[[], None]:
    """Make the archive, or make it anew: a and b of January, c of February, y of yesterday, all of them indexed.

    a and c refer to an image that y refers to as well, b to one of its own.
    """

    def make() -> None:
        shutil.rmtree(data_dir, ignore_errors=True)
        shutil.rmtree(cold_folder, ignore_errors=True)
        for model in (ExampleIndex, ArchivedChunk, Erasure, Review):
            model.objects.all().delete()
        shared, own, young = (_refer_to(data_dir, image) for image in (SHARED, ONLY_OLD, YOUNGS))
        add_chunk(zip_path, 1, ["a"], created_at=JANUARY, metadata=_facts("ann", shared))
        add_chunk(zip_path, 2, ["b"], created_at=JANUARY, metadata=_facts("bob", own))
        add_chunk(zip_path, 3, ["c"], created_at=FEBRUARY, metadata=_facts("ann", shared))
        add_chunk(zip_path, 4, ["y"], created_at=YOUNG, metadata=_facts("bob", shared, young))
        rebuild_example_index()

    return make


def _refer_to(data_dir: Path, content: bytes) -> str:
    return REFERENCE + Path(add_blob(data_dir, content)).name


def _facts(user: str, *references: str) -> dict[str, Any]:
    return {"gleaner": {"user_id": user, "messages": list(references)}}


@pytest.fixture
def archived(archive: Callable[[], None]) -> None:
    """It is made."""
    archive()


@pytest.fixture
def move() -> Callable[..., ColdReport]:
    """Move what is older than half a year."""
    return lambda **options: move_to_cold_storage(**{"older_than": HALF_A_YEAR, **options})


@pytest.fixture
def moved(archived: None, move: Callable[..., ColdReport]) -> ColdReport:
    """It was moved."""
    return move()


@pytest.fixture
def bring_back() -> Callable[..., ReturnReport]:
    return fetch_from_cold
