"""Ways to keep a call, as the processes of `survival` use them; the environment's BENCHMARK_WAY says which.

Every way makes the same call of the same provider, is set up as its documents say, and gives for each call the id under
which it is to be found afterwards: an example's, or a span's.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import cache
from typing import Any, Final

from benchmarks.environment import ACKNOWLEDGED, LATENCY, WAY
from benchmarks.paced import PacedProvider
from capture_app.providers.base import CompletionRequest, StreamDelta

GLEANER, OTEL, LANGFUSE = "Gleaner", "OpenTelemetry", "Langfuse"
OTEL_HOOK, LANGFUSE_FLUSH = "OpenTelemetry, fork hook", "Langfuse, flush"

MODEL: Final = "paced-model"

Send = Callable[[str], Awaitable[None]]


class Way(ABC):
    """Made where an application sets its tracing up: at import, which is before the fork where there is one."""

    @abstractmethod
    def call(self, prompt: str) -> str:
        """Ask, keep, and give the id."""

    @abstractmethod
    async def stream(self, prompt: str, send: Send) -> None:
        """Ask for a stream and pass it on; acknowledge it however it ends, once the caller had a piece of it."""

    def after_fork(self) -> None:  # noqa: B027  (most ways need none)
        """In a server's new worker process, before its first call."""

    def finish(self) -> None:  # noqa: B027  (likewise)
        """At the end of a task or script."""


class Gleaner(Way):
    """`call_llm`, and nothing else."""

    def __init__(self) -> None:
        import django

        django.setup()

    def call(self, prompt: str) -> str:
        from capture_app import call_llm

        return str(call_llm(prompt, task="survival", model=MODEL, training_metadata={}).example_id)

    async def stream(self, prompt: str, send: Send) -> None:
        from capture_app import acall_llm

        pieces = await acall_llm(prompt, task="survival", model=MODEL, stream=True, training_metadata={})
        sent = 0
        try:
            async with pieces:
                async for delta in pieces:
                    await send(delta.text)
                    sent += 1
        finally:
            if sent:
                acknowledge(str(pieces.response.example_id))


class OpenTelemetry(Way):
    """One span for each call, through BatchSpanProcessor and OTLP over HTTP, all with their defaults."""

    def __init__(self, *, hook: bool) -> None:
        # What a module says at its top: only the set-up itself may wait for the fork.
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        def set_up() -> None:
            provider = TracerProvider()
            provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
            trace.set_tracer_provider(provider)

        self._after_fork = set_up if hook else None
        if not hook:
            set_up()

    def after_fork(self) -> None:
        if self._after_fork:
            self._after_fork()

    def call(self, prompt: str) -> str:
        with _tracer().start_as_current_span(f"chat {MODEL}") as span:
            span.set_attribute("gen_ai.input.messages", prompt)
            answer = _provider().complete(_request(prompt))
            span.set_attribute("gen_ai.output.messages", answer.text)
        return _span_id(span)

    async def stream(self, prompt: str, send: Send) -> None:
        texts: list[str] = []
        try:
            with _tracer().start_as_current_span(f"chat {MODEL}") as span:
                span.set_attribute("gen_ai.input.messages", prompt)
                try:
                    await _pass_on(_provider().astream(_request(prompt)), send, texts)
                finally:
                    span.set_attribute("gen_ai.output.messages", "".join(texts))
        finally:
            if texts:
                acknowledge(_span_id(span))


class Langfuse(Way):
    """One generation for each call; the client made at import, with its defaults."""

    def __init__(self, *, flush: bool) -> None:
        from langfuse import get_client

        self._flush = flush
        self._client = get_client()

    def call(self, prompt: str) -> str:
        with self._generation(prompt) as generation:
            answer = _provider().complete(_request(prompt))
            generation.update(output=answer.text)
        return str(generation.id)

    async def stream(self, prompt: str, send: Send) -> None:
        texts: list[str] = []
        try:
            with self._generation(prompt) as generation:
                try:
                    await _pass_on(_provider().astream(_request(prompt)), send, texts)
                finally:
                    generation.update(output="".join(texts))
        finally:
            if texts:
                acknowledge(str(generation.id))

    def finish(self) -> None:
        if self._flush:
            self._client.flush()

    def _generation(self, prompt: str) -> Any:
        return self._client.start_as_current_observation(as_type="generation", name="chat", model=MODEL, input=prompt)


_WAYS: Final[dict[str, Callable[[], Way]]] = {
    GLEANER: Gleaner,
    OTEL: lambda: OpenTelemetry(hook=False),
    OTEL_HOOK: lambda: OpenTelemetry(hook=True),
    LANGFUSE: lambda: Langfuse(flush=False),
    LANGFUSE_FLUSH: lambda: Langfuse(flush=True),
}


def way_of_environment() -> Way:
    return _WAYS[os.environ[WAY]]()


def acknowledge(found_as: str) -> None:
    """Write down that a call was answered, before anything else can happen to this process."""
    descriptor = os.open(os.environ[ACKNOWLEDGED], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{found_as}\n".encode())
    os.close(descriptor)


async def _pass_on(deltas: AsyncIterator[StreamDelta], send: Send, texts: list[str]) -> None:
    async with aclosing(deltas):  # type: ignore[type-var]  # an iterator by its type, a generator in fact
        async for delta in deltas:
            await send(delta.text)
            texts.append(delta.text)


@cache
def _provider() -> PacedProvider:
    return PacedProvider(float(os.environ[LATENCY]))


def _request(prompt: str) -> CompletionRequest:
    return CompletionRequest(model=MODEL, messages=[{"role": "user", "content": prompt}])


def _tracer() -> Any:
    from opentelemetry import trace

    return trace.get_tracer(__name__)


def _span_id(span: Any) -> str:
    from opentelemetry.trace import format_span_id

    return format_span_id(span.get_span_context().span_id)
