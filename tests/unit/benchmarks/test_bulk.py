"""The examples that benchmarks make by the million are what capture would have recorded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from benchmarks.bulk import Bulk, bulk_session
from benchmarks.corpus import calls
from capture_app.example import COLUMNS, prompt_hash

ROWS = 2_000
LINE_BYTES = 4096


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bulk")


@pytest.fixture(scope="module")
def bulk(folder: Path) -> Iterator[Bulk]:
    with bulk_session(folder) as found:
        yield found


@pytest.fixture(scope="module")
def records(bulk: Bulk, folder: Path) -> list[dict[str, Any]]:
    bulk.write_json_lines(folder / "lines.jsonl", ROWS)
    return [orjson.loads(line) for line in (folder / "lines.jsonl").read_bytes().splitlines()]


def test_they_have_the_columns_and_the_keys_of_captured_ones(records: list[dict[str, Any]]) -> None:
    [captured] = [call.record() for call in calls(1)]

    assert list(records[0]) == list(COLUMNS)
    assert list(records[0]["metadata"]["gleaner"]) == list(captured["metadata"]["gleaner"])
    assert records[0]["slot_specs"] == captured["slot_specs"]


def test_they_are_about_as_large_as_the_other_benchmarks_records(records: list[dict[str, Any]]) -> None:
    average = sum(len(orjson.dumps(record)) for record in records) / ROWS

    assert abs(average - LINE_BYTES) < 0.05 * LINE_BYTES


def test_their_ids_are_unique_and_in_the_order_of_their_times(records: list[dict[str, Any]]) -> None:
    ids = [record["id"] for record in sorted(records, key=lambda record: record["created_at"])]

    assert len(set(ids)) == ROWS
    assert ids == sorted(ids)


def test_their_prompt_hash_is_that_of_capture(records: list[dict[str, Any]]) -> None:
    for record in records[:100]:
        assert record["prompt_hash"] == prompt_hash(record["system_prompt"], record["prompt_text"])


def test_one_prompt_in_ten_is_asked_again(records: list[dict[str, Any]]) -> None:
    repeated = ROWS - len({record["prompt_hash"] for record in records})

    assert 0.07 < repeated / ROWS < 0.13


def test_the_same_number_is_the_same_example_each_time(bulk: Bulk, folder: Path, records: list[dict[str, Any]]) -> None:
    bulk.write_json_lines(folder / "again.jsonl", 10)
    again = [orjson.loads(line) for line in (folder / "again.jsonl").read_bytes().splitlines()]

    assert {record["id"]: record for record in again}.items() <= {record["id"]: record for record in records}.items()
