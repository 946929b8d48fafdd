"""What the tests of the runs' pages share."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

import console.runs.admin  # noqa: F401  (registers the pages)
from training_archive.models import ArchiveRun

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.fixture
def log_in(client: Client) -> Callable[..., Client]:
    """A client of a member of staff who has these rights of the console and no others."""

    def log_in(*codenames: str) -> Client:
        user = User.objects.create_user("ada", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def make_run() -> Callable[..., ArchiveRun]:
    """A run that succeeded; `values` replace what is so."""

    def make(**values: Any) -> ArchiveRun:
        facts: dict[str, Any] = {
            "kind": "archive",
            "state": "succeeded",
            "requested_by": "schedule",
            "requested_at": NOON,
            "started_at": NOON,
            "seen_at": NOON,
            "finished_at": NOON.replace(minute=1, second=5),
            "host": "web-1",
            "process": 77,
            "rows": 12345,
            "chunks": 1,
            "bytes_before": 1_000_000,
            "bytes": 3_500_000,
            "steps": [{"step": "compacting", "times": 1, "seconds": 60.5}],
            "log": "2026-01-02 12:00:00  compacting\n",
        }
        return ArchiveRun.objects.create(**{**facts, **values})

    return make


@pytest.fixture
def make_queued(make_run: Callable[..., ArchiveRun]) -> Callable[..., ArchiveRun]:
    """A run that waits for a worker since now."""
    nothing = dict.fromkeys(("started_at", "finished_at", "seen_at", "process", "rows", "chunks", "bytes"))

    def make(**values: Any) -> ArchiveRun:
        facts: dict[str, Any] = {
            "state": "queued",
            "requested_at": datetime.now(UTC),
            "steps": [],
            "log": "",
            "host": "",
            **nothing,
        }
        return make_run(**{**facts, **values})

    return make
