"""An archive to ship, a folder to ship it to, and a training host that fetches it from there."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training_archive.shipping.material import add_chunk
from training_archive.dated_names import roll_over
from training_archive.shipping.fetching import FetchReport, fetch_archive
from training_archive.shipping.retries import Backoff


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails is tried again at once."""
    monkeypatch.setattr(Backoff, "wait", lambda self, failures: None)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """The folder that is shipped to."""
    return tmp_path / "elsewhere"


@pytest.fixture(autouse=True)
def storage(settings: Any, elsewhere: Path) -> None:
    """`elsewhere` is where SHIP_TO leads."""
    backend = "django.core.files.storage.FileSystemStorage"
    settings.STORAGES = {
        **settings.STORAGES,
        "elsewhere": {"BACKEND": backend, "OPTIONS": {"location": str(elsewhere)}},
    }
    settings.TRAINING_ARCHIVE = {"SHIP_TO": "elsewhere"}


@pytest.fixture
def append(zip_path: Path) -> Callable[..., None]:
    """Append a chunk with examples of these ids to the archive."""
    numbers = iter(range(1000))
    return lambda *ids: add_chunk(zip_path, next(numbers), ids)


@pytest.fixture
def roll(zip_path: Path) -> Callable[[], Path]:
    """Give the active ZIP its dated name."""
    return lambda: roll_over(zip_path, datetime(2026, 11, 21, tzinfo=UTC))


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The training host's folder; nothing is in it yet."""
    return tmp_path / "host"


@pytest.fixture
def fetch(host: Path) -> Callable[..., FetchReport]:
    """Fetch to the training host."""
    return lambda **options: fetch_archive(**{"to": host, **options})
