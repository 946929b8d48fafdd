"""Observations that Langfuse exported: from its tables (JSON, JSONL, CSV), its API, or into a bucket (also Parquet).

The first two name fields like `traceId`, the bucket like `trace_id`. Only generations are calls; spans, events and the
rest are counted and left out. An observation of a bucket's older export does not know its session and user.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from capture_app.messages import to_json_text
from training_archive.importing.answered import AnsweredCall, Message, count, mapping, result_of
from training_archive.importing.identity import moment
from training_archive.importing.reading import NotAnExample, Record, Result, Source, Unreadable
from training_archive.importing.rows import rows_of

_CALLS: Final = ("GENERATION",)
_ROLES: Final = frozenset(("system", "developer", "user", "assistant", "tool", "function"))
# What is noted of an observation beside the call itself.
_FACTS: Final = ("trace_id", "trace_name", "environment", "prompt_name", "prompt_version", "level", "tags", "scores")
_PROVIDERS: Final = ("gen_ai.provider.name", "gen_ai.system", "ls_provider")


def is_langfuse(record: Record) -> bool:
    return "type" in record and ("traceId" in record or "trace_id" in record)


def read_langfuse(source: Source) -> Iterator[Result]:
    for row in rows_of(source):
        if row.record is None:
            yield Result(row.place, None, problem=row.problem)
            continue
        try:
            yield result_of(row.place, _call(_Observation(row.record)), source)
        except Unreadable as error:
            yield Result(row.place, None, problem=str(error))
        except NotAnExample as error:
            yield Result(row.place, None, skipped=str(error))


class _Observation:
    """A record whose fields are asked for in one of Langfuse's two spellings."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def get(self, name: str) -> Any:
        """`name` in snake case. JSON inside text, as CSV and buckets have it, is read."""
        value = self._record.get(name)
        value = self._record.get(_camel(name)) if value is None else value
        return _unpacked(value)

    def text(self, name: str) -> str:
        value = self._record.get(name) or self._record.get(_camel(name))
        return value if isinstance(value, str) else ""


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)


def _unpacked(value: Any) -> Any:
    """Text that is a JSON object, list or string as what it is; any other text as text."""
    if not isinstance(value, str) or value[:1] not in ("{", "[", '"'):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def _call(found: _Observation) -> AnsweredCall:
    kind = found.text("type").upper()
    if kind not in _CALLS:
        raise NotAnExample(f"a {kind.lower() or 'record without a type'}, no generation")
    answer = _answer(found.get("output"))
    if not answer:
        raise NotAnExample("a generation without an output")
    prompt = found.get("input")
    metadata = mapping(found.get("metadata"))
    parameters = mapping(found.get("model_parameters"))
    started, ended = moment(found.text("start_time")), moment(found.text("end_time"))
    usage = _usage(found)
    return AnsweredCall(
        messages=_messages(prompt),
        answer=answer,
        provider=next((str(metadata[key]) for key in _PROVIDERS if metadata.get(key)), "unknown"),
        model=found.text("provided_model_name") or found.text("model"),
        source_id=found.text("id") or None,
        content=[prompt, answer],
        created_at=started,
        task=found.text("name") or found.text("trace_name"),
        tools=_tools(prompt, found.get("tool_definitions")),
        parameters={name: value for name, value in parameters.items() if value not in (None, "")},
        input_tokens=_total(usage, "input", "prompt"),
        output_tokens=_total(usage, "output", "completion"),
        cached_input_tokens=_total(usage, "cached", "cache_read"),
        reasoning_tokens=_total(usage, "reasoning"),
        latency_ms=_milliseconds(started, ended),
        time_to_first_token_ms=_milliseconds(started, moment(found.text("completion_start_time"))),
        cost_usd=_cost(found),
        metadata=_own(found, metadata),
        origin={name: value for name in _FACTS if (value := found.get(name))},
    )


def _own(found: _Observation, metadata: Mapping[str, Any]) -> dict[str, Any]:
    ids = {"conversation_id": found.text("session_id"), "user_id": found.text("user_id")}
    # task and slot_specs in there are of another tool, and mean what they mean to it.
    own = {name: value for name, value in metadata.items() if name not in ("task", "slot_specs")}
    return {**own, **{name: value for name, value in ids.items() if value}}


def _messages(prompt: Any) -> list[Message]:
    """The prompt as a conversation, from any of the forms in which integrations hand it over."""
    if isinstance(prompt, Mapping) and isinstance(prompt.get("messages"), list):
        prompt = prompt["messages"]
    elif isinstance(prompt, Mapping) and prompt.get("role") in _ROLES:
        prompt = [prompt]
    if _are_messages(prompt):
        return [dict(message) for message in prompt]
    if prompt in (None, "", [], {}):
        return []
    return [{"role": "user", "content": prompt if isinstance(prompt, str) else to_json_text(prompt)}]


def _are_messages(value: Any) -> bool:
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(item, Mapping) and item.get("role") in _ROLES for item in value)


def _answer(output: Any) -> Message:
    """The answer as a message; {} when there is none."""
    if isinstance(output, Mapping) and isinstance(output.get("choices"), list) and output["choices"]:
        output = mapping(output["choices"][0]).get("message")
    if isinstance(output, list) and len(output) == 1 and _are_messages(output):
        output = output[0]
    if isinstance(output, Mapping) and ("role" in output or output.keys() <= {"content", "tool_calls", "refusal"}):
        return {**output, "role": "assistant"} if output.get("content") or output.get("tool_calls") else {}
    if output in (None, "", [], {}):
        return {}
    return {"role": "assistant", "content": output if isinstance(output, str) else to_json_text(output)}


def _tools(prompt: Any, definitions: Any) -> list[dict[str, Any]]:
    given = mapping(prompt).get("tools") or []
    if isinstance(given, list) and given:
        return [tool for tool in given if isinstance(tool, dict)]
    named = mapping(definitions)
    return [{"type": "function", "function": _definition(name, value)} for name, value in named.items()]


def _definition(name: str, value: Any) -> dict[str, Any]:
    """A bucket's export has each tool as a text of JSON, by its name."""
    found = mapping(_unpacked(value))
    return {"name": name, **{key: _unpacked(fact) for key, fact in found.items()}}


def _usage(found: _Observation) -> Mapping[str, Any]:
    return mapping(found.get("usage_details")) or mapping(found.get("usage"))


def _total(usage: Mapping[str, Any], *words: str) -> int | None:
    """Tokens of a kind: Langfuse keeps cached and reasoning ones apart from the rest, and we within."""
    counts = [count(value) for key, value in usage.items() if any(word in key.lower() for word in words)]
    known = [number for number in counts if number is not None]
    return sum(known) if known else None


def _cost(found: _Observation) -> float | None:
    details = mapping(found.get("cost_details"))
    for value in (found.get("total_cost"), details.get("total"), found.get("calculated_total_cost")):
        try:
            if value not in (None, "") and (cost := float(value)) > 0:
                return cost
        except (TypeError, ValueError):
            continue
    return None


def _milliseconds(start: datetime | None, end: datetime | None) -> int | None:
    if start is None or end is None or end < start:
        return None
    return round((end - start).total_seconds() * 1000)
