"""REDACT: it clears what is stored, and nothing else; what it cannot clear is sealed."""

import base64
import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from capture_app import acall_llm, call_llm, record_example
from capture_app.example import prompt_hash
from capture_app.metrics import capture_failures_total
from capture_app.providers import get_provider
from capture_app.providers.base import StreamDelta
from capture_app.withheld import unseal
from tests.unit.capture_app import redactors
from tests.unit.capture_app.captured import only_record, quarantined, waiting_records
from tests.unit.capture_app.fake_providers import ScriptedProvider, scripted
from tests.unit.capture_app.redactors import SECRET

ANSWER = StreamDelta(text=f"Write to {SECRET}.", finish_reason="stop")
IMAGE = "data:image/png;base64," + base64.b64encode(bytes(range(256))).decode()


@pytest.fixture
def redact(capture: Callable[..., None]) -> Callable[..., None]:
    """Set REDACT to one of redactors.py."""

    def configure(redactor: Callable[..., Any], **keys: Any) -> None:
        capture(**scripted(ANSWER), REDACT=f"{redactors.__name__}.{redactor.__name__}", **keys)

    return configure


def everything_under(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def sent() -> Any:
    provider = get_provider("scripted")
    assert isinstance(provider, ScriptedProvider)
    return provider.requests[-1].messages


# --- What is stored is cleared -----------------------------------------------------------------------------------


def test_what_is_stored_is_cleared(redact: Callable[..., None], data_dir: Path) -> None:
    redact(redactors.everywhere)

    call_llm(
        messages=[{"role": "system", "content": SECRET}, {"role": "user", "content": SECRET, "name": SECRET}],
        parameters={"user": SECRET},
        training_metadata={"user_id": SECRET, "slot_specs": {SECRET: SECRET}, SECRET: [SECRET], "task": SECRET},
    )

    assert "[mail]" in orjson.dumps(only_record()).decode()
    assert SECRET.encode() not in everything_under(data_dir)


def test_what_is_sent_is_in_clear_and_so_is_the_answer(redact: Callable[..., None]) -> None:
    redact(redactors.everywhere)

    response = call_llm(f"Who is {SECRET}?", training_metadata={})

    assert sent()[0]["content"] == f"Who is {SECRET}?"
    assert response.text == f"Write to {SECRET}."


def test_streams_are_cleared_too(redact: Callable[..., None], data_dir: Path) -> None:
    redact(redactors.everywhere)

    deltas = list(call_llm(SECRET, stream=True, training_metadata={}))

    assert deltas == [ANSWER]
    assert SECRET.encode() not in everything_under(data_dir)


async def test_awaited_calls_are_cleared_too(redact: Callable[..., None], data_dir: Path) -> None:
    redact(redactors.everywhere)

    await acall_llm(SECRET, training_metadata={})

    assert only_record()["prompt_text"] == "[mail]"
    assert SECRET.encode() not in everything_under(data_dir)


def test_calls_of_other_code_are_cleared_too(redact: Callable[..., None]) -> None:
    redact(redactors.everywhere)

    record_example(provider="p", model="m", prompt=SECRET, response=SECRET)

    assert (only_record()["prompt_text"], only_record()["response_strong"]) == ("[mail]", "[mail]")


def test_a_redactor_that_changes_what_it_is_given_changes_nothing_of_the_callers(redact: Callable[..., None]) -> None:
    redact(redactors.in_place)
    messages = [{"role": "user", "content": SECRET, "name": "Ann"}]
    parameters = {"user": SECRET}
    metadata = {"slot_specs": {"price": "exact"}, "page": 7}

    call_llm(messages=messages, parameters=parameters, training_metadata=metadata)

    assert messages == [{"role": "user", "content": SECRET, "name": "Ann"}]
    assert parameters == {"user": SECRET}
    assert metadata == {"slot_specs": {"price": "exact"}, "page": 7}
    assert only_record()["metadata"]["gleaner"]["messages"] == [{"role": "user", "content": "[gone]"}]


def test_the_hash_is_over_what_is_stored(redact: Callable[..., None]) -> None:
    redact(redactors.everywhere)

    call_llm(SECRET, training_metadata={})

    assert only_record()["prompt_hash"] == prompt_hash("", "[mail]")


def test_the_id_stays(redact: Callable[..., None]) -> None:
    redact(redactors.new_id)

    response = call_llm("x", training_metadata={})

    assert only_record()["id"] == response.example_id != "mine"
    assert only_record()["prompt_hash"] == prompt_hash("", "x")


def test_blobs_that_were_taken_out_are_not_stored(redact: Callable[..., None], data_dir: Path) -> None:
    redact(redactors.without_messages)

    call_llm(
        messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": IMAGE}}]}],
        training_metadata={},
    )

    assert "messages" not in only_record()["metadata"]["gleaner"]
    assert not (data_dir / "blobs").exists()


def test_blobs_that_were_left_in_are_stored(redact: Callable[..., None], data_dir: Path) -> None:
    redact(redactors.everywhere)

    call_llm(
        messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": IMAGE}}]}],
        training_metadata={},
    )

    assert len(list((data_dir / "blobs").glob("*/*"))) == 1


def test_what_is_not_captured_is_not_redacted(redact: Callable[..., None]) -> None:
    redact(redactors.fails)

    assert call_llm(SECRET).text == ANSWER.text
    assert quarantined() == []


# --- What cannot be cleared --------------------------------------------------------------------------------------

BAD = [
    redactors.fails,
    redactors.fails_with_a_chain,
    redactors.gives_none,
    redactors.gives_a_tuple,
    redactors.gives_the_text,
]


def assert_nothing_in_clear(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert SECRET.encode() not in everything_under(data_dir)
    assert SECRET not in caplog.text
    for entry in caplog.records:
        assert SECRET not in str(entry.__dict__)
        if entry.exc_info and entry.exc_info[0]:
            assert SECRET not in "".join(traceback.format_exception(*entry.exc_info))


@pytest.mark.parametrize("redactor", BAD)
def test_what_cannot_be_cleared_is_withheld_and_nowhere_in_clear(
    redact: Callable[..., None], data_dir: Path, caplog: pytest.LogCaptureFixture, redactor: Callable[..., Any]
) -> None:
    caplog.set_level(logging.DEBUG)
    redact(redactor)

    response = call_llm(
        f"Who is {SECRET}?", system_prompt=SECRET, training_metadata={"user_id": SECRET, "task": "shop"}
    )

    assert response.text == ANSWER.text
    assert waiting_records() == []
    assert_nothing_in_clear(data_dir, caplog)
    [line] = quarantined()
    assert (line["id"], line["task"]) == (response.example_id, "shop")
    assert orjson.loads(unseal(line["sealed"]).line)["prompt_text"] == f"Who is {SECRET}?"


@pytest.mark.filterwarnings("ignore:coroutine")
def test_a_redactor_that_must_be_awaited_withholds(redact: Callable[..., None]) -> None:
    redact(redactors.awaits)

    call_llm(SECRET, training_metadata={})

    assert len(quarantined()) == 1


def test_a_redactor_that_is_nowhere_withholds(capture: Callable[..., None], data_dir: Path) -> None:
    capture(**scripted(ANSWER), REDACT="no.such.redactor")

    call_llm(SECRET, training_metadata={})

    assert len(quarantined()) == 1
    assert SECRET.encode() not in everything_under(data_dir)


def test_odd_fields_break_nothing(redact: Callable[..., None], data_dir: Path) -> None:
    redact(redactors.odd_fields)

    assert call_llm(SECRET, training_metadata={}).text == ANSWER.text


def test_a_redactor_that_exits_stores_nothing_in_clear(redact: Callable[..., None], data_dir: Path) -> None:
    redact(redactors.exits)

    with pytest.raises(SystemExit):
        call_llm(SECRET, training_metadata={})

    assert SECRET.encode() not in everything_under(data_dir)


def test_where_nothing_can_be_sealed_nothing_is_in_clear_either(
    redact: Callable[..., None], data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    redact(redactors.fails_with_a_chain)
    (data_dir / "quarantine").mkdir(parents=True)
    (data_dir / "quarantine" / "withheld").touch()

    response = call_llm(SECRET, training_metadata={})

    assert (response.text, response.example_id) == (ANSWER.text, None)
    assert sum(capture_failures_total().values()) == 1
    assert_nothing_in_clear(data_dir, caplog)


def test_the_images_of_what_is_withheld_are_not_lost(redact: Callable[..., None], data_dir: Path) -> None:
    redact(redactors.fails)

    call_llm(
        messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": IMAGE}}]}],
        training_metadata={},
    )

    [line] = quarantined()
    [blob] = unseal(line["sealed"]).blobs
    assert (blob.content, blob.media_type) == (bytes(range(256)), "image/png")
    assert blob.reference.encode() in unseal(line["sealed"]).line
    assert not (data_dir / "blobs").exists()
    assert bytes(range(256)) not in everything_under(data_dir)
    assert IMAGE.partition(",")[2][:60].encode() not in everything_under(data_dir)


def test_the_reason_names_the_error_and_its_line(redact: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    redact(redactors.fails)

    call_llm(SECRET, training_metadata={})

    [line] = quarantined()
    assert "ValueError at redactors.py:" in line["reason"]
    assert [entry.levelno for entry in caplog.records] == [logging.ERROR]
