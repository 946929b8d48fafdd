"""Looking at what was captured, and writing records by hand."""

from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from capture_app.conf import capture_settings
from capture_app.example import COLUMNS, Example, new_example_id
from capture_app.inbox import get_inbox
from capture_app.live_database import lock_live_database


def waiting_records() -> list[dict[str, Any]]:
    """The records in the spool, oldest segment first."""
    return [orjson.loads(line) for path in segments() for line in path.read_bytes().split(b"\n") if line]


def only_record() -> dict[str, Any]:
    [record] = waiting_records()
    return record


def segments() -> list[Path]:
    return sorted((capture_settings().data_dir / "spool").glob("*.jsonl"))


def stored(column: str = "id") -> list[Any]:
    """One column of the live database, in the order of the ids."""
    return [row[column] for row in stored_rows()]


def stored_rows() -> list[dict[str, Any]]:
    """The live database's rows, in the order of their ids."""
    with lock_live_database(capture_settings().live_database) as live, live.connect(read_only=True) as connection:
        rows = connection.execute("SELECT * FROM live.examples ORDER BY id").fetchall()
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def quarantined() -> list[dict[str, Any]]:
    """The records in quarantine, as they are kept there."""
    files = sorted((capture_settings().data_dir / "quarantine").glob("*/*.jsonl"))
    return [orjson.loads(line) for path in files for line in path.read_bytes().splitlines()]


def example(**fields: Any) -> Example:
    """A small, whole example; `fields` replaces what a test cares about."""
    usual: dict[str, Any] = {
        "id": new_example_id(),
        "task": "shop",
        "prompt_text": "What is the price?",
        "system_prompt": "Be brief.",
        "response_strong": "12 EUR",
        "metadata": {},
        "slot_specs": {},
        "llm_signature": "0123456789abcdef",
        "provider": "offline",
        "model_name": "offline-extract",
        "input_tokens": 6,
        "output_tokens": 2,
        "latency_ms": 40,
        "created_at": datetime(2026, 3, 1, 5, 0, 0, 250_000),
        "prompt_hash": "0" * 64,
    }
    return Example(**{**usual, **fields})


def spool(*records: Example | bytes) -> None:
    """Append each to the inbox: an Example as its line, bytes as they are."""
    for record in records:
        get_inbox().append(record.to_json_line() if isinstance(record, Example) else record)
