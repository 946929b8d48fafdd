"""record_example and what becomes of its arguments. Nothing here may raise into the caller."""

import errno
import hashlib
import logging
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from capture_app import call_llm, record_example
from capture_app.example import llm_signature
from capture_app.metrics import capture_failures_total
from tests.unit.capture_app.captured import only_record, waiting_records

CALL = {"id": "c1", "type": "function", "function": {"name": "price", "arguments": '{"sku":1}'}}


def record(**arguments: Any) -> dict[str, Any]:
    """The record that record_example leaves for a usual call with these arguments."""
    usual: dict[str, Any] = {"provider": "anthropic", "model": "claude", "prompt": "What is the price?"}
    assert record_example(**{**usual, **arguments}) is not None
    return only_record()


def reserved(**arguments: Any) -> dict[str, Any]:
    found: dict[str, Any] = record(**arguments)["metadata"]["gleaner"]
    return found


# --- record_example ----------------------------------------------------------------------------------------------


def test_the_id_of_the_record_is_given_back() -> None:
    given = record_example(provider="anthropic", model="claude", prompt="What is the price?", response="12 EUR")

    assert only_record()["id"] == given


def test_every_argument_has_its_column() -> None:
    found = record(
        system_prompt="Be brief.",
        response="12 EUR",
        task="shop",
        input_tokens=6,
        output_tokens=2,
        latency_ms=40,
        training_metadata={"page": 7, "slot_specs": {"price": "exact"}},
    )

    del found["id"], found["created_at"]
    assert found == {
        "task": "shop",
        "prompt_text": "What is the price?",
        "system_prompt": "Be brief.",
        "response_strong": "12 EUR",
        "metadata": {"page": 7, "gleaner": {}},
        "slot_specs": {"price": "exact"},
        "llm_signature": llm_signature("anthropic", "claude", {}),
        "provider": "anthropic",
        "model_name": "claude",
        "input_tokens": 6,
        "output_tokens": 2,
        "latency_ms": 40,
        "prompt_hash": hashlib.sha256(b"Be brief.\0What is the price?").hexdigest(),
    }


def test_the_time_is_the_time_of_the_call_in_utc() -> None:
    before = datetime.now(UTC)
    created_at = datetime.fromisoformat(record()["created_at"])
    after = datetime.now(UTC)

    assert before <= created_at.replace(tzinfo=UTC) <= after


def test_unknown_figures_are_null() -> None:
    found = record()

    assert [found[name] for name in ("input_tokens", "output_tokens", "latency_ms")] == [None, None, None]


def test_tool_calls_without_text_are_the_answer() -> None:
    found = record(tool_calls=[CALL])

    assert orjson.loads(found["response_strong"]) == [CALL]
    assert found["metadata"]["gleaner"]["tool_calls"] == [CALL]


def test_text_beside_tool_calls_is_the_answer() -> None:
    assert record(response="Let me look.", tool_calls=[CALL])["response_strong"] == "Let me look."


def test_what_shaped_the_answer_is_in_the_signature() -> None:
    found = record(parameters={"temperature": 0})

    assert found["llm_signature"] == llm_signature("anthropic", "claude", {"parameters": {"temperature": 0}})


def test_it_records_even_without_metadata() -> None:
    assert record(training_metadata=None)["metadata"] == {"gleaner": {}}


# --- The reserved key --------------------------------------------------------------------------------------------


def test_conversation_and_user_go_under_the_reserved_key() -> None:
    found = record(training_metadata={"conversation_id": "c-1", "user_id": "42", "page": 7})

    assert found["metadata"] == {"page": 7, "gleaner": {"conversation_id": "c-1", "user_id": "42"}}


def test_what_the_columns_cannot_hold_goes_under_the_reserved_key() -> None:
    assert reserved(
        tools=[{"type": "function"}],
        parameters={"temperature": 0},
        response_format={"type": "json_object"},
        tool_calls=[CALL],
        finish_reason="tool_calls",
    ) == {
        "tools": [{"type": "function"}],
        "parameters": {"temperature": 0},
        "response_format": {"type": "json_object"},
        "tool_calls": [CALL],
        "finish_reason": "tool_calls",
    }


def test_messages_that_say_more_than_the_columns_are_kept() -> None:
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]}

    assert reserved(prompt=None, messages=[image])["messages"] == [image]


def test_a_single_turn_with_a_name_says_more_than_the_columns() -> None:
    named = {"role": "user", "content": "What is the price?", "name": "Ann"}

    assert reserved(prompt=None, messages=[named])["messages"] == [named]


def test_a_prompt_is_not_kept_twice() -> None:
    assert "messages" not in reserved(system_prompt="Be brief.")


def test_the_callers_own_key_of_that_name_is_kept_beside_ours() -> None:
    assert reserved(training_metadata={"gleaner": {"theirs": 1}, "user_id": "42"}) == {
        "user_id": "42",
        "training_metadata": {"gleaner": {"theirs": 1}},
    }


@pytest.mark.parametrize("value", ["a note", ["a", "list"], 7, False])
def test_metadata_that_is_no_mapping_is_kept_whole(value: Any) -> None:
    assert reserved(training_metadata=value)["training_metadata"] == value


@pytest.mark.parametrize("value", ["exact", ["exact"], 7])
def test_slot_specs_that_are_no_mapping_are_kept_aside(value: Any) -> None:
    found = record(training_metadata={"slot_specs": value})

    assert found["slot_specs"] == {}
    assert found["metadata"] == {"gleaner": {"slot_specs": value}}


def test_slot_specs_of_none_are_an_empty_object() -> None:
    assert record(training_metadata={"slot_specs": None})["slot_specs"] == {}


@pytest.mark.parametrize("task", [None, ""])
def test_an_empty_task_is_generic(task: str | None) -> None:
    assert record(training_metadata={"task": task})["task"] == "generic"


def test_a_task_that_is_no_text_becomes_text() -> None:
    assert record(training_metadata={"task": 7})["task"] == "7"


def test_the_callers_metadata_is_not_changed() -> None:
    metadata = {"task": "shop", "user_id": "42", "slot_specs": {"price": "exact"}, "gleaner": 1}
    before = dict(metadata)

    record(training_metadata=metadata)

    assert metadata == before


def test_hostile_metadata_is_kept_as_far_as_json_goes() -> None:
    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError("no text")

        __repr__ = __str__

    found = record(training_metadata={"it": Hostile(), "set": {1}, 5: "\ud83d"})

    assert found["metadata"]["it"] == "<Hostile>"
    assert found["metadata"]["set"] == [1]


# --- It never raises ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        {"prompt": None},
        {"messages": [{"role": "user", "content": "both"}]},
        {"prompt": None, "messages": []},
        {"prompt": None, "messages": ["no mapping"]},
        {"tool_calls": [7]},
    ],
    ids=["neither", "both", "no messages", "a message that is none", "a tool call that is none"],
)
def test_an_impossible_call_is_counted_and_not_raised(arguments: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"provider": "anthropic", "model": "claude", "prompt": "What is the price?"}

    assert record_example(**{**usual, **arguments}) is None
    assert sum(capture_failures_total().values()) == 1
    assert waiting_records() == []


def test_a_spool_that_cannot_be_written_is_counted_and_not_raised(broken_spool: Path) -> None:
    assert record_example(provider="anthropic", model="claude", prompt="What is the price?") is None
    assert capture_failures_total() == {f"NotADirectoryError errno {errno.ENOTDIR}": 1}


def test_a_wrong_setting_is_counted_and_not_raised(capture: Callable[..., None]) -> None:
    capture(FSINK=True)

    assert record_example(provider="anthropic", model="claude", prompt="What is the price?") is None
    assert capture_failures_total() == {"CaptureConfigurationError": 1}


def test_an_inbox_that_cannot_be_imported_is_counted_and_not_raised(capture: Callable[..., None]) -> None:
    capture(INBOX="no.such.Inbox")

    assert call_llm("What is the price?", training_metadata={}).example_id is None
    assert capture_failures_total() == {"ModuleNotFoundError": 1}


def test_an_outage_is_logged_once_and_counted_each_time(broken_spool: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        call_llm("What is the price?", training_metadata={})

    assert [entry.levelno for entry in caplog.records] == [logging.ERROR]
    assert sum(capture_failures_total().values()) == 3


def test_a_new_outage_after_recovery_is_logged_anew(
    broken_spool: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_llm("What is the price?", training_metadata={})
    broken_spool.unlink()
    call_llm("What is the price?", training_metadata={})
    shutil.rmtree(broken_spool)
    broken_spool.touch()
    a_second_later = time.monotonic() + 1.1  # a writer looks after its file once a second
    monkeypatch.setattr(time, "monotonic", lambda: a_second_later)
    call_llm("What is the price?", training_metadata={})

    assert [entry.levelno for entry in caplog.records] == [logging.ERROR, logging.WARNING, logging.ERROR]


def test_capture_goes_on_by_itself_once_the_cause_is_gone(broken_spool: Path) -> None:
    call_llm("What is the price?", training_metadata={})
    broken_spool.unlink()

    assert call_llm("What is the price?", training_metadata={}).example_id == only_record()["id"]


def test_a_middle_turn_that_is_no_mapping_is_counted_and_not_raised() -> None:
    messages: Any = [{"role": "user"}, None]
    assert record_example(provider="p", model="m", messages=messages, response="x") is None
    assert sum(capture_failures_total().values()) == 1
