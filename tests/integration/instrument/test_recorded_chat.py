"""What `instrument` records of a chat completion: the same facts that call_llm records."""

import hashlib
from collections.abc import Callable
from typing import Any

import openai
import orjson
import pytest

from capture_app import call_llm, capture_context, instrument
from capture_app.example import llm_signature
from tests.integration.instrument.uses import ASK, PRICES, QUESTION, TOOL
from tests.integration.openai_answers import MODEL, chat, choice, chunk, chunks_of, delta, text_chat
from tests.integration.openai_server import ScriptedServer, json_reply, sse_bytes, sse_reply
from tests.integration.side_by_side import facts, only_record, records

pytestmark = pytest.mark.usefixtures("no_failures")


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


def test_the_provider_is_the_host_unless_it_is_named(server: ScriptedServer, bare_client: Any) -> None:
    server.replies = [json_reply(text_chat())]

    instrument(bare_client).chat.completions.create(**ASK)

    assert only_record()["provider"] == "127.0.0.1"


def test_a_copy_for_another_host_is_recorded_under_that_host(server: ScriptedServer) -> None:
    server.replies = [json_reply(text_chat())]
    with openai.OpenAI(api_key="k", max_retries=0) as client:  # of api.openai.com
        instrument(client).with_options(base_url=server.base_url).chat.completions.create(**ASK)

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


def test_a_raw_answer_that_is_parsed_often_is_one_example(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(text_chat())]
    raw = client.chat.completions.with_raw_response.create(**ASK)
    raw.parse(), raw.parse()
    with client.chat.completions.with_streaming_response.create(**ASK) as streamed:
        streamed.parse(), streamed.parse()

    assert len(records()) == 2
