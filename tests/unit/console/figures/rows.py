"""Rows of the index, put there without a drain."""

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from capture_app.models import ExampleIndex

NOON = timedelta(hours=12)


def days_ago(days: float) -> datetime:
    """So many days before noon of this UTC day."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=random.randrange(1_000_000))
    return today + NOON - timedelta(days=days)


def row(**fields: Any) -> ExampleIndex:
    """One that is not saved; `fields` replaces what a test cares about."""
    usual = {
        "id": uuid4().hex,
        "created_at": days_ago(1),
        "task": "shop",
        "provider": "offline",
        "model_name": "small",
        "input_tokens": 10,
        "output_tokens": 3,
        "latency_ms": 200,
        "cost_usd": 0.5,
        "prompt_hash": "",
        "prompt_preview": "SECRET-PROMPT",
        "response_preview": "SECRET-ANSWER",
        "generation": "g",
    }
    return ExampleIndex(**{**usual, **fields})


def index(rows: Iterable[ExampleIndex]) -> None:
    ExampleIndex.objects.bulk_create(rows)


def index_some(count: int = 1, **fields: Any) -> None:
    index(row(**fields) for _ in range(count))
