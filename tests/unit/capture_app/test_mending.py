"""Records that DuckDB refused: what is made of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from capture_app.duckdb_files import duckdb_session
from capture_app.mending import Outcome, make_storable
from tests.unit.capture_app.captured import example

Mend = Callable[..., list[Outcome]]


@pytest.fixture
def mend(tmp_path: Path) -> Iterator[Mend]:
    with duckdb_session(scratch=tmp_path, memory_mb=128) as connection:
        yield lambda *raw: make_storable(connection, tmp_path / "trial.jsonl", raw)


def record(**values: Any) -> dict[str, Any]:
    return {**orjson.loads(example().to_json_line()), **values}


def test_what_can_be_stored_is_left_as_it_is(mend: Mend) -> None:
    line = orjson.dumps(record()) + b" "

    assert mend(line, line) == [Outcome(line), Outcome(line)]


@pytest.mark.parametrize("raw", [b"", b"{torn", b"[]", b'{"task": "x"}', b'{"id": null}', b"\xff\xfe", b"[" * 100_000])
def test_what_nothing_can_be_made_of_has_its_reason(mend: Mend, raw: bytes) -> None:
    good = orjson.dumps(record())

    first, bad, last = mend(good, raw, good)

    assert (first, last) == (Outcome(good), Outcome(good))
    assert bad.line == raw
    assert bad.problem.startswith(("no JSON", "no id"))


def test_lone_surrogates_become_replacement_characters(mend: Mend) -> None:
    line = orjson.dumps(record(prompt_text="?")).replace(b'"?"', b'"\\ud83d?"')

    [outcome] = mend(line)

    assert (outcome.problem, orjson.loads(outcome.line)["prompt_text"]) == ("", "�?")


def test_integers_beyond_json_become_text_in_metadata(mend: Mend) -> None:
    line = orjson.dumps(record(metadata={"n": 7}, input_tokens="x")).replace(b'"n":7', b'"n":' + b"7" * 5000)

    [outcome] = mend(line)

    assert outcome.problem == ""
    assert orjson.loads(outcome.line)["metadata"]["n"] == "7" * 5000


@pytest.mark.parametrize(
    ("column", "value"),
    [("input_tokens", "many"), ("input_tokens", {"a": 1}), ("created_at", "yesterday"), ("latency_ms", 1e300)],
)
def test_what_a_column_cannot_hold_is_kept_in_metadata(mend: Mend, column: str, value: Any) -> None:
    [outcome] = mend(orjson.dumps(record(**{column: value}, metadata={"page": 1, "gleaner": {"user_id": "u"}})))

    found = orjson.loads(outcome.line)
    assert (outcome.problem, found[column]) == ("", None)
    assert found["metadata"] == {"page": 1, "gleaner": {"user_id": "u", "mended": {column: value}}}


def test_metadata_that_is_no_object_is_kept_too(mend: Mend) -> None:
    [outcome] = mend(orjson.dumps(record(input_tokens="many", metadata=[1])))

    kept = {"input_tokens": "many", "metadata": [1]}
    assert orjson.loads(outcome.line)["metadata"] == {"gleaner": {"mended": kept}}


def test_good_values_of_a_mended_record_stay(mend: Mend) -> None:
    moment = "2026-01-01T12:00:00+02:00"
    [outcome] = mend(orjson.dumps(record(input_tokens="many", output_tokens="12", created_at=moment)))

    found = orjson.loads(outcome.line)
    assert (found["output_tokens"], found["created_at"]) == (12, "2026-01-01T10:00:00")
