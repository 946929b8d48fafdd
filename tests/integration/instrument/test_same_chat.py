"""A chat completion is the same with `instrument`: what the caller gets, and what the server is asked."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion

from tests.integration.instrument.uses import ASK, TOOL, Price, create, names
from tests.integration.openai_answers import SECOND_TOOL_CALL, TOOL_CALL, chat, choice, text_chat
from tests.integration.openai_server import Reply, ScriptedServer, json_reply
from tests.integration.side_by_side import Use, assert_same

pytestmark = pytest.mark.usefixtures("no_failures")


def create_with_options(client: Any) -> Iterator[Any]:
    yield client.with_options(timeout=7, default_headers={"x-team": "shop"}).chat.completions.create(**ASK)


def create_with_extras(client: Any) -> Iterator[Any]:
    yield client.chat.completions.create(
        **ASK, extra_headers={"x-team": "shop"}, extra_query={"v": "1"}, extra_body={"top_k": 5}, timeout=5
    )


def create_with_tools(client: Any) -> Iterator[Any]:
    yield client.chat.completions.create(**ASK, tools=[TOOL], tool_choice="auto", temperature=0)


def create_with_functions(client: Any) -> Iterator[Any]:
    yield client.chat.completions.create(**ASK, functions=[TOOL["function"]], function_call="auto")


def parse(client: Any) -> Iterator[Any]:
    yield client.chat.completions.parse(**ASK, response_format=Price)


def parse_tools(client: Any) -> Iterator[Any]:
    yield client.chat.completions.parse(**ASK, tools=[openai.pydantic_function_tool(Price, name="price")])


def create_raw(client: Any) -> Iterator[Any]:
    raw = client.chat.completions.with_raw_response.create(**ASK)
    yield raw
    yield raw.text
    yield raw.parse()
    yield raw.parse() is raw.parse()
    yield raw.parse(to=dict[str, object])


def create_raw_and_never_parse(client: Any) -> Iterator[Any]:
    yield client.chat.completions.with_raw_response.create(**ASK)


def parse_raw(client: Any) -> Iterator[Any]:
    yield client.chat.completions.with_raw_response.parse(**ASK, response_format=Price).parse()


def create_streaming_response(client: Any) -> Iterator[Any]:
    with client.chat.completions.with_streaming_response.create(**ASK) as raw:
        yield raw
        yield raw.parse()
        yield raw.http_response.is_closed


def read_streaming_response(client: Any) -> Iterator[Any]:
    with client.chat.completions.with_streaming_response.create(**ASK) as raw:
        yield from raw.iter_lines()


def multi_turn(client: Any) -> Iterator[Any]:
    messages = list(ASK["messages"])
    first = client.chat.completions.create(model="small-1", messages=messages, tools=[TOOL])
    messages.append(first.choices[0].message)  # the SDK's own object
    messages.append({"role": "tool", "tool_call_id": "c1", "content": "12"})
    yield client.chat.completions.create(model="small-1", messages=iter(messages), tools=[TOOL])


def post(client: Any) -> Iterator[Any]:
    yield client.post("/chat/completions", cast_to=ChatCompletion, body=ASK)


CHAT_USES: list[tuple[Use, Reply]] = [
    (create, json_reply(text_chat())),
    (create, json_reply(text_chat("Größer als 12 € 🎈"), content_type="application/json; charset=utf-8")),
    (create, json_reply(chat(choice(0, content="12 EUR"), choice(1, content="13 EUR")))),
    (create, json_reply(chat(choice(refusal="I must not say.")))),
    (create, json_reply(chat(choice(content="12", finish_reason="length"), usage=None))),
    (create_with_options, json_reply(text_chat())),
    (create_with_extras, json_reply(text_chat())),
    (create_with_tools, json_reply(chat(choice(tool_calls=[TOOL_CALL, SECOND_TOOL_CALL], finish_reason="tool_calls")))),
    (
        create_with_tools,
        json_reply(
            chat(choice(tool_calls=[{"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}]))
        ),
    ),
    (
        create_with_functions,
        json_reply(
            chat(choice(function_call={"name": "price", "arguments": "{}"}, finish_reason="function_call")),
        ),
    ),
    (parse, json_reply(text_chat('{"sku":1}'))),
    (parse, json_reply(text_chat("no JSON at all"))),
    (parse, json_reply(chat(choice(content='{"sku"', finish_reason="length")))),
    (parse, json_reply(chat(choice(refusal="I must not say.")))),
    (parse_tools, json_reply(chat(choice(tool_calls=[TOOL_CALL], finish_reason="tool_calls")))),
    (create_raw, json_reply(text_chat())),
    (create_raw_and_never_parse, json_reply(text_chat())),
    (parse_raw, json_reply(text_chat('{"sku":1}'))),
    (create_streaming_response, json_reply(text_chat())),
    (read_streaming_response, json_reply(text_chat())),
    (multi_turn, json_reply(chat(choice(tool_calls=[TOOL_CALL], finish_reason="tool_calls")))),
    (post, json_reply(text_chat())),
]


@pytest.mark.parametrize(("use", "reply"), CHAT_USES, ids=names(CHAT_USES))
def test_a_chat_completion_is_as_without_it(server: ScriptedServer, use: Use, reply: Reply) -> None:
    assert_same(server, use, reply)
