"""A provider that asks nobody: deterministic, and it says in every answer that it is offline.

It is a real backend for demos, tests and machines without a key: the same request always gets the same answer, and
its token figures are counted words, not guesses about a model.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator, Iterator

from capture_app.messages import prompt_text, system_text
from capture_app.providers.base import Completion, CompletionRequest, Provider, StreamDelta

DEFAULT_MODEL = "offline-extract"
NOTICE = "[offline: no model was asked]"

_QUOTED_WORDS = 40


class OfflineProvider(Provider):
    """`latency` is slept before each answer, in seconds: 0 for tests, more to try out what waits."""

    def __init__(self, latency: float = 0.0) -> None:
        self._latency = latency

    def complete(self, request: CompletionRequest) -> Completion:
        if self._latency:
            time.sleep(self._latency)
        return _answer(request)

    async def acomplete(self, request: CompletionRequest) -> Completion:
        if self._latency:
            await asyncio.sleep(self._latency)
        return _answer(request)

    def stream(self, request: CompletionRequest) -> Iterator[StreamDelta]:
        yield from _deltas(self.complete(request))

    async def astream(self, request: CompletionRequest) -> AsyncIterator[StreamDelta]:
        for delta in _deltas(await self.acomplete(request)):
            await asyncio.sleep(0)
            yield delta


def _answer(request: CompletionRequest) -> Completion:
    prompt = prompt_text(request.messages)
    words = prompt.split(maxsplit=_QUOTED_WORDS)
    digest = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    text = f"{NOTICE} {' '.join(words[:_QUOTED_WORDS])} (prompt {digest})"
    return Completion(
        text=text,
        model=request.model or DEFAULT_MODEL,
        input_tokens=len(prompt.split()) + len(system_text(request.messages).split()),
        output_tokens=len(text.split()),
        finish_reason="stop",
        response_id=f"offline-{digest}",
    )


def _deltas(completion: Completion) -> Iterator[StreamDelta]:
    yield StreamDelta(model=completion.model, response_id=completion.response_id)
    for piece in re.findall(r"\S+\s*", completion.text):
        yield StreamDelta(text=piece)
    yield StreamDelta(
        finish_reason=completion.finish_reason,
        input_tokens=completion.input_tokens,
        output_tokens=completion.output_tokens,
    )
