"""A provider that takes as long as it is told: a call waits as it does for a model, and its own time is known."""

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Final

from capture_app.providers.base import Completion, CompletionRequest, Provider, StreamDelta

_PIECES: Final = [f"piece {number} of an answer that goes on; " for number in range(20)]
_TEXT: Final = "".join(_PIECES)

_own = threading.local()


def own_seconds() -> float:
    """How long the provider took for the last call of this thread."""
    seconds: float = _own.seconds
    return seconds


class PacedProvider(Provider):
    """`latency` is the mean time of a whole answer, in seconds; each takes up to half as much more or less, so that
    callers do not march in step. A stream takes it as it is, spread over its pieces.
    """

    def __init__(self, latency: float) -> None:
        self._latency = latency

    def complete(self, request: CompletionRequest) -> Completion:
        started = time.perf_counter()
        time.sleep(self._latency * random.uniform(0.5, 1.5))
        answer = _answer(request)
        _own.seconds = time.perf_counter() - started
        return answer

    async def acomplete(self, request: CompletionRequest) -> Completion:
        await asyncio.sleep(self._latency)
        return _answer(request)

    def stream(self, request: CompletionRequest) -> Iterator[StreamDelta]:
        raise NotImplementedError("only asyncio's streams are measured")

    async def astream(self, request: CompletionRequest) -> AsyncIterator[StreamDelta]:
        for piece in _PIECES:
            yield StreamDelta(text=piece)
            await asyncio.sleep(self._latency / len(_PIECES))
        yield StreamDelta(finish_reason="stop", model=request.model)


def _answer(request: CompletionRequest) -> Completion:
    return Completion(
        text=_TEXT, model=request.model, input_tokens=500, output_tokens=len(_TEXT.split()), finish_reason="stop"
    )
