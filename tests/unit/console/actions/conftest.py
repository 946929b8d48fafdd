"""What the tests of the actions share: captured examples, people with rights, and a broker in memory."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from capture_app import call_llm
from capture_app.services import drain_captures
from console.actions import runs
from tests.unit.memory_broker import memory_broker


@pytest.fixture
def example_ids(db: None) -> Callable[..., list[str]]:
    """Make real, offline calls, captured and drained; their ids."""

    def make(count: int, *, task: str = "shop", **metadata: Any) -> list[str]:
        answers = [call_llm(f"Question {n} of {task}", task=task, training_metadata=metadata) for n in range(count)]
        drain_captures()
        return [answer.example_id for answer in answers if answer.example_id]

    return make


@pytest.fixture
def staff(db: None) -> Callable[..., Client]:
    """A browser of somebody on the staff who has these rights and no others."""

    def log_in(*rights: str) -> Client:
        user = User.objects.create_user(f"with {' '.join(rights) or 'nothing'}", is_staff=True)
        codenames = [right.removeprefix("console.") for right in rights]
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames, content_type__app_label="console"))
        client = Client()
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def queue() -> Iterator[Callable[[], list[list[Any]]]]:
    """A broker in memory; call it for the arguments of the tasks that wait there."""
    with memory_broker() as waiting:
        yield waiting


@pytest.fixture
def nothing_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the archive were large."""
    monkeypatch.setattr(runs, "SMALL_BYTES", -1)


@pytest.fixture
def export_folder(data_dir: Path) -> Path:
    return data_dir / "exports"
