"""What call_llm gives back: a response, or a stream that ends in one."""

from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any, NamedTuple, Self

from capture_app.providers.base import Completion, CompletionBuilder, StreamDelta


class LLMResponse(NamedTuple):
    """An answered call."""

    text: str
    tool_calls: list[dict[str, Any]]  # [{"id", "type": "function", "function": {"name", "arguments": JSON text}}]
    input_tokens: int | None  # includes cached ones; None when the provider does not say
    output_tokens: int | None
    model: str  # as the provider names it
    provider: str
    finish_reason: str | None
    latency_ms: int  # the provider's own time
    example_id: str | None  # None: not captured, because it was not asked for or could not be kept


# Makes the response of a finished or abandoned stream, recording it on the way.
Finish = Callable[[Completion, bool], LLMResponse]


class _StreamState:
    """What both kinds of stream share: gather deltas, and finish exactly once."""

    def __init__(self, finish: Finish) -> None:
        self._builder = CompletionBuilder()
        self._finish = finish
        self._closed = False
        self._response: LLMResponse | None = None

    @property
    def response(self) -> LLMResponse:
        """The whole answer. Raises RuntimeError before the stream has ended."""
        if self._response is None and self._closed:
            raise RuntimeError(
                "The stream has no response: the provider failed, or it was closed before anything came."
            )
        if self._response is None:
            raise RuntimeError("The stream has not ended yet: read it to its end, or close it, first.")
        return self._response

    def _end(self, *, partial: bool) -> None:
        if self._closed:
            return
        self._closed = True
        if partial and self._builder.is_empty:  # nothing came: nothing to learn from
            return
        self._response = self._finish(self._builder.build(), partial)

    def _end_for(self, reason: BaseException) -> None:
        """End as the exception says that came instead of a delta; it goes on to the caller."""
        if isinstance(reason, StopIteration | StopAsyncIteration):
            self._end(partial=not self._builder.is_finished)
        elif isinstance(reason, Exception):
            self._closed = True  # the provider failed: there is no example
        else:
            self._end(partial=True)  # cancelled or interrupted: the caller gave up

    def __del__(self) -> None:  # dropped without close()
        if not getattr(self, "_closed", True):
            self._end(partial=True)


class LLMStream(_StreamState):
    """Iterate to receive StreamDelta objects. Recorded at its end; as partial when closed or dropped before."""

    def __init__(self, deltas: Iterator[StreamDelta], finish: Finish) -> None:
        super().__init__(finish)
        self._deltas = deltas

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamDelta:
        if self._closed:
            raise StopIteration
        try:
            delta = next(self._deltas)
        except BaseException as reason:
            self._end_for(reason)
            raise
        self._builder.add(delta)
        return delta

    def close(self) -> None:
        """Stop here. What came so far is recorded as partial."""
        self._end(partial=True)
        close = getattr(self._deltas, "close", None)
        if close is not None:
            close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncLLMStream(_StreamState):
    """As LLMStream, with `async for`. A cancelled task leaves a partial example."""

    def __init__(self, deltas: AsyncIterator[StreamDelta], finish: Finish) -> None:
        super().__init__(finish)
        self._deltas = deltas

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamDelta:
        if self._closed:
            raise StopAsyncIteration
        try:
            delta = await anext(self._deltas)
        except BaseException as reason:
            self._end_for(reason)
            raise
        self._builder.add(delta)
        return delta

    async def aclose(self) -> None:
        """Stop here. What came so far is recorded as partial."""
        self._end(partial=True)
        close = getattr(self._deltas, "aclose", None)
        if close is not None:
            await close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
