"""A streamed chat completion is the same with `instrument`, however it is read and wherever it is left."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.instrument.uses import ASK, Price, names, stream
from tests.integration.openai_answers import AZURE_CHUNKS, TEXT_CHUNKS, TOOL_CHUNKS, chunks_of
from tests.integration.openai_server import Reply, ScriptedServer, sse_bytes, sse_reply
from tests.integration.side_by_side import Use, assert_same

pytestmark = pytest.mark.usefixtures("no_failures")


def read(client: Any) -> Iterator[Any]:
    chunks = client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True})
    yield chunks
    yield from chunks
    yield chunks
    yield list(chunks)


def read_without_usage(client: Any) -> Iterator[Any]:
    yield from client.chat.completions.create(**ASK, stream=True)


def read_by_next(client: Any) -> Iterator[Any]:
    chunks = client.chat.completions.create(**ASK, stream=True)
    while True:
        try:
            yield next(chunks)
        except StopIteration:
            break
    yield next(chunks, "nothing more")


def read_in_a_block(client: Any) -> Iterator[Any]:
    with client.chat.completions.create(**ASK, stream=True) as chunks:
        yield from chunks
    yield chunks


def leave_in_the_middle(client: Any) -> Iterator[Any]:
    with client.chat.completions.create(**ASK, stream=True) as chunks:
        yield next(chunks)
        yield next(chunks)
    yield chunks


def leave_before_the_first(client: Any) -> Iterator[Any]:
    chunks = client.chat.completions.create(**ASK, stream=True)
    chunks.close()
    chunks.close()
    yield chunks


def close_and_read_on(client: Any) -> Iterator[Any]:
    chunks = client.chat.completions.create(**ASK, stream=True)
    yield next(chunks)
    chunks.close()
    yield from chunks


def read_events(client: Any) -> Iterator[Any]:
    with client.chat.completions.stream(**ASK) as events:
        yield from events
        yield events.get_final_completion()


def read_parsed_events(client: Any) -> Iterator[Any]:
    with client.chat.completions.stream(**ASK, response_format=Price) as events:
        yield from events
        yield events.get_final_completion()


def wait_for_the_final_completion(client: Any) -> Iterator[Any]:
    with client.chat.completions.stream(**ASK) as events:
        yield events.get_final_completion()


def leave_the_events(client: Any) -> Iterator[Any]:
    with client.chat.completions.stream(**ASK) as events:
        for event in events:
            yield event
            if event.type == "content.delta" and event.delta:
                break
    yield events.current_completion_snapshot


def read_raw_stream(client: Any) -> Iterator[Any]:
    raw = client.chat.completions.with_raw_response.create(**ASK, stream=True)
    yield raw
    yield from raw.parse()
    yield raw.parse() is raw.parse()


def read_streaming_response_events(client: Any) -> Iterator[Any]:
    with client.chat.completions.with_streaming_response.create(**ASK, stream=True) as raw:
        yield raw
        yield from raw.parse()


def read_lines_of_a_stream(client: Any) -> Iterator[Any]:
    with client.chat.completions.with_streaming_response.create(**ASK, stream=True) as raw:
        yield from raw.iter_lines()


STREAM_USES: list[tuple[Use, Reply]] = [
    (read, stream(TEXT_CHUNKS)),
    (read, stream(TEXT_CHUNKS, eol=b"\r\n")),
    (read, stream(TEXT_CHUNKS, eol=b"\r")),
    (read, stream(TEXT_CHUNKS, is_done=False)),
    (read, stream([b": keep-alive\n\n", *TEXT_CHUNKS[:2], b": ping\n", b"retry: 5\n\n", *TEXT_CHUNKS[2:]])),
    (read, sse_reply(sse_bytes(TEXT_CHUNKS), every=1)),
    (read, stream(TOOL_CHUNKS)),
    (read, stream(AZURE_CHUNKS)),
    (read, stream([])),
    (read_without_usage, stream(chunks_of({"content": "12 EUR"}, usage=False))),
    (read_by_next, stream(TEXT_CHUNKS)),
    (read_in_a_block, stream(TEXT_CHUNKS)),
    (leave_in_the_middle, stream(TEXT_CHUNKS)),
    (leave_before_the_first, stream(TEXT_CHUNKS)),
    (close_and_read_on, sse_reply(sse_bytes(TEXT_CHUNKS))),  # at once: what came already can still be read
    (read_events, stream(TEXT_CHUNKS)),
    (read_events, stream(TOOL_CHUNKS)),
    (read_events, stream(AZURE_CHUNKS)),
    (read_events, stream(chunks_of({"refusal": "I must "}, {"refusal": "not say."}))),
    (read_parsed_events, stream(chunks_of({"content": '{"sku"'}, {"content": ":1}"}))),
    (read_parsed_events, stream(chunks_of({"content": '{"sku"'}, finish_reason="length"))),
    (wait_for_the_final_completion, stream(TEXT_CHUNKS)),
    (leave_the_events, stream(TEXT_CHUNKS)),
    (read_raw_stream, stream(TEXT_CHUNKS)),
    (read_streaming_response_events, stream(TEXT_CHUNKS)),
    (read_lines_of_a_stream, stream(TEXT_CHUNKS)),
]


@pytest.mark.parametrize(("use", "reply"), STREAM_USES, ids=names(STREAM_USES))
def test_a_streamed_completion_is_as_without_it(server: ScriptedServer, use: Use, reply: Reply) -> None:
    assert_same(server, use, reply)
