"""An archive with old and young chunks, and a storage that old ones move to."""

import hashlib
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from capture_app.blobs import REFERENCE
from capture_app.models import ExampleIndex, ForgottenExample, Review
from tests.unit.training_archive.shipping.material import add_blob, add_chunk
from training_archive.cold.moving import ColdReport, move_to_cold_storage
from training_archive.cold.returning import ReturnReport, fetch_from_cold
from training_archive.cold.settling import remember_cold
from training_archive.models import ArchivedChunk, Erasure
from training_archive.reader import iter_chunks
from training_archive.records import remember_archive
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


def _facts(user: str, *images: bytes) -> dict[str, Any]:
    references = [REFERENCE + hashlib.sha256(image).hexdigest() for image in images]
    return {"gleaner": {"user_id": user, "messages": references}}


CHUNKS: dict[str, dict[str, Any]] = {
    "a": {"created_at": JANUARY, "metadata": _facts("ann", SHARED)},
    "b": {"created_at": JANUARY, "metadata": _facts("bob", ONLY_OLD)},
    "c": {"created_at": FEBRUARY, "metadata": _facts("ann", SHARED)},
    "y": {"created_at": YOUNG, "metadata": _facts("bob", SHARED, YOUNGS)},
}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the archives that tests begin with: one of each of these sets of examples, a chunk for each."""
    folder = tmp_path_factory.mktemp("cold archives")
    for ids in ("abcy", "aby"):
        for number, example_id in enumerate(ids):
            zip_path = folder / ids / "llm_training_dataset.zip"
            add_chunk(zip_path, number, [example_id], **CHUNKS[example_id])
        for image in (SHARED, ONLY_OLD, YOUNGS):
            add_blob(folder / ids, image)
    return folder


@pytest.fixture
def archive(made: Path, zip_path: Path, data_dir: Path, cold_folder: Path) -> Callable[..., None]:
    """Make the archive, or make it anew: a and b of January, c of February, y of yesterday, all of them indexed.

    a and c refer to an image that y refers to as well, b to one of its own.
    """

    def make(ids: str = "abcy") -> None:
        for folder in (data_dir, cold_folder):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made / ids, data_dir)
        for model in (ExampleIndex, ArchivedChunk, Erasure, Review, ForgottenExample):
            model.objects.all().delete()
        remember_archive(zip_path)
        generations = [sidecar.generation for sidecar in iter_chunks(zip_path)]
        ExampleIndex.objects.bulk_create(map(_indexed, ids, generations))

    return make


def _indexed(example_id: str, generation: str) -> ExampleIndex:
    values = CHUNKS[example_id]
    return ExampleIndex(
        id=example_id,
        created_at=values["created_at"].replace(tzinfo=UTC),
        task="shop",
        provider="offline",
        model_name="offline-extract",
        prompt_hash="",
        prompt_preview="",
        response_preview="",
        user_id=values["metadata"]["gleaner"]["user_id"],
        generation=generation,
    )


@pytest.fixture
def archived(archive: Callable[..., None]) -> None:
    """It is made."""
    archive()


@pytest.fixture
def move() -> Callable[..., ColdReport]:
    """Move what is older than half a year."""
    return lambda **options: move_to_cold_storage(**{"older_than": HALF_A_YEAR, **options})


@pytest.fixture
def moved_archive(
    archive: Callable[..., None],
    move: Callable[..., ColdReport],
    made: Path,
    data_dir: Path,
    cold_folder: Path,
    zip_path: Path,
) -> Callable[..., None]:
    """Make the archive anew, moved already. It is moved once for all tests, and copied from then on."""

    def make(ids: str = "abcy") -> None:
        archive(ids)
        kept = made / f"{ids} moved"
        if not kept.exists():
            move()
            shutil.copytree(data_dir, kept / "backups")
            shutil.copytree(cold_folder, kept / "cold")
            return
        shutil.rmtree(data_dir)
        shutil.copytree(kept / "backups", data_dir)
        shutil.copytree(kept / "cold", cold_folder)
        remember_cold(zip_path)
        remember_archive(zip_path)

    return make


@pytest.fixture
def moved(moved_archive: Callable[..., None]) -> None:
    """It was moved."""
    moved_archive()


@pytest.fixture
def bring_back() -> Callable[..., ReturnReport]:
    return fetch_from_cold
