"""Providers that answer as a test says."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from capture_app.providers.base import Completion, CompletionBuilder, CompletionRequest, Provider, StreamDelta


class ServiceDown(Exception):
    """An error of a provider's own, which capture_app knows nothing about."""


class ScriptedProvider(Provider):
    """Plays `deltas`, then raises `error`, or with `hangs` never comes to an end. Remembers what it was asked."""

    def __init__(
        self, deltas: Sequence[StreamDelta] = (), *, error: BaseException | None = None, hangs: bool = False
    ) -> None:
        self._deltas = deltas
        self._error = error
        self._hangs = hangs
        self.requests: list[CompletionRequest] = []

    def complete(self, request: CompletionRequest) -> Completion:
        builder = CompletionBuilder()
        for delta in self.stream(request):
            builder.add(delta)
        return builder.build()

    async def acomplete(self, request: CompletionRequest) -> Completion:
        builder = CompletionBuilder()
        async for delta in self.astream(request):
            builder.add(delta)
        return builder.build()

    def stream(self, request: CompletionRequest) -> Iterator[StreamDelta]:
        self.requests.append(request)
        yield from self._deltas
        if self._error:
            raise self._error

    async def astream(self, request: CompletionRequest) -> AsyncIterator[StreamDelta]:
        self.requests.append(request)
        for delta in self._deltas:
            yield delta
        if self._hangs:
            await asyncio.Event().wait()
        if self._error:
            raise self._error


def scripted(*deltas: StreamDelta, **options: Any) -> dict[str, Any]:
    """Keys of TRAINING_CAPTURE with which every call is answered by a ScriptedProvider."""
    backend = f"{__name__}.{ScriptedProvider.__name__}"
    return {
        "PROVIDERS": {"scripted": {"BACKEND": backend, "OPTIONS": {"deltas": deltas, **options}}},
        "DEFAULT_PROVIDER": "scripted",
        "DEFAULT_MODEL": "scripted-1",
    }
