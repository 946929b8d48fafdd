"""What the tests of the queue share: examples with and without a text behind them, and people with rights."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from capture_app import call_llm
from capture_app.models import ExampleIndex
from capture_app.services import drain_captures
from console.access import REVIEW

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def index(db: None) -> Callable[..., ExampleIndex]:
    """Put an example into the index, a minute younger than the last one; its words are nowhere."""

    def make(example_id: str, **values: Any) -> ExampleIndex:
        usual = {
            "created_at": START + timedelta(minutes=ExampleIndex.objects.count()),
            "task": "shop",
            "model_name": "model",
            "prompt_hash": f"{ExampleIndex.objects.count():064x}",
        }
        return ExampleIndex.objects.create(id=example_id, **{**usual, **values})

    return make


@pytest.fixture
def captured(db: None) -> Callable[..., list[str]]:
    """Make real, offline calls and drain them; their ids, oldest first."""

    def make(*prompts: str, task: str = "shop", **metadata: Any) -> list[str]:
        answers = [call_llm(prompt, task=task, training_metadata=metadata) for prompt in prompts]
        drain_captures()
        return [str(answer.example_id) for answer in answers]

    return make


@pytest.fixture
def anna(db: None) -> User:
    """A reviewer."""
    return _staff("anna", REVIEW)


@pytest.fixture
def bert(db: None) -> User:
    """Another one."""
    return _staff("bert", REVIEW)


@pytest.fixture
def browser(anna: User) -> Client:
    """Anna's."""
    client = Client()
    client.force_login(anna)
    return client


@pytest.fixture
def staff(db: None) -> Callable[..., Client]:
    """The browser of a member of staff with these rights and no others."""

    def log_in(*rights: str) -> Client:
        client = Client()
        client.force_login(_staff(f"with {' and '.join(rights) or 'nothing'}", *rights))
        return client

    return log_in


def _staff(name: str, *rights: str) -> User:
    user = User.objects.create_user(name, is_staff=True)
    codenames = [right.removeprefix("console.") for right in rights]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames, content_type__app_label="console"))
    return user
