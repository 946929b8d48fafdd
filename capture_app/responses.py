"""What call_llm gives back: a response, or a stream that ends in one."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any, Generic, NamedTuple, Self, TypeVar

from capture_app.exceptions import UnexpectedAnswer
from capture_app.metrics import count_capture_failure
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
    cost_usd: float | None = None  # by TRAINING_CAPTURE["PRICES"]; None when it cannot be told


class Ending(NamedTuple):
    """How a stream ended."""

    completion: Completion
    partial: bool  # before the provider said why it ended
    first_token_ns: int | None  # time.perf_counter_ns() when the first piece of an answer came


# Makes the response of a finished or abandoned stream, recording it on the way.
Finish = Callable[[Ending], LLMResponse]
# Is told the error of a stream that failed.
Fail = Callable[[BaseException], None]
Item = TypeVar("Item")


class _StreamRecorder(Generic[Item]):
    """What all recorded streams share: they pass items on, gather the deltas in them, and finish exactly once."""

    def __init__(self, to_delta: Callable[[Item], StreamDelta], finish: Finish, fail: Fail) -> None:
        self._to_delta = to_delta
        self._finish = finish
        self._fail = fail
        self._builder = CompletionBuilder()
        self._first_token_ns: int | None = None
        self._closed = False
        self._is_readable = True
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

    def _take(self, item: Item) -> None:
        try:
            delta = self._to_delta(item)
            if self._first_token_ns is None and (delta.text or delta.tool_calls):
                self._first_token_ns = time.perf_counter_ns()
            self._builder.add(delta)
        except Exception as error:  # what cannot be understood is passed on all the same; there is no example then
            if self._is_readable and not isinstance(error, UnexpectedAnswer):
                count_capture_failure(error)
            self._is_readable = False

    def _end(self) -> None:
        if self._closed:
            return
        self._closed = True
        partial = not self._builder.is_finished
        if not self._is_readable or (partial and self._builder.is_empty):  # nothing to learn from
            self._fail(GeneratorExit())
            return
        try:
            completion = self._builder.build()
        except Exception as error:  # a provider of one's own may give anything
            count_capture_failure(error)
            self._fail(error)
            return
        self._response = self._finish(Ending(completion, partial, self._first_token_ns))

    def _end_for(self, reason: BaseException) -> None:
        """End as the exception says that came instead of an item; it goes on to the caller."""
        if isinstance(reason, StopIteration | StopAsyncIteration) or not isinstance(reason, Exception):
            self._end()  # read to its end; or cancelled or interrupted, when the caller gave up
        elif not self._closed:
            self._closed = True  # the provider failed: there is no example
            self._fail(reason)

    def __del__(self) -> None:  # dropped without close()
        if not getattr(self, "_closed", True):
            self._end()


class RecordedStream(_StreamRecorder[Item]):
    """Passes on what `items` gives. Recorded at its end, or when it is closed or dropped.

    It is partial when the provider had not yet said why it ended.
    """

    def __init__(
        self, items: Iterator[Item], to_delta: Callable[[Item], StreamDelta], finish: Finish, fail: Fail
    ) -> None:
        super().__init__(to_delta, finish, fail)
        self._items = items

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Item:
        if self._closed:
            raise StopIteration
        try:
            item = next(self._items)
        except BaseException as reason:
            self._end_for(reason)
            raise
        self._take(item)
        return item

    def close(self) -> None:
        """Stop here. What came so far is recorded as partial."""
        self._end()
        close = getattr(self._items, "close", None)
        if close is not None:
            close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncRecordedStream(_StreamRecorder[Item]):
    """As RecordedStream, with `async for`. A cancelled task leaves a partial example."""

    def __init__(
        self, items: AsyncIterator[Item], to_delta: Callable[[Item], StreamDelta], finish: Finish, fail: Fail
    ) -> None:
        super().__init__(to_delta, finish, fail)
        self._items = items

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        if self._closed:
            raise StopAsyncIteration
        try:
            item = await anext(self._items)
        except BaseException as reason:
            self._end_for(reason)
            raise
        self._take(item)
        return item

    async def aclose(self) -> None:
        """Stop here. What came so far is recorded as partial."""
        self._end()
        close = getattr(self._items, "aclose", None)
        if close is not None:
            await close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _itself(delta: StreamDelta) -> StreamDelta:
    return delta


class LLMStream(RecordedStream[StreamDelta]):
    """Iterate to receive StreamDelta objects; `response` is the whole answer once it has ended."""

    def __init__(self, deltas: Iterator[StreamDelta], finish: Finish, fail: Fail) -> None:
        super().__init__(deltas, _itself, finish, fail)


class AsyncLLMStream(AsyncRecordedStream[StreamDelta]):
    """As LLMStream, with `async for`."""

    def __init__(self, deltas: AsyncIterator[StreamDelta], finish: Finish, fail: Fail) -> None:
        super().__init__(deltas, _itself, finish, fail)
