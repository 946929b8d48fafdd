"""Errors of the service, and what is asked again after them: a caller sees what it would see without `instrument`."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from capture_app import instrument
from capture_app.metrics import capture_failures_total
from tests.integration.instrument.uses import (
    TOO_MANY,
    USES,
    acreate,
    aread,
    arespond_streamed,
    create,
    create_raw,
    create_streaming_response,
    read,
    respond,
    respond_streamed,
)
from tests.integration.openai_answers import MESSAGE_ITEM, TEXT_CHUNKS, response, text_chat, text_events
from tests.integration.openai_server import Reply, ScriptedServer, error, json_reply, sse_bytes, sse_reply
from tests.integration.side_by_side import Use, assert_same, assert_same_async, client_for, facts, records

ERRORS = [
    json_reply(error("Not today.", "some_error"), status=status)
    for status in (400, 401, 403, 404, 409, 422, 429, 500, 503)
]


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("reply", ERRORS, ids=[str(reply.status) for reply in ERRORS])
def test_an_error_is_the_sdks_own_and_leaves_no_example(server: ScriptedServer, use: Use, reply: Reply) -> None:
    observed = assert_same(server, use, reply)

    assert issubclass(observed.answers[-1][0], openai.APIStatusError)
    assert records() == []
    assert capture_failures_total() == {}


@pytest.mark.parametrize("use", [acreate, aread, arespond_streamed])
@pytest.mark.parametrize("reply", ERRORS, ids=[str(reply.status) for reply in ERRORS])
async def test_an_awaited_error_is_the_sdks_own_and_leaves_no_example(
    server: ScriptedServer, use: Any, reply: Reply
) -> None:
    await assert_same_async(server, use, reply)

    assert records() == []


@pytest.mark.parametrize(
    ("use", "last"),
    [
        (create, json_reply(text_chat())),
        (create_raw, json_reply(text_chat())),
        (create_streaming_response, json_reply(text_chat())),
        (read, sse_reply(sse_bytes(TEXT_CHUNKS))),
        (respond, json_reply(response(MESSAGE_ITEM))),
        (respond_streamed, sse_reply(sse_bytes(text_events("12 ", "EUR"), named=True))),
    ],
)
def test_what_is_asked_again_is_counted(server: ScriptedServer, use: Use, last: Reply) -> None:
    observed = assert_same(server, use, TOO_MANY, json_reply({}, status=500, retry_after_ms="1"), last, max_retries=2)

    assert len(observed.requests) == 3
    assert (facts()["retries"], facts()["request_id"]) == (2, "req-1")


async def test_what_is_awaited_again_is_counted(server: ScriptedServer) -> None:
    await assert_same_async(server, acreate, TOO_MANY, json_reply(text_chat()), max_retries=2)

    assert facts()["retries"] == 1


def test_an_answer_at_once_has_no_retries(server: ScriptedServer) -> None:
    assert_same(server, create, json_reply(text_chat()), max_retries=2)

    assert "retries" not in facts()


def test_retry_after_is_waited_for_and_given_up_on_as_before(server: ScriptedServer) -> None:
    too_many = json_reply(error("Slow down.", "requests"), status=429, retry_after="0.01")

    observed = assert_same(server, create, too_many, too_many, max_retries=1)

    assert observed.answers[0][0] is openai.RateLimitError
    assert records() == []


def test_calls_at_once_count_their_own_retries(server: ScriptedServer) -> None:
    server.answer_for = lambda seen: (
        TOO_MANY if b"again" in seen.body and seen.header("x-stainless-retry-count") == "0" else json_reply(text_chat())
    )
    with client_for(server, max_retries=2) as client, ThreadPoolExecutor(8) as pool:
        instrument(client)
        asked = [
            pool.submit(
                client.chat.completions.create,
                model="small-1",
                messages=[{"role": "user", "content": f"{'again' if number % 2 else 'once'} {number}"}],
            )
            for number in range(20)
        ]
        for each in asked:
            each.result()

    found = {record["prompt_text"]: record["metadata"]["gleaner"].get("retries") for record in records()}
    assert found == {f"{'again' if n % 2 else 'once'} {n}": 1 if n % 2 else None for n in range(20)}
