"""What the tests of the list share."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from capture_app.models import ExampleIndex

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIST = "admin:capture_app_exampleindex_changelist"

Make = Callable[..., ExampleIndex]


@pytest.fixture(autouse=True)
def no_names_remembered() -> Iterator[None]:
    """The names in the filters are remembered for a minute, which is longer than a test."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def make_example() -> Make:
    """A row of the index, a minute younger than the one before; `values` replace columns."""
    numbers = count()

    def make(**values: Any) -> ExampleIndex:
        number = next(numbers)
        facts: dict[str, Any] = {
            "id": f"example-{number:04d}",
            "created_at": NOON + timedelta(minutes=number),
            "task": "shop",
            "provider": "offline",
            "model_name": "small",
            "input_tokens": 1234,
            "output_tokens": 56,
            "latency_ms": 7890,
            "prompt_hash": f"{number:064x}",
            "conversation_id": f"conversation-{number // 2}",
            "prompt_preview": f"What does item {number} cost?",
            "response_preview": "Twelve euros",
            "generation": "live",
        }
        return ExampleIndex.objects.create(**{**facts, **values})

    return make


@pytest.fixture
def log_in(client: Client) -> Callable[..., Client]:
    """A client of a member of staff who has these rights and no others."""

    def log_in(*codenames: str) -> Client:
        user = User.objects.create_user("ada", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def listed(admin_client: Client) -> Callable[..., list[str]]:
    """The ids on the page of the list with these parameters, in their order."""

    def listed(**parameters: str) -> list[str]:
        answer = admin_client.get(reverse(LIST), parameters)
        assert answer.status_code == 200, answer
        return [row.pk for row in answer.context["cl"].result_list]

    return listed
