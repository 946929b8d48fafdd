"""A response is the same with `instrument`, whole or streamed."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.instrument.uses import ASK_RESPONSES, Price, events_reply, names
from tests.integration.openai_answers import (
    CALL_ITEM,
    MESSAGE_ITEM,
    REASONING_ITEM,
    REFUSAL_ITEM,
    call_events,
    response,
    text_events,
)
from tests.integration.openai_server import Reply, ScriptedServer, json_reply, sse_bytes, sse_reply
from tests.integration.side_by_side import Use, assert_same

pytestmark = pytest.mark.usefixtures("no_failures")


def respond(client: Any) -> Iterator[Any]:
    yield client.responses.create(**ASK_RESPONSES, instructions="Be brief.")


def respond_parsed(client: Any) -> Iterator[Any]:
    parsed = client.responses.parse(**ASK_RESPONSES, text_format=Price)
    yield parsed
    yield parsed.output_parsed


def respond_raw(client: Any) -> Iterator[Any]:
    raw = client.responses.with_raw_response.create(**ASK_RESPONSES)
    yield raw
    yield raw.parse()


def respond_streaming_response(client: Any) -> Iterator[Any]:
    with client.responses.with_streaming_response.create(**ASK_RESPONSES) as raw:
        yield raw.parse()


def respond_in_turns(client: Any) -> Iterator[Any]:
    given: list[Any] = [{"role": "user", "content": "What is the price?"}]
    given += client.responses.create(model="small-1", input=given).output
    given.append({"type": "function_call_output", "call_id": "c1", "output": "12"})
    yield client.responses.create(model="small-1", input=given)


def respond_in_background(client: Any) -> Iterator[Any]:
    yield client.responses.create(**ASK_RESPONSES, background=True)


def look_up_a_response(client: Any) -> Iterator[Any]:
    yield client.responses.retrieve("resp_1")


def respond_streamed(client: Any) -> Iterator[Any]:
    events = client.responses.create(**ASK_RESPONSES, stream=True)
    yield events
    yield from events
    yield events


def respond_by_helper(client: Any) -> Iterator[Any]:
    with client.responses.stream(**ASK_RESPONSES) as events:
        yield from events
        yield events.get_final_response()


def respond_by_parsing_helper(client: Any) -> Iterator[Any]:
    with client.responses.stream(**ASK_RESPONSES, text_format=Price) as events:
        yield from events
        yield events.get_final_response().output_parsed


def respond_and_leave(client: Any) -> Iterator[Any]:
    with client.responses.stream(**ASK_RESPONSES) as events:
        for event in events:
            yield event
            if event.type == "response.output_text.delta":
                break


RESPONSE_USES: list[tuple[Use, Reply]] = [
    (respond, json_reply(response(MESSAGE_ITEM))),
    (respond, json_reply(response(REASONING_ITEM, MESSAGE_ITEM, CALL_ITEM))),
    (respond, json_reply(response(REFUSAL_ITEM))),
    (
        respond,
        json_reply(response(MESSAGE_ITEM, status="incomplete", incomplete_details={"reason": "max_output_tokens"})),
    ),
    (respond, json_reply(response(status="failed", error={"code": "server_error", "message": "Sorry."}))),
    (respond_parsed, json_reply(response(MESSAGE_ITEM))),
    (respond_raw, json_reply(response(MESSAGE_ITEM))),
    (respond_streaming_response, json_reply(response(MESSAGE_ITEM))),
    (respond_in_turns, json_reply(response(REASONING_ITEM, CALL_ITEM))),
    (respond_in_background, json_reply(response(status="queued", usage=None))),
    (look_up_a_response, json_reply(response(MESSAGE_ITEM))),
    (respond_streamed, events_reply(text_events("12 ", "EUR"))),
    (respond_streamed, events_reply(call_events())),
    (respond_streamed, sse_reply(sse_bytes(text_events("12 ", "€"), named=True, is_done=False), every=1)),
    (respond_by_helper, events_reply(text_events("12 ", "EUR"))),
    (respond_by_helper, events_reply(call_events())),
    (respond_by_parsing_helper, events_reply(text_events('{"sku"', ":1}"))),
    (respond_and_leave, events_reply(text_events("12 ", "EUR"))),
]


@pytest.mark.parametrize(("use", "reply"), RESPONSE_USES, ids=names(RESPONSE_USES))
def test_a_response_is_as_without_it(server: ScriptedServer, use: Use, reply: Reply) -> None:
    assert_same(server, use, reply)
