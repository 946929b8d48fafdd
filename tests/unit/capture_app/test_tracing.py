"""Spans of OpenTelemetry: one per call, named as its GenAI conventions have it, and never a word of the content."""

import asyncio
import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from capture_app import acall_llm, call_llm, tracing
from capture_app.providers.base import StreamDelta
from tests.unit.capture_app.captured import only_record
from tests.unit.capture_app.fake_providers import ServiceDown, scripted

ROOT = Path(__file__).resolve().parents[3]
SECRET = "ann@example.org"
PIECES = (
    StreamDelta(model="scripted-1-2026", response_id="r-1"),
    StreamDelta(text=SECRET),
    StreamDelta(
        finish_reason="stop", input_tokens=9, output_tokens=3, cached_input_tokens=4, reasoning_tokens=2, request_id="q"
    ),
)


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """The real SDK, but not as the process's provider: that could never be taken back."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("gleaner"))
    yield exporter
    provider.shutdown()


@pytest.fixture
def answering(capture: Callable[..., None]) -> None:
    capture(**scripted(*PIECES))


def only_span(exporter: InMemorySpanExporter) -> ReadableSpan:
    [span] = exporter.get_finished_spans()
    return span


def attributes(exporter: InMemorySpanExporter) -> dict[str, Any]:
    return dict(only_span(exporter).attributes or {})


@pytest.mark.usefixtures("answering")
def test_a_call_is_a_span_as_the_conventions_have_it(exporter: InMemorySpanExporter) -> None:
    response = call_llm(
        "x", parameters={"temperature": 0.5, "max_tokens": 7, "seed": 1, "top_p": 1}, training_metadata={}
    )

    span = only_span(exporter)
    assert (span.name, span.kind, span.status.status_code) == ("chat scripted-1", SpanKind.CLIENT, StatusCode.UNSET)
    assert span.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "scripted",
        "gen_ai.request.model": "scripted-1",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 7,
        "gen_ai.request.seed": 1,
        "gen_ai.request.top_p": 1,
        "gen_ai.response.model": "scripted-1-2026",
        "gen_ai.response.id": "r-1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "gleaner.example.id": response.example_id,
    }
    assert not span.events


@pytest.mark.usefixtures("answering")
def test_a_call_that_is_not_captured_is_a_span_too(exporter: InMemorySpanExporter) -> None:
    call_llm("x")

    assert "gleaner.example.id" not in attributes(exporter)


@pytest.mark.usefixtures("answering")
def test_no_content_is_in_a_span(exporter: InMemorySpanExporter) -> None:
    call_llm(
        messages=[{"role": "system", "content": SECRET}, {"role": "user", "content": SECRET}],
        tools=[{"type": "function", "function": {"name": SECRET}}],
        parameters={"user": SECRET, "stop": [SECRET], "temperature": SECRET, "seed": [SECRET]},
        response_format={"type": SECRET},
        training_metadata={"user_id": SECRET, SECRET: SECRET, "task": SECRET},
    )

    assert SECRET not in only_span(exporter).to_json()


def test_an_error_is_its_kind_only(exporter: InMemorySpanExporter, capture: Callable[..., None]) -> None:
    capture(**scripted(error=ServiceDown(SECRET)))

    with pytest.raises(ServiceDown):
        call_llm(SECRET, training_metadata={})

    span = only_span(exporter)
    assert span.status.status_code is StatusCode.ERROR
    assert attributes(exporter)["error.type"] == "ServiceDown"
    assert SECRET not in span.to_json()


async def test_an_awaited_error_is_its_kind_only(exporter: InMemorySpanExporter, capture: Callable[..., None]) -> None:
    capture(**scripted(error=ServiceDown(SECRET)))

    with pytest.raises(ServiceDown):
        await acall_llm(SECRET)

    assert attributes(exporter)["error.type"] == "ServiceDown"
    assert SECRET not in only_span(exporter).to_json()


@pytest.mark.usefixtures("answering")
def test_a_stream_is_one_span_that_ends_with_it(exporter: InMemorySpanExporter) -> None:
    stream = call_llm("x", stream=True, training_metadata={})
    next(stream)
    assert exporter.get_finished_spans() == ()

    list(stream)
    stream.close()

    found = attributes(exporter)
    assert found["gen_ai.usage.input_tokens"] == 9
    assert 0 <= found["gen_ai.response.time_to_first_chunk"] < 60
    assert found["gleaner.example.id"] == only_record()["id"]


@pytest.mark.usefixtures("answering")
async def test_an_awaited_stream_is_one_span(exporter: InMemorySpanExporter) -> None:
    _ = [delta async for delta in await acall_llm("x", stream=True)]

    assert attributes(exporter)["gen_ai.usage.output_tokens"] == 3


@pytest.mark.usefixtures("answering")
@pytest.mark.parametrize("read", [0, 1, 2])
def test_a_stream_that_is_dropped_is_one_span(exporter: InMemorySpanExporter, read: int) -> None:
    stream = call_llm("x", stream=True, training_metadata={})
    for _ in range(read):
        next(stream)
    del stream
    gc.collect()

    assert only_span(exporter).end_time


def test_a_stream_that_fails_is_one_span_in_error(exporter: InMemorySpanExporter, capture: Callable[..., None]) -> None:
    capture(**scripted(*PIECES[:2], error=ServiceDown(SECRET)))

    stream = call_llm(SECRET, stream=True, training_metadata={})
    with pytest.raises(ServiceDown):
        list(stream)
    del stream
    gc.collect()

    assert attributes(exporter)["error.type"] == "ServiceDown"
    assert SECRET not in only_span(exporter).to_json()


@pytest.mark.usefixtures("answering")
def test_spans_can_be_switched_off(exporter: InMemorySpanExporter, capture: Callable[..., None]) -> None:
    capture(**scripted(*PIECES), SPANS=False)

    call_llm("x", training_metadata={})
    list(call_llm("x", stream=True))

    assert exporter.get_finished_spans() == ()


@pytest.mark.usefixtures("answering")
def test_a_call_is_a_child_of_what_surrounds_it(exporter: InMemorySpanExporter) -> None:
    tracer = tracing._tracer
    with tracer.start_as_current_span("request") as request:
        call_llm("x")
        list(call_llm("x", stream=True))

    first, second, _ = exporter.get_finished_spans()
    parents = [span.parent.span_id for span in (first, second) if span.parent]
    assert parents == [request.get_span_context().span_id] * 2


class TracedProvider:
    """Says which span it is asked in, as an instrumented HTTP client would."""

    def complete(self, request: Any) -> Any:
        from capture_app.providers.base import Completion

        return Completion(text=_current_span(), model="traced")

    async def acomplete(self, request: Any) -> Any:
        await asyncio.sleep(0)
        return self.complete(request)

    def stream(self, request: Any) -> Iterator[StreamDelta]:
        yield StreamDelta(text=_current_span(), finish_reason="stop")

    async def astream(self, request: Any) -> Any:
        yield StreamDelta(text=_current_span(), finish_reason="stop")


def _current_span() -> str:
    return f"{trace.get_current_span().get_span_context().span_id:x}"


@pytest.fixture
def traced(capture: Callable[..., None]) -> None:
    capture(
        PROVIDERS={"traced": {"BACKEND": f"{__name__}.TracedProvider"}},
        DEFAULT_PROVIDER="traced",
        DEFAULT_MODEL="traced",
    )


@pytest.mark.usefixtures("traced")
async def test_what_the_provider_does_is_within_the_span(exporter: InMemorySpanExporter) -> None:
    answers = [
        call_llm("x").text,
        (await acall_llm("x")).text,
        "".join(delta.text for delta in call_llm("x", stream=True)),
        "".join([delta.text async for delta in await acall_llm("x", stream=True)]),
    ]

    assert answers == [f"{span.context.span_id:x}" for span in exporter.get_finished_spans() if span.context]
    assert not trace.get_current_span().is_recording()


@pytest.mark.usefixtures("answering")
async def test_calls_at_once_are_spans_of_their_own(exporter: InMemorySpanExporter) -> None:
    await asyncio.gather(*(acall_llm(f"Question {number}") for number in range(10)))

    assert len({span.context.span_id for span in exporter.get_finished_spans() if span.context}) == 10


def test_a_capture_failure_is_no_error_of_the_call(
    exporter: InMemorySpanExporter, broken_spool: Path, capture: Callable[..., None]
) -> None:
    capture(**scripted(*PIECES))

    call_llm("x", training_metadata={})

    assert only_span(exporter).status.status_code is StatusCode.UNSET


def test_odd_figures_of_a_provider_break_no_call(exporter: InMemorySpanExporter, capture: Callable[..., None]) -> None:
    odd: Any = {"model": {"a": 1}, "finish_reason": ["stop"], "response_id": object(), "input_tokens": "9"}
    capture(**scripted(StreamDelta(text="12 EUR", **odd)))

    assert call_llm("x", parameters={"temperature": None, "seed": True}).text == "12 EUR"
    assert only_span(exporter).end_time


class BrokenTracer:
    """As an SDK that was set up wrongly."""

    def start_span(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("no exporter")


def test_a_tracer_that_fails_breaks_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_tracer", BrokenTracer())

    assert call_llm("x", training_metadata={}).example_id == only_record()["id"]


class BrokenProcessor(SpanProcessor):
    """A project's own, with a fault."""

    def __init__(self, *, at_start: bool) -> None:
        self._at_start = at_start

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        if self._at_start:
            raise RuntimeError("no exporter")

    def on_end(self, span: ReadableSpan) -> None:
        raise RuntimeError("no exporter")


@pytest.fixture(params=[True, False], ids=["at the start", "at the end"])
def broken_processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = TracerProvider()
    provider.add_span_processor(BrokenProcessor(at_start=request.param))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("gleaner"))


@pytest.mark.usefixtures("answering", "broken_processor")
def test_a_processor_that_fails_breaks_no_call() -> None:
    assert call_llm("x", training_metadata={}).text == SECRET
    assert only_record()["response_strong"] == SECRET


@pytest.mark.usefixtures("answering", "broken_processor")
def test_a_processor_that_fails_breaks_no_stream() -> None:
    stream = call_llm("x", stream=True, training_metadata={})

    assert "".join(delta.text for delta in stream) == SECRET
    assert only_record()["id"] == stream.response.example_id


@pytest.mark.usefixtures("broken_processor")
def test_a_processor_that_fails_hides_no_error_of_the_provider(capture: Callable[..., None]) -> None:
    capture(**scripted(error=ServiceDown("try later")))

    with pytest.raises(ServiceDown):
        call_llm("x")


# --- In processes of their own -----------------------------------------------------------------------------------

DJANGO = """
import django
from django.conf import settings
settings.configure(
    TRAINING_CAPTURE={{"DATA_DIR": {data_dir!r}, "DEFAULT_PROVIDER": "offline"}},
    SECRET_KEY="x",
    INSTALLED_APPS=["capture_app"],
)
django.setup()
from capture_app import call_llm
"""
LATE = """
assert call_llm("x", training_metadata={}).example_id
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
import time
time.sleep(1.1)
assert call_llm("x", training_metadata={}).example_id
print([span.name for span in exporter.get_finished_spans()])
"""
BLOCKED = """
import importlib.abc, sys
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocker())
"""
WITHOUT = """
from capture_app import acall_llm
import asyncio
assert call_llm("x", training_metadata={}).example_id
list(call_llm("x", stream=True, training_metadata={}))
asyncio.run(acall_llm("x", training_metadata={}))
print(any(name.startswith("opentelemetry") for name in sys.modules))
"""


def run(code: str) -> str:
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


def test_a_provider_that_is_set_up_after_the_first_call_is_noticed(data_dir: Path) -> None:
    assert run(DJANGO.format(data_dir=str(data_dir)) + LATE) == "['chat ']"


def test_without_opentelemetry_calls_are_recorded(data_dir: Path) -> None:
    assert run(BLOCKED + DJANGO.format(data_dir=str(data_dir)) + WITHOUT) == "False"


# What `import capture_app` may not bring: it runs in every process, and each of these costs it time and memory.
HEAVY = (
    "openai",
    "duckdb",
    "opentelemetry.sdk",
    "celery",
    "prometheus_client",
    "redis",
    "any_llm",
    "httpx",
    "pydantic",
)
IMPORTS = """
import capture_app, sys
print(sorted(set(name for name in {heavy!r} if name in sys.modules)))
"""


def test_importing_the_package_brings_nothing_heavy() -> None:
    assert run(IMPORTS.format(heavy=HEAVY)) == "[]"


def test_instrument_needs_no_sdk_to_be_imported(data_dir: Path) -> None:
    code = DJANGO.format(data_dir=str(data_dir)) + "from capture_app import instrument\nimport sys\n"

    assert run(code + "print('openai' in sys.modules)") == "False"


def test_a_call_that_is_answered_offline_brings_nothing_heavy(data_dir: Path) -> None:
    code = DJANGO.format(data_dir=str(data_dir)) + 'call_llm("x", training_metadata={})\n'

    assert run(code + IMPORTS.format(heavy=HEAVY)) == "[]"
