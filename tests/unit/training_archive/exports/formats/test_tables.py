"""CSV, Parquet and the consumer of extracted data: the fifteen columns."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture_app.example import COLUMNS
from tests.unit.training_archive.exports.formats.examples import converted, example, write_export
from training_archive.exports.formats import get_format
from training_archive.exports.formats.base import Refused, ShardLimits

NOWHERE = Path("/nowhere")


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def parquet_rows(path: Path) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        found = connection.execute("FROM read_parquet(?)", [str(path)])
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


# --- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["csv", "parquet", "extraction", "hf-dataset"])
@pytest.mark.parametrize(
    "columns",
    [
        {"task": 5},
        {"provider": ["x"]},
        {"input_tokens": "8"},
        {"input_tokens": True},
        {"latency_ms": 2**63},
        {"slot_specs": []},
        {"created_at": "2026-01-02"},
        {"created_at": datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))},
    ],
)
def test_a_column_of_another_type_is_refused(name: str, columns: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="a column is not of its type"):
        get_format(name, data_dir=NOWHERE).convert(example(**columns))


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_a_table_keeps_partial_and_empty_answers(tmp_path: Path, name: str) -> None:
    [shard] = write_export(name, tmp_path / "out", [example(gleaner={"partial": True}), example(response_strong="")])

    assert shard.rows == 2


# --- csv -------------------------------------------------------------------------------------------------------------


def test_a_csv_file_has_the_fifteen_columns(tmp_path: Path) -> None:
    [shard] = write_export("csv", tmp_path / "out", [example()])

    [row] = read_csv(shard.path)
    assert list(row) == list(COLUMNS)
    assert row["created_at"] == "2026-01-02T03:04:05.000006Z"
    assert (row["input_tokens"], row["slot_specs"]) == ("8", '{"price":"exact"}')


def test_a_null_is_an_empty_cell(tmp_path: Path) -> None:
    [shard] = write_export("csv", tmp_path / "out", [example(input_tokens=None, system_prompt=None, created_at=None)])

    [row] = read_csv(shard.path)
    assert (row["input_tokens"], row["system_prompt"], row["created_at"]) == ("", "", "")


@pytest.mark.parametrize(
    "text", ['say "so"', "a,b", "one\ntwo\r\nthree\rfour", "Größe: 東京 \u2028", "a\\b", "x" * 100_000]
)
def test_a_csv_cell_comes_back_as_it_was(tmp_path: Path, text: str) -> None:
    [shard] = write_export("csv", tmp_path / "out", [example(prompt_text=text)])

    assert [row["prompt_text"] for row in read_csv(shard.path)] == [text]


FULL_WIDTH = ["\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", "\u22121", "\ufe66a"]
HIDDEN = [" =1+1", "\ufeff=1", "\u200b=1", "\tx", "\rx", "\nx"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", *HIDDEN, *FULL_WIDTH])
def test_a_cell_that_may_be_a_formula_has_an_apostrophe_in_front(tmp_path: Path, text: str) -> None:
    [shard] = write_export("csv", tmp_path / "out", [example(prompt_text=text)])

    assert [row["prompt_text"] for row in read_csv(shard.path)] == [f"'{text}"]


@given(text=st.text(alphabet="'=-+@ \t\r\nab"))
def test_a_cell_is_safe_and_can_be_made_again(text: str) -> None:
    record = get_format("csv", data_dir=NOWHERE).convert(example(prompt_text=text))

    [row] = csv.reader(io.StringIO(record.line.decode(), newline=""), strict=True)
    assert not re.match(r"\s*[=+\-@]|[\t\r\n]", row[2])
    assert re.sub(r"^'(?='*(\s*[=+\-@]|[\t\r\n]))", "", row[2]) == text


def test_changed_cells_are_counted(tmp_path: Path) -> None:
    kind = get_format("csv", data_dir=NOWHERE)
    with kind.open(tmp_path, "train", ShardLimits(), tmp_path) as writer:
        writer.write(kind.convert(example(prompt_text="=1", response_strong="-1", task="a\0b")))
        writer.write(kind.convert(example()))
        [shard] = writer.close()

    assert sorted(writer.changes().values()) == [1, 2]
    assert read_csv(shard.path)[0]["task"] == "a\ufffdb"


def test_a_csv_file_in_which_nothing_was_changed_says_so(tmp_path: Path) -> None:
    kind = get_format("csv", data_dir=NOWHERE)
    with kind.open(tmp_path, "train", ShardLimits(), tmp_path) as writer:
        writer.write(kind.convert(example()))

    assert writer.changes() == {}
    assert list(tmp_path.iterdir()) == []  # closed by nobody


def test_a_lone_surrogate_in_a_cell_is_replaced(tmp_path: Path) -> None:
    [shard] = write_export("csv", tmp_path / "out", [example(prompt_text="a \ud83d b")])

    assert [row["prompt_text"] for row in read_csv(shard.path)] == ["a \ufffd b"]


# --- parquet ---------------------------------------------------------------------------------------------------------


def test_a_parquet_file_gives_the_columns_back(tmp_path: Path) -> None:
    item = example(prompt_text="NUL \0, \u2028, 東京", metadata={"deep": {"list": [1, None]}})
    [shard] = write_export("parquet", tmp_path / "out", [item])

    [row] = parquet_rows(shard.path)
    assert orjson.loads(row.pop("metadata")) == item.pop("metadata")
    assert orjson.loads(row.pop("slot_specs")) == item.pop("slot_specs")
    assert row == {**item, "created_at": datetime(2026, 1, 2, 3, 4, 5, 6)}  # in UTC


def test_a_time_elsewhere_is_written_in_utc(tmp_path: Path) -> None:
    noon = datetime(2026, 1, 2, 12, tzinfo=timezone(timedelta(hours=2)))
    [shard] = write_export("parquet", tmp_path / "out", [example(created_at=noon), example(created_at=None)])

    assert [row["created_at"] for row in parquet_rows(shard.path)] == [datetime(2026, 1, 2, 10), None]


def test_a_parquet_file_keeps_the_order(tmp_path: Path) -> None:
    items = [example(id=str(number)) for number in range(5000)]
    [shard] = write_export("parquet", tmp_path / "out", items)

    assert [row["id"] for row in parquet_rows(shard.path)] == [item["id"] for item in items]


def test_a_record_larger_than_duckdb_expects_is_written(tmp_path: Path) -> None:
    [shard] = write_export("parquet", tmp_path / "out", [example(prompt_text="x" * (17 * 2**20)), example()])

    assert [len(row["prompt_text"]) for row in parquet_rows(shard.path)] == [17 * 2**20, 18]


def test_parquet_shards_are_numbered(tmp_path: Path) -> None:
    shards = write_export("parquet", tmp_path / "out", [example()] * 3, limits=ShardLimits(rows=2))

    assert [shard.path.name for shard in shards] == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
    assert [len(parquet_rows(shard.path)) for shard in shards] == [2, 1]
    assert list((tmp_path / "out scratch").iterdir()) == []


# --- extraction ------------------------------------------------------------------------------------------------------


def test_extraction_has_the_columns_and_a_decoded_answer() -> None:
    item = example(metadata={"page_type": "product"})

    assert converted("extraction", item) == {
        **item,
        "created_at": "2026-01-02T03:04:05.000006",
        "response_strong": {"price": 5},
    }


@pytest.mark.parametrize("text", ["YES", "NaN", "{'price': 5}", "[" * 100_000])
def test_an_answer_that_is_no_json_stays_text(text: str) -> None:
    assert converted("extraction", example(response_strong=text))["response_strong"] == text


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (example(), "shop"),
        (example(task="", metadata={"task": "own"}), "own"),
        (example(task=None, metadata={"page_type": "product"}), "product"),
        (example(task=None, page_type="nav", metadata={"page_type": "product"}), "nav"),
        (example(task="", metadata={"task": 5}), "generic"),
    ],
)
def test_an_example_without_a_task_has_the_one_that_it_had_elsewhere(item: dict[str, Any], expected: str) -> None:
    assert converted("extraction", item)["task"] == expected


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (example(prompt_text=" "), "the prompt is empty"),
        (example(prompt_text=None), "the prompt is empty"),
        (example(response_strong=""), "the answer is empty"),
        (example(gleaner={"partial": True}), "the answer is partial"),
    ],
)
def test_extraction_refuses_what_it_would_skip(item: dict[str, Any], expected: str) -> None:
    with pytest.raises(Refused, match=expected):
        converted("extraction", item)


def test_extraction_learns_from_the_correction() -> None:
    assert converted("extraction", example(metadata={"correction": '{"price": 6}'}))["response_strong"] == {"price": 6}


def test_extraction_writes_no_card(tmp_path: Path) -> None:
    write_export("extraction", tmp_path / "out", [example()])

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["train.jsonl"]


def test_a_time_without_a_zone_is_taken_for_utc() -> None:
    found = [converted("extraction", example(created_at=datetime(2026, 1, 2, tzinfo=zone))) for zone in (None, UTC)]

    assert found[0] == found[1]
