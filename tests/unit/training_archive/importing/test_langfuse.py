"""Observations as Langfuse's tables, API and buckets give them."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from training_archive.importing.reading import Result

Read = Callable[..., list[Result]]
Write = Callable[..., Path]

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What does it cost?"}]


def observation(**values: Any) -> dict[str, Any]:
    """As the tables export it."""
    return {
        "id": "9f8e7d6c5b4a3f2e",
        "type": "GENERATION",
        "traceId": "t1",
        "name": "price",
        "startTime": "2026-01-01T12:00:00.000Z",
        "endTime": "2026-01-01T12:00:01.500Z",
        "completionStartTime": "2026-01-01T12:00:00.250Z",
        "providedModelName": "gpt-5-mini",
        "modelParameters": {"temperature": 0.2, "max_tokens": None},
        "input": MESSAGES,
        "output": {"role": "assistant", "content": "5 EUR"},
        "usageDetails": {"input": 12, "input_cached_tokens": 8, "output": 3, "output_reasoning_tokens": 2, "total": 25},
        "costDetails": {"total": 0.0005},
        "metadata": {"tier": "pro"},
        "sessionId": "s1",
        "userId": "u1",
        "traceTags": ["x"],
        "tags": ["prod"],
        **values,
    }


def in_a_bucket(record: dict[str, Any]) -> dict[str, Any]:
    """As the export into a bucket spells it: snake case, payloads as text."""
    names = {"startTime": "start_time", "endTime": "end_time", "completionStartTime": "completion_start_time"}
    names |= {"providedModelName": "provided_model_name", "modelParameters": "model_parameters", "traceId": "trace_id"}
    names |= {"usageDetails": "usage_details", "costDetails": "cost_details", "sessionId": "session_id"}
    found = {names.get(name, {"userId": "user_id"}.get(name, name)): value for name, value in record.items()}
    texts = {name: json.dumps(found[name]) for name in ("input", "output", "model_parameters")}
    return {**found, **texts, "start_time": "2026-01-01 12:00:00.000000", "end_time": "2026-01-01 12:00:01.500000"}


def example_of(result: Result) -> Any:
    assert result.example is not None, result.problem or result.skipped
    return result.example


def as_csv(path: Path, record: dict[str, Any]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, record)
        writer.writeheader()
        cells = {name: value if isinstance(value, str) else json.dumps(value) for name, value in record.items()}
        writer.writerow(cells)
    return path


@pytest.mark.parametrize("kind", ["json", "lines", "bucket", "csv", "bucket csv"])
def test_a_generation_is_the_same_example_from_each_kind_of_export(
    read: Read, write_lines: Write, tmp_path: Path, kind: str
) -> None:
    record = in_a_bucket(observation()) if "bucket" in kind else observation()
    if kind.endswith("csv"):
        path = as_csv(tmp_path / "export.csv", record)
    elif kind == "json":
        path = tmp_path / "export.json"
        path.write_text(json.dumps([record], indent=2))
    else:
        path = write_lines(record)

    [result] = read(path)

    found = example_of(result)
    reserved = found.metadata["gleaner"]
    assert (found.system_prompt, found.prompt_text, found.response_strong) == (
        "Be brief.",
        "What does it cost?",
        "5 EUR",
    )
    assert (found.task, found.model_name, found.latency_ms) == ("price", "gpt-5-mini", 1500)
    assert (found.input_tokens, found.output_tokens) == (20, 5)
    assert (reserved["cached_input_tokens"], reserved["reasoning_tokens"], reserved["cost_usd"]) == (8, 2, 0.0005)
    assert (reserved["conversation_id"], reserved["user_id"], found.metadata["tier"]) == ("s1", "u1", "pro")
    assert reserved["parameters"] == {"temperature": 0.2}
    assert found.created_at == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert (reserved["imported_from"]["id"], reserved["imported_from"]["trace_id"]) == ("9f8e7d6c5b4a3f2e", "t1")


def test_what_is_no_generation_is_left_out_and_counted(read: Read, write_lines: Write) -> None:
    results = read(write_lines(observation(type="SPAN"), observation(output=None), observation()))

    assert [result.skipped for result in results] == ["a span, no generation", "a generation without an output", ""]
    assert not [result for result in results if result.problem]


@pytest.mark.parametrize(
    ("given", "prompt"),
    [
        ("What?", "What?"),
        ({"messages": MESSAGES}, "What does it cost?"),
        (MESSAGES[1], "What does it cost?"),
        ({"question": "What?"}, '{"question":"What?"}'),
        ('"quoted"', "quoted"),
        ("{braces but no json", "{braces but no json"),
    ],
)
def test_a_prompt_is_read_in_each_of_its_forms(read: Read, write_lines: Write, given: Any, prompt: str) -> None:
    [result] = read(write_lines(observation(input=given)))

    assert example_of(result).prompt_text == prompt


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ("5 EUR", "5 EUR"),
        ([{"role": "assistant", "content": "5 EUR"}], "5 EUR"),
        ({"choices": [{"message": {"role": "assistant", "content": "5 EUR"}}]}, "5 EUR"),
        ({"price": 5}, '{"price":5}'),
    ],
)
def test_an_answer_is_read_in_each_of_its_forms(read: Read, write_lines: Write, given: Any, answer: str) -> None:
    [result] = read(write_lines(observation(output=given)))

    assert example_of(result).response_strong == answer


def test_tools_and_their_calls_are_kept(read: Read, write_lines: Write) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    definitions = {"add": json.dumps({"description": "Adds", "parameters": json.dumps({"type": "object"})})}
    record = observation(
        output={"role": "assistant", "content": None, "tool_calls": [call]}, toolDefinitions=definitions
    )

    [result] = read(write_lines(record))

    reserved = example_of(result).metadata["gleaner"]
    function = {"name": "add", "description": "Adds", "parameters": {"type": "object"}}
    assert (reserved["tool_calls"], reserved["tools"]) == ([call], [{"type": "function", "function": function}])


def test_a_generation_without_a_prompt_is_refused(read: Read, write_lines: Write) -> None:
    [result] = read(write_lines(observation(input=None)))

    assert result.problem == "it has no prompt"


def test_a_metadata_that_pretends_to_be_ours_is_kept_out_of_our_key(read: Read, write_lines: Write) -> None:
    [result] = read(write_lines(observation(metadata={"gleaner": {"user_id": "x"}, "task": "theirs"})))

    found = example_of(result)
    assert (found.metadata["gleaner"]["user_id"], found.task) == ("u1", "price")
