"""Ways to record one call. Each is a context manager: in a fresh folder, it yields what is to be timed.

What is timed takes a Step: the call as its caller sees it, and the same call as the record that results from it.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
from langfuse import Langfuse
from opentelemetry.sdk.trace import TracerProvider

from benchmarks import naive
from benchmarks.corpus import Call
from benchmarks.otlp_stub import OtlpStub
from benchmarks.site import site
from capture_app import call_llm, record_example
from capture_app.example import COLUMNS
from capture_app.inbox import get_inbox
from capture_app.providers import get_provider
from capture_app.providers.base import CompletionRequest


@dataclass(frozen=True, slots=True)
class Step:
    call: Call
    record: dict[str, Any]


Record = Callable[[Step], object]
Way = Callable[[Path, Sequence[Step]], AbstractContextManager[Record]]


@contextmanager
def _site(folder: Path, steps: Sequence[Step], **capture: Any) -> Iterator[None]:
    answers = [step.call.completion for step in steps]
    instant = {"BACKEND": "benchmarks.instant.InstantProvider", "OPTIONS": {"answers": answers}}
    with site(folder, PROVIDERS={"instant": instant}, **capture):
        yield


@contextmanager
def captured(folder: Path, steps: Sequence[Step], *, fsync: bool = False) -> Iterator[Record]:
    """call_llm, capturing."""

    def record(step: Step) -> None:
        call = step.call
        call_llm(
            call.prompt,
            system_prompt=call.system_prompt,
            task=call.task,
            model=call.model,
            training_metadata=call.training_metadata,
        )

    with _site(folder, steps, FSYNC=fsync):
        yield record
        assert get_inbox().depth().bytes, "nothing was captured"


def captured_durably(folder: Path, steps: Sequence[Step]) -> AbstractContextManager[Record]:
    """call_llm, capturing, with an fdatasync for every record."""
    return captured(folder, steps, fsync=True)


@contextmanager
def not_captured(folder: Path, steps: Sequence[Step]) -> Iterator[Record]:
    """call_llm with training_metadata=None."""

    def record(step: Step) -> None:
        call = step.call
        call_llm(call.prompt, system_prompt=call.system_prompt, task=call.task, model=call.model)

    with _site(folder, steps):
        yield record


@contextmanager
def provider_alone(folder: Path, steps: Sequence[Step]) -> Iterator[Record]:
    """What the instant provider itself costs, and the clock around it."""
    request = CompletionRequest(model="", messages=[])
    with _site(folder, steps):
        complete = get_provider("instant").complete
        yield lambda step: complete(request)


@contextmanager
def recorded(folder: Path, steps: Sequence[Step]) -> Iterator[Record]:
    """record_example, for calls that other code made."""

    def record(step: Step) -> None:
        call, answer = step.call, step.call.completion
        record_example(
            provider="instant",
            model=call.model,
            prompt=call.prompt,
            system_prompt=call.system_prompt,
            response=answer.text,
            task=call.task,
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
            latency_ms=417,
            finish_reason=answer.finish_reason,
            training_metadata=call.training_metadata,
        )

    with _site(folder, steps):
        yield record
        assert get_inbox().depth().bytes, "nothing was captured"


@contextmanager
def bare_append(folder: Path, steps: Sequence[Step]) -> Iterator[Record]:
    """The finished record as JSON, appended to a file: what no way of keeping it can undercut."""
    descriptor = os.open(folder / "records.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        yield lambda step: os.write(descriptor, orjson.dumps(step.record, option=orjson.OPT_APPEND_NEWLINE))
    finally:
        os.close(descriptor)


@contextmanager
def naive_duckdb(folder: Path, steps: Sequence[Step]) -> Iterator[Record]:
    """FileLock, duckdb.connect, INSERT, close."""
    live = folder / "naive.duckdb"
    naive.make_live(live)
    yield lambda step: naive.insert(live, with_own_id(step.record))


@contextmanager
def sqlite_wal(folder: Path, steps: Sequence[Step]) -> Iterator[Record]:
    """One INSERT and commit in SQLite, WAL, synchronous=NORMAL, on one open connection."""
    connection = sqlite3.connect(folder / "records.sqlite3", isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"CREATE TABLE examples ({', '.join(COLUMNS)}, PRIMARY KEY (id)) WITHOUT ROWID")
        statement = f"INSERT INTO examples VALUES ({', '.join('?' for _ in COLUMNS)})"

        def record(step: Step) -> None:
            row = naive.row_of(with_own_id(step.record))
            row[_CREATED_AT] = row[_CREATED_AT].isoformat(" ")
            connection.execute(statement, row)

        yield record
    finally:
        connection.close()


_CREATED_AT = list(COLUMNS).index("created_at")


def with_own_id(record: dict[str, Any]) -> dict[str, Any]:
    """The steps come round again; a table with a primary key wants another id each time."""
    return {**record, "id": str(uuid4())}


@contextmanager
def langfuse(folder: Path, steps: Sequence[Step], *, stub: OtlpStub) -> Iterator[Record]:
    """A generation of Langfuse's SDK with its default batching, sent to a local server; the flush is not timed."""
    tracer_provider = TracerProvider()
    client = Langfuse(
        public_key=f"pk-{uuid4()}",  # a client of its own: the SDK keeps one per key
        secret_key="sk-benchmark",
        base_url=stub.url,
        tracer_provider=tracer_provider,
    )

    def record(step: Step) -> None:
        call, answer = step.call, step.call.completion
        generation = client.start_observation(
            name=call.task,
            as_type="generation",
            model=call.model,
            input=[{"role": "system", "content": call.system_prompt}, {"role": "user", "content": call.prompt}],
            metadata=call.training_metadata,
        )
        usage = {"input": answer.input_tokens or 0, "output": answer.output_tokens or 0}
        generation.update(output=answer.text, usage_details=usage)
        generation.end()

    try:
        yield record
    finally:
        client.shutdown()
        tracer_provider.shutdown()
