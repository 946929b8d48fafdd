"""Answers cut short, garbled, late, or turned into an error: a caller sees what it would see without `instrument`."""

import threading
from typing import Any

import openai
import pytest

from capture_app import instrument
from capture_app.metrics import capture_failures_total
from tests.integration.instrument.uses import (
    ASK,
    BODY,
    USES,
    aread,
    create,
    create_raw,
    create_streaming_response,
    read,
    read_events,
    respond,
    respond_streamed,
)
from tests.integration.openai_answers import TEXT_CHUNKS, text_chat, text_events
from tests.integration.openai_server import Reply, ScriptedServer, error, json_reply, sse_bytes, sse_reply
from tests.integration.side_by_side import Use, assert_same, assert_same_async, client_for, facts, records

IN_A_CHARACTER = BODY[: BODY.index("€".encode()) + 1]
IN_A_LINE = BODY[: BODY.rindex(b'"chatcmpl-1"')]
CUT = [
    sse_reply(IN_A_CHARACTER, is_cut=True),
    sse_reply(IN_A_LINE, is_cut=True),
    Reply([BODY], headers={"content-type": "text/event-stream"}, length=len(BODY) + 1, is_cut=True),
    sse_reply(b"", is_cut=True),
]


@pytest.mark.parametrize("use", [read, read_events])
@pytest.mark.parametrize("reply", CUT[:2] + CUT[3:])
def test_a_stream_cut_short_is_the_sdks_own_error(server: ScriptedServer, use: Use, reply: Reply) -> None:
    observed = assert_same(server, use, reply)

    assert observed.answers[-1][0] is openai.APIConnectionError
    assert records() == []


def test_what_is_cut_after_the_end_of_a_stream_is_an_example(server: ScriptedServer) -> None:
    assert_same(server, read, CUT[2])

    assert facts()["finish_reason"] == "stop"
    assert "partial" not in facts()


@pytest.mark.parametrize("reply", CUT)
async def test_an_async_stream_cut_short_ends_as_before(server: ScriptedServer, reply: Reply) -> None:
    await assert_same_async(server, aread, reply)


@pytest.mark.parametrize("use", [create, create_raw, create_streaming_response])
def test_a_body_cut_short_is_the_sdks_own_error(server: ScriptedServer, use: Use) -> None:
    body = text_chat().model_dump_json().encode()
    whole = json_reply(body)

    observed = assert_same(server, use, Reply([body[:-9]], headers=whole.headers, length=len(body), is_cut=True))

    assert issubclass(observed.answers[-1][0], Exception)
    assert records() == []


@pytest.mark.parametrize("use", [create, create_raw, create_streaming_response, respond])
@pytest.mark.parametrize("body", [b"", b"{", b'{"choices": [', b"\xff\xfe", b"<html>"])
def test_a_body_that_is_no_json_is_the_sdks_own_error(server: ScriptedServer, use: Use, body: bytes) -> None:
    assert_same(server, use, json_reply(body))

    assert records() == []


@pytest.mark.parametrize("use", USES)
def test_a_page_in_place_of_an_answer_reaches_the_caller(server: ScriptedServer, use: Use) -> None:
    assert_same(server, use, json_reply(b"<html>Maintenance</html>", content_type="text/html"))

    assert records() == []


@pytest.mark.parametrize("use", [create, create_raw, read, respond])
def test_a_time_out_is_the_sdks_own(server: ScriptedServer, use: Use) -> None:
    never = threading.Event()
    late = Reply([never], headers={"content-type": "application/json"})
    try:
        observed = assert_same(server, use, late, timeout=0.1)
    finally:
        never.set()

    assert observed.answers[-1][0] is openai.APITimeoutError or use is create
    assert records() == []


async def test_a_time_out_in_the_middle_of_a_stream_is_the_sdks_own(server: ScriptedServer) -> None:
    never = threading.Event()
    late = Reply([BODY[:700], never], headers={"content-type": "text/event-stream"})
    try:
        observed = await assert_same_async(server, aread, late, timeout=0.1)
    finally:
        never.set()

    assert observed.answers[-1][0] is openai.APITimeoutError
    assert records() == []


def test_nobody_listening_is_the_sdks_own_error(server: ScriptedServer) -> None:
    with (
        client_for(server, base_url="http://127.0.0.1:1/v1") as client,
        pytest.raises(openai.APIConnectionError),
    ):
        instrument(client).chat.completions.create(**ASK)

    assert records() == []


@pytest.mark.parametrize("use", [read, read_events])
@pytest.mark.parametrize("before", [0, 2])
def test_an_error_event_is_the_sdks_own_error(server: ScriptedServer, use: Use, before: int) -> None:
    events = [*TEXT_CHUNKS[:before], error("Overloaded.", "server_error")]

    observed = assert_same(server, use, sse_reply(sse_bytes(events)))

    assert observed.answers[-1][0] is openai.APIError
    assert records() == []


@pytest.mark.parametrize(
    "last",
    [
        {"type": "error", "code": "server_error", "message": "Sorry.", "param": None, "sequence_number": 9},
        {"type": "response.failed", "response": {"id": "resp_1", "status": "failed"}, "sequence_number": 9},
    ],
)
def test_a_streamed_response_that_failed_leaves_no_example(server: ScriptedServer, last: Any) -> None:
    assert_same(server, respond_streamed, sse_reply(sse_bytes([*text_events("12 ")[:5], last], named=True)))

    assert records() == []
    assert capture_failures_total() == {}
