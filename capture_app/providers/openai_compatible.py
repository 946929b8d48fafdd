"""Any service that speaks OpenAI's chat completions, through the official SDK."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from capture_app.openai_api.chat import body_for, completion_from, delta_from
from capture_app.openai_api.facts import http_facts
from capture_app.providers.base import Completion, CompletionRequest, Provider, StreamDelta
from capture_app.providers.per_loop import PerLoop


class OpenAICompatibleProvider(Provider):
    """OPTIONS go to the SDK's client as they are: base_url, api_key, timeout, max_retries, ...

    What OPTIONS leaves out, the SDK reads from OPENAI_BASE_URL and OPENAI_API_KEY.
    """

    def __init__(self, **options: Any) -> None:
        import openai  # half a second: for whoever calls, and not for every command that checks the settings

        self._client = openai.OpenAI(**options)
        self._async_clients = PerLoop(lambda: openai.AsyncOpenAI(**options), openai.AsyncOpenAI.close)

    def complete(self, request: CompletionRequest) -> Completion:
        return _completion(self._client.chat.completions.with_raw_response.create(**body_for(request)))

    async def acomplete(self, request: CompletionRequest) -> Completion:
        client = await self._async_clients.get()
        return _completion(await client.chat.completions.with_raw_response.create(**body_for(request)))

    def stream(self, request: CompletionRequest) -> Iterator[StreamDelta]:
        with self._client.chat.completions.create(**_stream_body_for(request)) as chunks:
            facts = http_facts(chunks.response)
            for chunk in chunks:
                yield delta_from(chunk, **facts)

    async def astream(self, request: CompletionRequest) -> AsyncIterator[StreamDelta]:
        client = await self._async_clients.get()
        async with await client.chat.completions.create(**_stream_body_for(request)) as chunks:
            facts = http_facts(chunks.response)
            async for chunk in chunks:
                yield delta_from(chunk, **facts)


def _stream_body_for(request: CompletionRequest) -> dict[str, Any]:
    # Without include_usage a stream never says how many tokens it took.
    return {"stream_options": {"include_usage": True}, **body_for(request), "stream": True}


def _completion(answer: Any) -> Completion:
    return completion_from(answer.parse())._replace(**http_facts(answer.http_response))
