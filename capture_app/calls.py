"""A call on its way: begun before the provider is asked, finished with its answer or failed with its error."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from capture_app.context import current_context
from capture_app.pricing import cost_in_usd
from capture_app.providers.base import Completion, CompletionRequest, StreamDelta
from capture_app.recorder import Answer, record_answer
from capture_app.responses import AsyncLLMStream, Ending, LLMResponse, LLMStream
from capture_app.tracing import CallSpan, start_span

_NS_PER_MS = 1_000_000
_MAPPINGS = (dict, Mapping)  # in this order: nearly all are dicts, and an abstract class is slow to ask
_NO_SPAN: AbstractContextManager[None] = nullcontext()  # reentrant and stateless, so one serves all


@dataclass(slots=True)
class Call:
    """What is needed to record a call once the answer is there."""

    request: CompletionRequest
    provider: str
    task: str | None
    training_metadata: Any  # None: the call is not captured
    context: Mapping[str, Any]
    span: CallSpan | None
    started_ns: int
    marks: Mapping[str, Any] | None = None  # how it came to be asked: kept with the example, under our own key
    is_open: bool = True  # neither finished nor failed

    def ask(self, complete: Callable[[CompletionRequest], Completion]) -> Completion:
        """The provider's answer; its error goes on to the caller."""
        if self.span is None:
            return complete(self.request)
        try:
            with self.span.current():
                return complete(self.request)
        except BaseException as error:
            self.fail(error)
            raise

    async def aask(self, complete: Callable[[CompletionRequest], Awaitable[Completion]]) -> Completion:
        """As ask."""
        if self.span is None:
            return await complete(self.request)
        try:
            with self.span.current():
                return await complete(self.request)
        except BaseException as error:
            self.fail(error)
            raise

    def stream(self, deltas: Iterator[StreamDelta]) -> LLMStream:
        """The provider's stream, to be recorded when it ends."""
        if self.span is not None:
            deltas = self.span.around(deltas)
        return LLMStream(deltas, self.finish_stream, self.fail)

    def astream(self, deltas: AsyncIterator[StreamDelta]) -> AsyncLLMStream:
        """As stream."""
        if self.span is not None:
            deltas = self.span.aaround(deltas)
        return AsyncLLMStream(deltas, self.finish_stream, self.fail)

    def as_parent(self) -> AbstractContextManager[None]:
        """Within it, what the SDK's HTTP client reports belongs to this call's span."""
        return _NO_SPAN if self.span is None else self.span.current()

    def finish(self, completion: Completion) -> LLMResponse:
        """Record the whole answer."""
        return self._finish(completion, None, partial=False)

    def finish_stream(self, ending: Ending) -> LLMResponse:
        """Record what came of a stream."""
        first = ending.first_token_ns
        first_ms = None if first is None else (first - self.started_ns) // _NS_PER_MS
        return self._finish(ending.completion, first_ms, partial=ending.partial)

    def fail(self, error: BaseException) -> None:
        """The provider raised: there is no example."""
        self.is_open = False
        if self.span is not None:
            self.span.fail(error)

    def _finish(self, completion: Completion, first_token_ms: int | None, *, partial: bool) -> LLMResponse:
        self.is_open = False
        latency_ms = (time.perf_counter_ns() - self.started_ns) // _NS_PER_MS
        cost = cost_in_usd(completion, self.request.model)
        example_id = None
        if self.training_metadata is not None:
            example_id = record_answer(
                Answer(
                    self.request,
                    completion,
                    self.provider,
                    self.task,
                    self.training_metadata,
                    self.context,
                    latency_ms,
                    first_token_ms,
                    cost,
                    partial,
                    self.marks,
                )
            )
        if self.span is not None:
            self.span.finish(completion, first_token_ms, example_id)
        return LLMResponse(
            text=completion.text,
            tool_calls=list(completion.tool_calls),
            input_tokens=completion.input_tokens,
            output_tokens=completion.output_tokens,
            model=completion.model or self.request.model,
            provider=self.provider,
            finish_reason=completion.finish_reason,
            latency_ms=latency_ms,
            example_id=example_id,
            cost_usd=cost,
        )


def begin_call(
    request: CompletionRequest,
    *,
    provider: str,
    task: str | None,
    training_metadata: Any,
    marks: Mapping[str, Any] | None = None,
) -> Call:
    """Start the clock, and the span when there is one. The context is taken now: a stream may end outside it."""
    return Call(
        request,
        provider,
        task,
        training_metadata,
        current_context(),
        start_span(request, provider),
        time.perf_counter_ns(),
        marks,
    )


def named_task(training_metadata: Any) -> str | None:
    """The task that a call names in its metadata, or the context around it; it picks the route."""
    task = training_metadata.get("task") if isinstance(training_metadata, _MAPPINGS) else None
    task = task or current_context().get("task")
    return task if isinstance(task, str) else None
