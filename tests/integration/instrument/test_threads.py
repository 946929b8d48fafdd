"""Threads, tasks, forks and contexts that share a client are all recorded."""

import asyncio
import contextvars
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from capture_app import capture_context, instrument
from tests.integration.instrument.uses import ASK, BODY, create, create_raw, create_streaming_response, read
from tests.integration.openai_answers import text_chat
from tests.integration.openai_server import ScriptedServer, json_reply, sse_reply
from tests.integration.side_by_side import async_client_for, client_for, facts, records, shown


def test_threads_that_share_a_client_are_all_recorded(server: ScriptedServer) -> None:
    server.answer_for = lambda seen: sse_reply(BODY) if seen.json().get("stream") else json_reply(text_chat())
    with client_for(server) as client, ThreadPoolExecutor(8) as pool:
        instrument(client)
        uses = [create, read, create_raw, create_streaming_response] * 10
        answers = list(pool.map(lambda use: [shown(each) for each in use(client)], uses))

    assert [len(answer) > 0 for answer in answers] == [True] * 40
    assert len(records()) == 40


async def test_tasks_that_share_a_client_keep_their_contexts(server: ScriptedServer) -> None:
    server.replies = [json_reply(text_chat())]
    async with async_client_for(server) as client:
        instrument(client)

        async def ask(number: int) -> None:
            with capture_context(task=f"task {number}", user_id=str(number)):
                await client.chat.completions.create(
                    model="small-1", messages=[{"role": "user", "content": f"Question {number}"}]
                )

        await asyncio.gather(*(ask(number) for number in range(10)))

    found = [(r["task"], r["metadata"]["gleaner"]["user_id"], r["prompt_text"]) for r in records()]
    assert sorted(found) == sorted((f"task {n}", str(n), f"Question {n}") for n in range(10))


def test_a_fork_records_too(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(text_chat())]
    client.chat.completions.create(**ASK)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            client.with_options(http_client=None).chat.completions.create(**ASK)
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    client.chat.completions.create(**ASK)

    assert os.waitstatus_to_exitcode(status) == 0
    assert len(records()) == 3


def test_a_stream_read_in_another_context_is_recorded(server: ScriptedServer) -> None:
    """As frameworks do, that read an iterator in the threads of a pool."""
    server.replies = [sse_reply(BODY)]
    with client_for(server) as client:
        chunks = contextvars.copy_context().run(instrument(client).chat.completions.create, **ASK, stream=True)
        while contextvars.copy_context().run(next, chunks, None) is not None:
            pass

    assert "partial" not in facts()
