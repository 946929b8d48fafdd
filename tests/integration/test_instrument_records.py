"""What `instrument` records: the same facts that call_llm records."""

import base64
import hashlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import openai
import orjson
import pydantic
import pytest

from capture_app import call_llm, capture_context, instrument
from capture_app.conf import capture_settings
from capture_app.example import llm_signature
from capture_app.metrics import capture_failures_total
from tests.integration.openai_answers import (
    AZURE_CHUNKS,
    CALL_ITEM,
    MESSAGE_ITEM,
    MODEL,
    REASONING_ITEM,
    REFUSAL_ITEM,
    SECOND_TOOL_CALL,
    TEXT,
    TEXT_CHUNKS,
    TOOL_CALL,
    TOOL_CHUNKS,
    call_events,
    chat,
    choice,
    chunk,
    chunks_of,
    delta,
    response,
    text_chat,
    text_events,
)
from tests.integration.openai_server import ScriptedServer, json_reply, scripted_server, sse_bytes, sse_reply
from tests.integration.side_by_side import client_for, facts, only_record, records

QUESTION = {"role": "user", "content": "What is the price?"}
ASK: dict[str, Any] = {"model": "small-1", "messages": [QUESTION]}
TOOL = {"type": "function", "function": {"name": "price", "parameters": {"type": "object", "properties": {}}}}
PRICES = {"small-1": {"input": 0.15, "cached_input": 0.075, "output": 0.6}}
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PNG_URL = "data:image/png;base64," + base64.b64encode(PNG).decode()
PNG_REFERENCE = "blob:sha256:" + hashlib.sha256(PNG).hexdigest()


class Price(pydantic.BaseModel):
    sku: int


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as server:
        yield server


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[Any]:
    with client_for(server) as client:
        yield instrument(client, provider="openai")


@pytest.fixture(autouse=True)
def no_failures() -> Iterator[None]:
    yield
    assert capture_failures_total() == {}


def blobs() -> dict[str, bytes]:
    folder = capture_settings().data_dir / "blobs"
    return {path.name: path.read_bytes() for path in folder.glob("*/*")}


# --- Chat completions --------------------------------------------------------------------------------------------


def test_every_column_has_what_call_llm_would_record(
    server: ScriptedServer, client: Any, capture: Callable[..., None]
) -> None:
    backend = "capture_app.providers.openai_compatible.OpenAICompatibleProvider"
    options = {"base_url": server.base_url, "api_key": "secret-key", "max_retries": 0}
    capture(PROVIDERS={"openai": {"BACKEND": backend, "OPTIONS": options}}, DEFAULT_PROVIDER="openai", PRICES=PRICES)
    server.replies = [json_reply(text_chat())]
    messages = [{"role": "system", "content": "Be brief."}, QUESTION]

    client.chat.completions.create(
        model="small-1",
        messages=messages,
        temperature=0,
        tools=[TOOL],
        response_format={"type": "json_object"},
    )
    call_llm(
        messages=messages,
        model="small-1",
        parameters={"temperature": 0},
        tools=[TOOL],
        response_format={"type": "json_object"},
        training_metadata={},
    )

    instrumented, called = records()
    for record in (instrumented, called):
        del record["id"], record["created_at"], record["latency_ms"]
    assert instrumented == called


def test_the_columns_and_facts_of_an_answer(server: ScriptedServer, client: Any, capture: Callable[..., None]) -> None:
    capture(PRICES=PRICES)
    server.replies = [json_reply(text_chat())]

    with capture_context(task="shop", conversation_id="c-1", user_id="42", page=7):
        client.chat.completions.create(**ASK, temperature=0)

    record = only_record()
    assert record["id"]
    assert record["latency_ms"] >= 0
    expected = {
        "task": "shop",
        "prompt_text": "What is the price?",
        "system_prompt": "",
        "response_strong": "12 EUR",
        "slot_specs": {},
        "llm_signature": llm_signature("openai", MODEL, {"parameters": {"temperature": 0}}),
        "provider": "openai",
        "model_name": MODEL,
        "input_tokens": 1000,
        "output_tokens": 50,
        "prompt_hash": hashlib.sha256(b"\0What is the price?").hexdigest(),
        "metadata": {
            "page": 7,
            "gleaner": {
                "conversation_id": "c-1",
                "user_id": "42",
                "parameters": {"temperature": 0},
                "requested_model": "small-1",
                "finish_reason": "stop",
                "response_id": "chatcmpl-1",
                "request_id": "req-1",
                "cached_input_tokens": 900,
                "reasoning_tokens": 40,
                "cost_usd": pytest.approx((100 * 0.15 + 900 * 0.075 + 50 * 0.6) / 1e6),
            },
        },
    }
    assert {name: record[name] for name in expected} == expected


def test_the_key_is_never_recorded(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(text_chat())]

    client.chat.completions.create(**ASK, extra_headers={"x-secret": "secret-header"})

    assert b"secret" not in orjson.dumps(only_record())


def test_the_provider_is_the_host_unless_it_is_named(server: ScriptedServer) -> None:
    server.replies = [json_reply(text_chat())]

    instrument(client_for(server)).chat.completions.create(**ASK)

    assert only_record()["provider"] == "127.0.0.1"


def test_a_copy_for_another_host_is_recorded_under_that_host(server: ScriptedServer) -> None:
    server.replies = [json_reply(text_chat())]
    client = instrument(openai.OpenAI(api_key="k", max_retries=0))  # of api.openai.com

    client.with_options(base_url=server.base_url).chat.completions.create(**ASK)

    assert only_record()["provider"] == "127.0.0.1"


def test_a_copy_keeps_the_provider_that_was_named(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(text_chat())]

    client.with_options(base_url=server.base_url).chat.completions.create(**ASK)

    assert only_record()["provider"] == "openai"


def test_the_first_of_several_answers_is_the_example(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(chat(choice(0, content="12 EUR"), choice(1, content="13 EUR")))]

    client.chat.completions.create(**ASK, n=2)

    assert only_record()["response_strong"] == "12 EUR"
    assert facts()["parameters"] == {"n": 2}


def test_the_first_of_several_streamed_answers_is_the_example(server: ScriptedServer, client: Any) -> None:
    pieces = [
        chunk(delta(index=1, content="13 ")),
        chunk(delta(index=0, content="12 "), delta(index=1, content="EUR")),
        chunk(delta(index=0, content="EUR")),
        chunk(delta("length", index=1)),
        chunk(delta("stop", index=0)),
    ]
    server.replies = [sse_reply(sse_bytes(pieces))]

    list(client.chat.completions.create(**ASK, n=2, stream=True))

    assert only_record()["response_strong"] == "12 EUR"
    assert facts()["finish_reason"] == "stop"


def test_a_refusal_is_the_answer(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(chat(choice(refusal="I must not say.")))]

    client.chat.completions.create(**ASK)

    assert only_record()["response_strong"] == "I must not say."


def test_a_streamed_refusal_is_the_answer(server: ScriptedServer, client: Any) -> None:
    server.replies = [sse_reply(sse_bytes(chunks_of({"refusal": "I must "}, {"refusal": "not say."})))]

    list(client.chat.completions.create(**ASK, stream=True))

    assert only_record()["response_strong"] == "I must not say."


def test_tools_and_their_calls_are_recorded(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(chat(choice(tool_calls=[TOOL_CALL, SECOND_TOOL_CALL], finish_reason="tool_calls")))]

    client.chat.completions.create(**ASK, tools=[TOOL])

    assert facts()["tools"] == [TOOL]
    assert facts()["tool_calls"] == orjson.loads(only_record()["response_strong"]) == [TOOL_CALL, SECOND_TOOL_CALL]


def test_streamed_tool_calls_are_put_together(server: ScriptedServer, client: Any) -> None:
    server.replies = [sse_reply(sse_bytes(TOOL_CHUNKS), every=5)]

    list(client.chat.completions.create(**ASK, tools=[TOOL], stream=True))

    assert facts()["tool_calls"] == [TOOL_CALL, SECOND_TOOL_CALL]
    assert facts()["finish_reason"] == "tool_calls"


def test_parsed_tool_calls_are_recorded_as_they_were_sent(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(chat(choice(tool_calls=[TOOL_CALL], finish_reason="tool_calls")))]

    client.chat.completions.parse(**ASK, tools=[openai.pydantic_function_tool(Price, name="price")])

    assert facts()["tool_calls"] == [TOOL_CALL]


def test_a_custom_tools_call_is_recorded(server: ScriptedServer, client: Any) -> None:
    call = {"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}
    server.replies = [json_reply(chat(choice(tool_calls=[call], finish_reason="tool_calls")))]

    client.chat.completions.create(**ASK)

    assert facts()["tool_calls"] == [call]


def test_arguments_that_are_no_text_are_recorded_without_a_warning(server: ScriptedServer, client: Any) -> None:
    """As some servers send them."""
    call = {"id": "c1", "type": "function", "function": {"name": "price", "arguments": {"sku": 1}}}
    body = chat(choice(tool_calls=[TOOL_CALL], finish_reason="tool_calls")).model_dump(mode="json", exclude_unset=True)
    body["choices"][0]["message"]["tool_calls"] = [call]
    server.replies = [json_reply(body)]

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        client.chat.completions.create(**ASK)

    assert [str(each.message) for each in warned] == []
    assert facts()["tool_calls"] == [call]


def test_the_call_of_a_legacy_function_is_the_answer(server: ScriptedServer, client: Any) -> None:
    call = {"name": "price", "arguments": '{"sku":1}'}
    server.replies = [json_reply(chat(choice(function_call=call, finish_reason="function_call")))]

    client.chat.completions.create(**ASK, functions=[TOOL["function"]])

    assert facts()["parameters"]["functions"] == [TOOL["function"]]
    assert "price" in only_record()["response_strong"]


def test_the_streamed_call_of_a_legacy_function_is_the_answer(server: ScriptedServer, client: Any) -> None:
    pieces = [{"function_call": {"name": "price", "arguments": ""}}, {"function_call": {"arguments": '{"sku":1}'}}]
    server.replies = [sse_reply(sse_bytes(chunks_of(*pieces, finish_reason="function_call")))]

    list(client.chat.completions.create(**ASK, functions=[TOOL["function"]], stream=True))

    assert "price" in only_record()["response_strong"]


def test_turns_with_tool_calls_and_results_are_kept_whole(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(chat(choice(tool_calls=[TOOL_CALL], finish_reason="tool_calls")))]
    messages: list[Any] = [QUESTION]
    messages.append(client.chat.completions.create(model="small-1", messages=messages).choices[0].message)
    messages.append({"role": "tool", "tool_call_id": "c1", "content": "12"})

    client.chat.completions.create(model="small-1", messages=messages)

    [_, second] = records()
    assert [message["role"] for message in second["metadata"]["gleaner"]["messages"]] == ["user", "assistant", "tool"]
    assert second["metadata"]["gleaner"]["messages"][1]["tool_calls"] == [TOOL_CALL]
    assert second["prompt_text"].endswith("tool: 12")


def test_what_is_added_to_the_messages_later_is_not_in_the_example(server: ScriptedServer, client: Any) -> None:
    server.replies = [sse_reply(sse_bytes(TEXT_CHUNKS))]
    messages: list[Any] = [dict(QUESTION)]

    chunks = client.chat.completions.create(model="small-1", messages=messages, stream=True)
    messages.append({"role": "user", "content": "Later."})
    list(chunks)

    assert only_record()["prompt_text"] == "What is the price?"


def test_a_stream_has_the_usage_of_its_last_chunk(
    server: ScriptedServer, client: Any, capture: Callable[..., None]
) -> None:
    capture(PRICES=PRICES)
    server.replies = [sse_reply(sse_bytes(TEXT_CHUNKS), every=1)]

    list(client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True}))

    record = only_record()
    assert (record["response_strong"], record["input_tokens"], record["output_tokens"]) == (TEXT, 1000, 50)
    assert (facts()["cached_input_tokens"], facts()["reasoning_tokens"]) == (900, 40)
    assert (facts()["finish_reason"], facts()["request_id"], facts()["response_id"]) == ("stop", "req-1", "chatcmpl-1")
    assert 0 <= facts()["time_to_first_token_ms"] <= record["latency_ms"]
    assert facts()["cost_usd"] == pytest.approx((100 * 0.15 + 900 * 0.075 + 50 * 0.6) / 1e6)
    assert "partial" not in facts()
    assert "stream" not in facts().get("parameters", {})


def test_a_stream_whose_usage_nobody_asked_for_has_none(server: ScriptedServer, client: Any) -> None:
    server.replies = [sse_reply(sse_bytes(chunks_of({"content": "12 EUR"}, usage=False)))]

    list(client.chat.completions.create(**ASK, stream=True))

    assert "stream_options" not in server.seen[0].json()
    assert (only_record()["input_tokens"], only_record()["output_tokens"]) == (None, None)
    assert "cost_usd" not in facts()


def test_azures_first_chunk_hides_nothing(server: ScriptedServer, client: Any) -> None:
    server.replies = [sse_reply(sse_bytes(AZURE_CHUNKS))]

    list(client.chat.completions.create(**ASK, stream=True))

    assert (only_record()["response_strong"], only_record()["model_name"]) == (TEXT, MODEL)
    assert facts()["response_id"] == "chatcmpl-1"


def read_some(client: Any) -> None:
    with client.chat.completions.create(**ASK, stream=True) as chunks:
        next(chunks), next(chunks)


def read_some_events(client: Any) -> None:
    with client.chat.completions.stream(**ASK) as events:
        for event in events:
            if event.type == "content.delta" and event.delta:
                break


def read_some_raw(client: Any) -> None:
    chunks = client.chat.completions.with_raw_response.create(**ASK, stream=True).parse()
    next(chunks), next(chunks)
    chunks.close()


def read_some_of_a_streaming_response(client: Any) -> None:
    with client.chat.completions.with_streaming_response.create(**ASK, stream=True) as raw:
        chunks = raw.parse()
        next(chunks), next(chunks)


@pytest.mark.parametrize("use", [read_some, read_some_events, read_some_raw, read_some_of_a_streaming_response])
def test_a_stream_that_is_left_is_partial(server: ScriptedServer, client: Any, use: Callable[[Any], None]) -> None:
    server.replies = [sse_reply(sse_bytes(TEXT_CHUNKS))]

    use(client)

    assert only_record()["response_strong"] == "12 "
    assert facts()["partial"] is True


def test_a_raw_answer_that_is_parsed_often_is_one_example(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(text_chat())]
    raw = client.chat.completions.with_raw_response.create(**ASK)
    raw.parse(), raw.parse()
    with client.chat.completions.with_streaming_response.create(**ASK) as streamed:
        streamed.parse(), streamed.parse()

    assert len(records()) == 2


# --- Responses ---------------------------------------------------------------------------------------------------


def test_the_columns_and_facts_of_a_response(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(response(REASONING_ITEM, MESSAGE_ITEM))]

    client.responses.create(model="small-1", input="What is the price?", instructions="Be brief.", temperature=0)

    record = only_record()
    assert (record["system_prompt"], record["prompt_text"]) == ("Be brief.", "What is the price?")
    assert (record["response_strong"], record["model_name"]) == ("12 EUR", MODEL)
    assert (record["input_tokens"], record["output_tokens"]) == (1000, 50)
    assert facts() == {
        "parameters": {"temperature": 0},
        "requested_model": "small-1",
        "finish_reason": "stop",
        "response_id": "resp_1",
        "request_id": "req-1",
        "cached_input_tokens": 900,
        "reasoning_tokens": 40,
    }


def test_a_response_that_calls_a_function(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(response(REASONING_ITEM, CALL_ITEM))]
    tool = {"type": "function", "name": "price", "parameters": {}, "strict": True}

    client.responses.create(model="small-1", input="What is the price?", tools=[tool])

    assert facts()["tools"] == [{"type": "function", "function": {"name": "price", "parameters": {}, "strict": True}}]
    assert facts()["tool_calls"] == [TOOL_CALL]
    assert facts()["finish_reason"] == "tool_calls"


def test_a_response_that_refuses(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(response(REFUSAL_ITEM))]

    client.responses.create(model="small-1", input="What is the price?")

    assert only_record()["response_strong"] == "I must not say."


def test_a_response_that_was_cut_short_says_why(server: ScriptedServer, client: Any) -> None:
    details = {"reason": "max_output_tokens"}
    server.replies = [json_reply(response(MESSAGE_ITEM, status="incomplete", incomplete_details=details))]

    client.responses.create(model="small-1", input="What is the price?")

    assert facts()["finish_reason"] == "length"


@pytest.mark.parametrize("status", ["failed", "cancelled", "queued", "in_progress"])
def test_a_response_without_an_answer_leaves_no_example(server: ScriptedServer, client: Any, status: str) -> None:
    server.replies = [json_reply(response(status=status))]

    client.responses.create(model="small-1", input="What is the price?")

    assert records() == []


def test_turns_of_responses_are_kept_in_chats_form(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(response(REASONING_ITEM, CALL_ITEM))]
    given: list[Any] = [{"role": "user", "content": [{"type": "input_text", "text": "What is the price?"}]}]
    given += client.responses.create(model="small-1", input=given).output
    given.append({"type": "function_call_output", "call_id": "c1", "output": "12"})

    client.responses.create(model="small-1", input=given, previous_response_id="resp_0")

    [_, second] = records()
    user, reasoning, call, result = second["metadata"]["gleaner"]["messages"]
    assert user == QUESTION
    assert reasoning["content"][0]["summary"] == [{"text": "Looked at the tag.", "type": "summary_text"}]
    assert call == {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]}
    assert result == {"role": "tool", "tool_call_id": "c1", "content": "12"}
    assert second["metadata"]["gleaner"]["parameters"] == {"previous_response_id": "resp_0"}


def test_a_streamed_response_has_the_facts_of_a_whole_one(server: ScriptedServer, client: Any) -> None:
    server.replies = [sse_reply(sse_bytes(text_events("12 ", "€"), named=True, is_done=False), every=1)]

    list(client.responses.create(model="small-1", input="What is the price?", stream=True))

    record = only_record()
    assert (record["response_strong"], record["model_name"], record["input_tokens"]) == ("12 €", MODEL, 1000)
    assert (facts()["finish_reason"], facts()["response_id"], facts()["request_id"]) == ("stop", "resp_1", "req-1")
    assert facts()["time_to_first_token_ms"] >= 0
    assert "partial" not in facts()


def test_a_streamed_response_that_calls_a_function(server: ScriptedServer, client: Any) -> None:
    server.replies = [sse_reply(sse_bytes(call_events(), named=True, is_done=False))]

    with client.responses.stream(model="small-1", input="What is the price?") as events:
        list(events)

    assert facts()["tool_calls"] == [TOOL_CALL]
    assert facts()["finish_reason"] == "tool_calls"


def test_a_custom_tools_call_in_a_response_is_recorded(server: ScriptedServer, client: Any) -> None:
    item = {"type": "custom_tool_call", "id": "ct_1", "call_id": "c1", "name": "sql", "input": "SELECT 1"}
    server.replies = [json_reply({**response().model_dump(mode="json", exclude_unset=True), "output": [item]})]

    client.responses.create(model="small-1", input="How many?")

    assert "SELECT 1" in only_record()["response_strong"]


# --- Images and files --------------------------------------------------------------------------------------------

HASH = hashlib.sha256(PNG).hexdigest()
FILE = {"type": "file", "file": {"filename": "a.png", "file_data": PNG_URL}}
AUDIO = {"type": "input_audio", "input_audio": {"data": base64.b64encode(PNG).decode(), "format": "wav"}}
IMAGE = {"type": "image_url", "image_url": {"url": PNG_URL, "detail": "low"}}


@pytest.mark.parametrize("part", [IMAGE, FILE, AUDIO], ids=["image", "file", "audio"])
def test_what_a_message_carries_is_stored_apart(server: ScriptedServer, client: Any, part: Any) -> None:
    server.replies = [json_reply(text_chat())]

    client.chat.completions.create(model="small-1", messages=[{"role": "user", "content": [part]}])

    assert blobs() == {HASH: PNG}
    assert PNG_REFERENCE in orjson.dumps(facts()["messages"]).decode()
    assert base64.b64encode(PNG)[:40] not in orjson.dumps(only_record())
    assert facts()["blobs"][HASH]["bytes"] == len(PNG)
    assert base64.b64encode(PNG) in server.seen[0].body


RESPONSE_IMAGE = {"type": "input_image", "image_url": PNG_URL, "detail": "low"}
RESPONSE_FILE = {"type": "input_file", "filename": "a.png", "file_data": PNG_URL}


@pytest.mark.parametrize("part", [RESPONSE_IMAGE, RESPONSE_FILE, AUDIO], ids=["image", "file", "audio"])
def test_what_an_input_carries_is_stored_apart(server: ScriptedServer, client: Any, part: Any) -> None:
    server.replies = [json_reply(response(MESSAGE_ITEM))]

    client.responses.create(model="small-1", input=[{"role": "user", "content": [part]}])

    assert blobs() == {HASH: PNG}
    assert PNG_REFERENCE in orjson.dumps(facts()["messages"]).decode()


def test_an_image_in_every_turn_and_call_is_stored_once(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(text_chat()), json_reply(response(MESSAGE_ITEM))]
    turns: list[Any] = [{"role": "user", "content": [IMAGE, IMAGE]}, {"role": "user", "content": [IMAGE]}]

    client.chat.completions.create(model="small-1", messages=turns)
    client.responses.create(model="small-1", input=[{"role": "user", "content": [RESPONSE_IMAGE]}])

    assert blobs() == {HASH: PNG}
    assert len(records()) == 2
