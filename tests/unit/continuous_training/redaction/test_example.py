"""`redact_example`: an example without what is private, by the same placeholders in all its texts."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from capture_app import call_llm, record_example
from capture_app.example import RESERVED_KEY, Example, prompt_hash
from continuous_training.redaction import redact_example
from tests.unit.capture_app.captured import only_record, quarantined

HOOK = "continuous_training.redaction.redact_example"


def example(**fields: Any) -> Example:
    return Example(
        **{
            "id": "0190a6f2-7c1e-7b3a-9d2f-5a1b2c3d4e5f",
            "task": "support_reply",
            "prompt_text": "I am ann@example.org, call (555) 123-4567.",
            "system_prompt": "Answer bob@example.org.",
            "response_strong": "Dear ann@example.org, and bob@example.org",
            "metadata": {},
            "slot_specs": {},
            "llm_signature": "0123456789abcdef",
            "provider": "openai",
            "model_name": "small-instruct",
            "input_tokens": 5551234567,
            "output_tokens": None,
            "latency_ms": 7,
            "created_at": datetime(2026, 1, 17, tzinfo=UTC),
            "prompt_hash": "of the clear text",
            **fields,
        }
    )


def test_all_texts_have_the_same_placeholders() -> None:
    redacted = redact_example(example())

    assert redacted.system_prompt == "Answer [EMAIL_1]."
    assert redacted.prompt_text == "I am [EMAIL_2], call [PHONE_1]."
    assert redacted.response_strong == "Dear [EMAIL_2], and [EMAIL_1]"


def test_what_is_no_text_stays() -> None:
    clear, redacted = example(), redact_example(example())

    texts = dict.fromkeys(("system_prompt", "prompt_text", "response_strong", "prompt_hash"))
    assert {**redacted._asdict(), **texts} == {**clear._asdict(), **texts}


def test_the_hash_is_of_the_redacted_prompt() -> None:
    redacted = redact_example(example())

    assert redacted.prompt_hash == prompt_hash(redacted.system_prompt, redacted.prompt_text)


def test_values_of_the_callers_own_are_redacted_and_keys_and_ids_are_not() -> None:
    own = {
        "ann@example.org": ["ann@example.org", 5551234567],
        "user_id": "ann@example.org",
        "page": "https://a.example/x",
    }

    redacted = redact_example(example(metadata={**own, "correction": "Dear ann@example.org"}))

    assert redacted.metadata == {
        "ann@example.org": ["[EMAIL_2]", 5551234567],
        "user_id": "ann@example.org",
        "page": "[URL_1]",
        "correction": "Dear [EMAIL_2]",
    }


def test_the_conversation_is_redacted_and_its_ids_are_not() -> None:
    call_id = "toolu_01A09q90qw90lq917835lq9Xy"
    arguments = json.dumps({"to": "ann@example.org", "phone": "5551234567", "n": 5551234567})
    calls = [{"id": call_id, "type": "function", "function": {"name": "send_mail", "arguments": arguments}}]
    reserved = {
        "conversation_id": "ann@example.org",
        "user_id": "@ann",
        "response_id": "chatcmpl-9XKz2mQ7rT5vW8yB1cD4eF6gH",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "I am ann@example.org"}], "name": "ann"},
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "tool_call_id": call_id, "content": '{"sent_to": "ann@example.org"}'},
        ],
        "tool_calls": calls,
        "tools": [{"type": "function", "function": {"name": "send_mail", "description": "Asks bob@example.org"}}],
        "parameters": {"temperature": 0.5, "user": "ann@example.org"},
        "cost_usd": 0.25,
    }

    [redacted] = [redact_example(example(metadata={RESERVED_KEY: reserved})).metadata[RESERVED_KEY]]

    assert {name: redacted[name] for name in ("conversation_id", "user_id", "response_id", "cost_usd")} == {
        name: reserved[name] for name in ("conversation_id", "user_id", "response_id", "cost_usd")
    }
    said, asked, told = redacted["messages"]
    assert said == {"role": "user", "content": [{"type": "text", "text": "I am [EMAIL_2]"}], "name": "ann"}
    assert asked["tool_calls"] == redacted["tool_calls"]
    assert redacted["tool_calls"][0]["id"] == told["tool_call_id"] == call_id
    assert json.loads(redacted["tool_calls"][0]["function"]["arguments"]) == {
        "to": "[EMAIL_2]",
        "phone": "[PHONE_1]",
        "n": 5551234567,
    }
    assert json.loads(told["content"]) == {"sent_to": "[EMAIL_2]"}
    assert redacted["tools"][0]["function"] == {"name": "send_mail", "description": "Asks [EMAIL_1]"}
    assert redacted["parameters"] == {"temperature": 0.5, "user": "[EMAIL_2]"}


def test_an_answer_that_is_json_stays_json() -> None:
    answer = json.dumps({"mail": "ann@example.org", "phone": 5551234567, "note": 'says "call (555) 123-4567"\n'})

    redacted = redact_example(example(response_strong=answer))

    assert json.loads(redacted.response_strong) == {
        "mail": "[EMAIL_2]",
        "phone": 5551234567,
        "note": 'says "call [PHONE_1]"\n',
    }


def test_slot_specs_keep_their_keys() -> None:
    specs = {
        "email": {"type": "exact", "expected": "ann@example.org"},
        "price": {"type": "numeric_tol", "tolerance": 0.01},
    }

    assert redact_example(example(slot_specs=specs)).slot_specs == {
        "email": {"type": "exact", "expected": "[EMAIL_2]"},
        "price": {"type": "numeric_tol", "tolerance": 0.01},
    }


def test_a_placeholder_anywhere_in_the_example_is_no_other_values() -> None:
    redacted = redact_example(example(metadata={"notes": ["[EMAIL_1] is somebody else"]}))

    assert redacted.system_prompt == "Answer [EMAIL_2]."
    assert redacted.metadata == {"notes": ["[EMAIL_1] is somebody else"]}


def test_redacting_an_example_twice_changes_nothing() -> None:
    once = redact_example(example(metadata={"page": "https://a.example/x", RESERVED_KEY: {"user_id": "@ann"}}))

    assert redact_example(once) == once


def test_it_serves_as_the_hook_of_capture(capture: Callable[..., None], data_dir: Path) -> None:
    capture(REDACT=HOOK)

    call_llm(
        "I am ann@example.org", system_prompt="Answer bob@example.org", training_metadata={"mail": "ann@example.org"}
    )

    record = only_record()
    assert (record["prompt_text"], record["system_prompt"]) == ("I am [EMAIL_2]", "Answer [EMAIL_1]")
    assert record["metadata"]["mail"] == "[EMAIL_2]"
    assert quarantined() == []
    stored = b"".join(path.read_bytes() for path in data_dir.rglob("*") if path.is_file())
    assert b"ann@example.org" not in stored
    assert b"bob@example.org" not in stored


def test_the_hook_clears_a_conversation_with_tool_calls(capture: Callable[..., None]) -> None:
    capture(REDACT=HOOK)

    record_example(
        provider="openai",
        model="small-instruct",
        messages=[
            {"role": "user", "content": "Mail ann@example.org"},
            {"role": "assistant", "content": "Who?"},
            {"role": "user", "content": "ann@example.org"},
        ],
        tool_calls=[
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":"ann@example.org"}'}}
        ],
    )

    record = only_record()
    assert record["prompt_text"].count("[EMAIL_1]") == 2
    assert [message["content"] for message in record["metadata"]["gleaner"]["messages"]] == [
        "Mail [EMAIL_1]",
        "Who?",
        "[EMAIL_1]",
    ]
    assert json.loads(record["metadata"]["gleaner"]["tool_calls"][0]["function"]["arguments"]) == {"a": "[EMAIL_1]"}
