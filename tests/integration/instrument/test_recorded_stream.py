"""What `instrument` records of a streamed chat completion, read to its end or left before."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.instrument.uses import ASK, PRICES, QUESTION
from tests.integration.openai_answers import AZURE_CHUNKS, MODEL, TEXT, TEXT_CHUNKS, chunks_of
from tests.integration.openai_server import ScriptedServer, sse_bytes, sse_reply
from tests.integration.side_by_side import facts, only_record

pytestmark = pytest.mark.usefixtures("no_failures")


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
