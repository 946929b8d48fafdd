"""Any service that speaks OpenAI's chat completions, through the official SDK."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import openai

from capture_app.exceptions import UnexpectedAnswer
from capture_app.providers.base import Completion, CompletionRequest, Provider, StreamDelta, ToolCallDelta


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
        return _completion(self._client.chat.completions.create(**_arguments(request)))

    async def acomplete(self, request: CompletionRequest) -> Completion:
        client = await self._async_client()
        return _completion(await client.chat.completions.create(**_arguments(request)))

    def stream(self, request: CompletionRequest) -> Iterator[StreamDelta]:
        with self._client.chat.completions.create(**_stream_arguments(request)) as chunks:
            for chunk in chunks:
                yield _delta(chunk)

    async def astream(self, request: CompletionRequest) -> AsyncIterator[StreamDelta]:
        client = await self._async_client()
        async with await client.chat.completions.create(**_stream_arguments(request)) as chunks:
            async for chunk in chunks:
                yield _delta(chunk)

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
    if not getattr(answer, "choices", None):
        raise UnexpectedAnswer(f"The provider answered without a choice: {str(answer)[:500]} There is no example.")
    choice = answer.choices[0]
    message = choice.message
    return Completion(
        text=message.content or "",
        tool_calls=[call.model_dump(exclude_none=True) for call in message.tool_calls or ()],
        model=answer.model or "",
        finish_reason=choice.finish_reason,
        response_id=answer.id,
        **_usage(answer.usage),
    )


def _delta(chunk: Any) -> StreamDelta:
    # The chunk that carries the usage has no choice; of several answers (n=2) the first is the example.
    choice = next((choice for choice in chunk.choices or () if not choice.index), None)
    delta = choice.delta if choice else None
    return StreamDelta(
        text=(delta.content if delta else None) or "",
        tool_calls=[_tool_call_delta(*call) for call in enumerate((delta.tool_calls if delta else None) or ())],
        finish_reason=choice.finish_reason if choice else None,
        model=chunk.model or None,
        response_id=chunk.id or None,
        **_usage(chunk.usage),
    )


def _tool_call_delta(place: int, call: Any) -> ToolCallDelta:
    function = call.function
    return ToolCallDelta(
        index=place if call.index is None else call.index,  # some servers leave it out
        id=call.id,
        name=function.name if function else None,
        arguments=(function.arguments if function else None) or "",
    )


def _usage(usage: Any) -> Mapping[str, int | None]:
    if usage is None:
        return {}
    prompt_details = usage.prompt_tokens_details
    completion_details = usage.completion_tokens_details
    return {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "cached_input_tokens": prompt_details.cached_tokens if prompt_details else None,
        "reasoning_tokens": completion_details.reasoning_tokens if completion_details else None,
    }
