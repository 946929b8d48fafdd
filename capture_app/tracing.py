"""An OpenTelemetry span per call, named as the GenAI conventions have it, when opentelemetry is installed and set up.

A tracer provider that is set up after the first call is noticed within a second.

A span never holds what was asked or answered: its exporter is not behind the redaction hook.
"""

import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final, TypeVar, cast

from capture_app.conf import capture_settings
from capture_app.log_once import log_once
from capture_app.providers.base import Completion, CompletionRequest

try:
    from opentelemetry import trace
except ImportError:  # an extra that most projects do without
    trace = None  # type: ignore[assignment]  # a module or None; mypy knows it as a module

logger = logging.getLogger("capture_app")

# Asking whether a provider was set up costs a microsecond, so it is asked once a second until one is.
_LOOK_INTERVAL = 1.0  # seconds
_tracer: Any = None
_next_look = 0.0

# Parameters of a chat request that the conventions have a name for.
_PARAMETERS: Final = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "max_output_tokens": "gen_ai.request.max_tokens",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
    "n": "gen_ai.request.choice.count",
}
_COMPLETION: Final = {
    "model": "gen_ai.response.model",
    "response_id": "gen_ai.response.id",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cached_input_tokens": "gen_ai.usage.cache_read.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
}


Item = TypeVar("Item")
Method = TypeVar("Method", bound=Callable[..., Any])


def _harmless(method: Method) -> Method:
    """Exporters and processors are others' code: what they raise must not reach the call. None is given then."""

    @wraps(method)
    def guarded(*args: Any) -> Any:
        try:
            return method(*args)
        except Exception as error:  # whatever an exporter raises
            log_once(logger, "OpenTelemetry failed, and the span of a call is missing or torn.", error)
            return None

    return cast(Method, guarded)


class CallSpan:
    """The span of one call, from its beginning to its end."""

    def __init__(self, span: Any) -> None:
        self._span = span

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make it the parent of what the SDK's HTTP client reports."""
        with trace.use_span(self._span, end_on_exit=False, record_exception=False, set_status_on_exception=False):
            yield

    def around(self, items: Iterator[Item]) -> Iterator[Item]:
        """What `items` gives, each asked for within the span."""
        try:
            while True:
                with self.current():
                    try:
                        item = next(items)
                    except StopIteration:
                        return
                yield item
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    async def aaround(self, items: AsyncIterator[Item]) -> AsyncIterator[Item]:
        """As around."""
        try:
            while True:
                with self.current():
                    try:
                        item = await anext(items)
                    except StopAsyncIteration:
                        return
                yield item
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()

    @_harmless
    def finish(self, completion: Completion, first_token_ms: int | None, example_id: str | None) -> None:
        attributes = {name: getattr(completion, field) for field, name in _COMPLETION.items()}
        if completion.finish_reason:
            attributes["gen_ai.response.finish_reasons"] = (completion.finish_reason,)
        if first_token_ms is not None:
            attributes["gen_ai.response.time_to_first_chunk"] = first_token_ms / 1000  # seconds
        attributes["gleaner.example.id"] = example_id
        self._span.set_attributes({name: value for name, value in attributes.items() if value is not None})
        self._span.end()

    @_harmless
    def fail(self, error: BaseException) -> None:
        """Its kind only: a message may quote the prompt."""
        self._span.set_attribute("error.type", type(error).__qualname__)
        self._span.set_status(trace.StatusCode.ERROR)
        self._span.end()


def start_span(request: CompletionRequest, provider: str) -> CallSpan | None:
    """None when nobody would see it."""
    if _tracer is None and (trace is None or not _look_for_tracer()):
        return None
    return _start(request, provider) if capture_settings().spans else None


@_harmless
def _start(request: CompletionRequest, provider: str) -> CallSpan | None:
    span = _tracer.start_span(f"chat {request.model}", kind=trace.SpanKind.CLIENT)
    if not span.is_recording():
        return None
    span.set_attributes(_request_attributes(request, provider))
    return CallSpan(span)


def _look_for_tracer() -> bool:
    global _tracer, _next_look
    now = time.monotonic()
    if now < _next_look:
        return False
    _next_look = now + _LOOK_INTERVAL
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return False
    _tracer = trace.get_tracer("gleaner")
    return True


def _request_attributes(request: CompletionRequest, provider: str) -> Mapping[str, Any]:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": request.model,
    }
    known = {_PARAMETERS[key]: value for key, value in request.parameters.items() if key in _PARAMETERS}
    return {**attributes, **{name: value for name, value in known.items() if isinstance(value, int | float)}}
