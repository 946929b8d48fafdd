"""Any service that speaks OpenAI's chat completions, through the official SDK."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai

from capture_app.openai_api.chat import completion_from, delta_from
from capture_app.openai_api.http import http_facts
from capture_app.providers.base import Completion, CompletionRequest, Provider, StreamDelta


class OpenAICompatibleProvider(Provider):
    """OPTIONS go to the SDK's client as they are: base_url, api_key, timeout, max_retries, ...

    What OPTIONS leaves out, the SDK reads from OPENAI_BASE_URL and OPENAI_API_KEY.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._client = openai.OpenAI(**options)
        # A connection belongs to the event loop that opened it, and a process may run several loops in turn.
        self._async_clients: dict[asyncio.AbstractEventLoop, tuple[openai.AsyncOpenAI, AsyncIterator[None]]] = {}

    def complete(self, request: CompletionRequest) -> Completion:
        return _completion(self._client.chat.completions.with_raw_response.create(**_arguments(request)))

    async def acomplete(self, request: CompletionRequest) -> Completion:
        client = await self._async_client()
        return _completion(await client.chat.completions.with_raw_response.create(**_arguments(request)))

    def stream(self, request: CompletionRequest) -> Iterator[StreamDelta]:
        with self._client.chat.completions.create(**_stream_arguments(request)) as chunks:
            facts = http_facts(chunks.response)
            for chunk in chunks:
                yield delta_from(chunk, **facts)

    async def astream(self, request: CompletionRequest) -> AsyncIterator[StreamDelta]:
        client = await self._async_client()
        async with await client.chat.completions.create(**_stream_arguments(request)) as chunks:
            facts = http_facts(chunks.response)
            async for chunk in chunks:
                yield delta_from(chunk, **facts)

    async def _async_client(self) -> openai.AsyncOpenAI:
        loop = asyncio.get_running_loop()
        if loop not in self._async_clients:
            client = openai.AsyncOpenAI(**self._options)
            keeper = self._close_with(loop, client)
            self._async_clients[loop] = client, keeper
            await anext(keeper)
        return self._async_clients[loop][0]

    async def _close_with(self, loop: asyncio.AbstractEventLoop, client: openai.AsyncOpenAI) -> AsyncIterator[None]:
        """Close the client when its loop ends: a loop closes the generators begun in it, and tells nobody else.

        A weak reference to the loop would not do, for the client's open connections hold on to it.
        """
        try:
            yield
        finally:
            del self._async_clients[loop]
            await client.close()


def _arguments(request: CompletionRequest) -> dict[str, Any]:
    arguments: dict[str, Any] = {**request.parameters, "model": request.model, "messages": list(request.messages)}
    if request.tools:
        arguments["tools"] = list(request.tools)
    if request.response_format:
        arguments["response_format"] = request.response_format
    return arguments


def _stream_arguments(request: CompletionRequest) -> dict[str, Any]:
    # Without include_usage a stream never says how many tokens it took.
    return {"stream_options": {"include_usage": True}, **_arguments(request), "stream": True}


def _completion(answer: Any) -> Completion:
    return completion_from(answer.parse())._replace(**http_facts(answer.http_response))
