"""Any service that any-llm knows (Anthropic, Mistral, Gemini, Bedrock, Ollama, ...), by one adapter.

An extra: `pip install gleaner[any-llm]`, and the extra of any-llm that the service needs.

    "PROVIDERS": {"claude": {"BACKEND": "capture_app.providers.any_llm.AnyLLMProvider",
                             "OPTIONS": {"provider": "anthropic"}}}
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

from any_llm import AnyLLM

from capture_app.openai_api.chat import body_for, completion_from, delta_from
from capture_app.providers.base import Completion, CompletionRequest, Provider, StreamDelta
from capture_app.providers.per_loop import PerLoop


class AnyLLMProvider(Provider):
    """`provider` is any-llm's name of the service; api_key, api_base and the rest go to AnyLLM.create as they are.

    A stream tells its tokens only where the service does so unasked, or the call's parameters ask for it:
    `{"stream_options": {"include_usage": True}}`, which not every service takes.
    """

    def __init__(self, *, provider: str, **options: Any) -> None:
        # Its calls without await run in a loop of its own, and so need a client apart.
        self._client = AnyLLM.create(provider, **options)
        self._clients = PerLoop(lambda: AnyLLM.create(provider, **options), _close)

    def complete(self, request: CompletionRequest) -> Completion:
        return completion_from(self._client.completion(**body_for(request)))

    async def acomplete(self, request: CompletionRequest) -> Completion:
        client = await self._clients.get()
        return completion_from(await client.acompletion(**body_for(request)))

    def stream(self, request: CompletionRequest) -> Iterator[StreamDelta]:
        chunks = cast(Iterator[Any], self._client.completion(**body_for(request), stream=True))
        for chunk in chunks:
            yield delta_from(chunk)

    async def astream(self, request: CompletionRequest) -> AsyncIterator[StreamDelta]:
        client = await self._clients.get()
        chunks = cast(AsyncIterator[Any], await client.acompletion(**body_for(request), stream=True))
        async for chunk in chunks:
            yield delta_from(chunk)


async def _close(client: AnyLLM) -> None:
    """any-llm has no way to close a client; those of its services that have connections hold an SDK's client."""
    close = getattr(getattr(client, "client", None), "close", None)
    if close is not None:
        await close()
