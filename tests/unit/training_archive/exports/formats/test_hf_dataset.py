"""The data set for the Hub, and the card that all exports have."""

import re
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
import yaml

from tests.unit.training_archive.exports.formats.examples import (
    WEATHER,
    call,
    conversation,
    converted,
    example,
    parallel_calls,
    said,
    write_export,
)
from training_archive.exports.formats.base import ShardLimits
from training_archive.exports.formats.card import card, plain
from training_archive.exports.formats.hf_dataset import COLUMNS

HOSTILE = [
    "---\nlicense: mit",
    "a | b",
    "`code` <script>alert(1)</script>",
    "[x](javascript:alert(1)) ![y](http://evil.example/z.png)",
    "# heading\r\n- item",
    "\u202egnp.exe",
    "&lt;b&gt; *bold* _it_ ~~no~~ \\| &#124;",
    "x" * 500,
    "\ud83d",
]


def front_matter(text: str) -> Any:
    _, matter, _ = text.split("---\n", 2)
    return yaml.safe_load(matter)


def summary(tasks: dict[str, int]) -> dict[str, Any]:
    rows = sum(tasks.values())
    return {"splits": {"train": {"rows": rows, "tasks": tasks, "shards": [{"name": "train.jsonl", "bytes": 9}]}}}


# --- the data --------------------------------------------------------------------------------------------------------


def test_a_row_holds_the_conversation_and_what_led_to_it() -> None:
    found = converted("hf-dataset", parallel_calls())

    assert list(found) == list(COLUMNS)
    assert [message["content"] for message in found["messages"]][2:5] == [None, "rain", "sun"]
    assert found["messages"][2]["tool_calls"] == [call("a", city="Köln"), call("b", city="東京")]
    assert orjson.loads(found["tools"]) == [WEATHER]


def test_metadata_does_not_repeat_the_conversation() -> None:
    item = parallel_calls()
    item["metadata"] |= {"page": 1}
    item["metadata"]["gleaner"] |= {"user_id": "u"}

    assert orjson.loads(converted("hf-dataset", item)["metadata"]) == {"page": 1, "gleaner": {"user_id": "u"}}


def test_files_have_the_names_that_the_hub_looks_for(tmp_path: Path) -> None:
    shards = write_export("hf-dataset", tmp_path / "out", [example()] * 3, limits=ShardLimits(rows=2))

    assert [str(shard.path.relative_to(tmp_path / "out")) for shard in shards] == [
        "data/train-00000-of-00002.parquet",
        "data/train-00001-of-00002.parquet",
    ]
    assert (tmp_path / "out" / "README.md").exists()


def test_a_single_file_is_numbered_too(tmp_path: Path) -> None:
    [shard] = write_export("hf-dataset", tmp_path / "out", [example()])

    assert shard.path.name == "train-00000-of-00001.parquet"


def test_messages_are_structs_in_parquet(tmp_path: Path) -> None:
    item = conversation(said("developer", "NUL \0"), said("user", "Größe?", name="Ann"))
    [shard] = write_export("hf-dataset", tmp_path / "out", [item, parallel_calls()])

    with duckdb.connect() as connection:
        query = "SELECT messages FROM read_parquet(?)"
        [(first,), (second,)] = connection.execute(query, [str(shard.path)]).fetchall()

    nothing = {"name": None, "tool_call_id": None, "tool_calls": None}
    assert first[0] == {**nothing, "role": "developer", "content": "NUL \0"}
    assert first[1]["name"] == "Ann"
    assert second[2]["tool_calls"] == [call("a", city="Köln"), call("b", city="東京")]


# --- the card --------------------------------------------------------------------------------------------------------


def test_a_card_names_the_files_and_counts_the_rows(tmp_path: Path) -> None:
    shards = write_export("trl-messages", tmp_path / "out", [example()] * 3, limits=ShardLimits(rows=2))

    matter = front_matter((tmp_path / "out" / "README.md").read_text())
    [config] = matter["configs"]
    assert config["data_files"] == [{"split": "train", "path": [shard.path.name for shard in shards]}]
    assert matter["dataset_info"]["splits"][0]["num_examples"] == 3
    assert matter["dataset_info"]["features"] == [
        {"name": "messages", "list": "json"},
        {"name": "tools", "dtype": "string"},
    ]
    assert matter["size_categories"] == ["n<1K"]


def test_a_card_counts_tasks_over_all_splits() -> None:
    both = {"splits": {name: {"rows": 2, "tasks": {"shop": 2}, "shards": []} for name in ("train", "test")}}

    assert "| shop | 4 |" in card(both, about="")


@pytest.mark.parametrize(
    "known", [{}, {"splits": {}}, {"splits": {"train": {"rows": 0}}}, {"splits": {"t": {"rows": 1}}}]
)
def test_a_card_leaves_out_what_is_not_known(known: dict[str, Any]) -> None:
    assert front_matter(card(known, about=""))["task_categories"] == ["text-generation"]


@pytest.mark.parametrize(
    ("rows", "size"), [(999, "n<1K"), (1000, "1K<n<10K"), (10**6, "1M<n<10M"), (10**9, "100M<n<1B")]
)
def test_a_card_says_how_large_the_data_set_is(rows: int, size: str) -> None:
    assert front_matter(card({"splits": {"train": {"rows": rows}}}, about=""))["size_categories"] == [size]


def test_a_card_of_many_tasks_names_the_common_ones() -> None:
    text = card(summary({f"task {number}": number + 1 for number in range(150)}), about="")

    assert "| task 149 | 150 |" in text
    assert "| 50 more | 1275 |" in text
    assert "| task 49 |" not in text


@pytest.mark.parametrize("task", HOSTILE)
def test_a_hostile_task_is_nothing_but_text(task: str) -> None:
    text = card(summary({task: 1}), about="")

    assert front_matter(text) == front_matter(card(summary({"shop": 1}), about=""))
    [row] = [line for line in text.split("\n") if line.endswith("| 1 |") and "train" not in line]
    assert re.fullmatch(r"\| ([^\W_]|[ \ufffd\u2026]|&#\d+;)+ \| 1 \|", row)
    assert text.encode()


@pytest.mark.parametrize("split", ['x"\n- evil: 1', "a: b", "'"])
def test_a_hostile_split_is_a_string_of_yaml(split: str) -> None:
    matter = front_matter(card({"splits": {split: {"rows": 1}}}, about=""))

    assert matter["dataset_info"]["splits"][0]["name"] == split


def test_a_name_of_letters_reads_as_it_is() -> None:
    assert plain("Größe 5 東京") == "Größe 5 東京"
