"""Every export is loaded by the tool that it is for."""

import base64
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NotRequired

import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import ConfigDict, TypeAdapter
from typing_extensions import TypedDict

from tests.unit.training_archive.exports.formats.examples import (
    PNG,
    WEATHER,
    answer_of_calls,
    call,
    conversation,
    example,
    parallel_calls,
    said,
    with_image,
    write_export,
)
from training_archive.exports.formats import FORMATS
from training_archive.exports.formats.base import Pair, ShardLimits
from training_archive.exports.formats.hf_dataset import COLUMNS as HUB_COLUMNS

HUGE = "A long page. " * 300_000  # 3.9 MB; three of them are more than `datasets` guesses columns from
FORMULA = '=HYPERLINK("https://evil.example")'
ODD = "NUL \0, \u2028, a lone surrogate's \ufffd, \U0001f468\u200d\U0001f469, \r\n \"quotes\", 'x', </script>"

IN_SHARDS = ("trl-prompt-completion", "hf-dataset", "sharegpt")

_LIBRARIES = ("datasets", "pandas", "transformers", "trl")


def holdable() -> dict[str, dict[str, Any]]:
    """What every format but alpaca holds. The tool calls come late, after what columns are guessed from."""
    return {
        "huge 1": example(prompt_text=HUGE),
        "huge 2": example(prompt_text=HUGE),
        "huge 3": example(prompt_text=HUGE),
        "odd": example(prompt_text=ODD, response_strong=ODD, system_prompt=ODD),
        "formula": example(prompt_text=FORMULA, response_strong="- 5 €", task="@SUM(A1)"),
        "turns": conversation(
            said("developer", "Be brief."), said("user", "Hi"), said("assistant", "Yes?"), said("user", "Bye")
        ),
        "parts": conversation(said("user", [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}])),
        "parallel": parallel_calls(),
        "null content": answer_of_calls(call("c", city="Köln")),
        "other arguments": answer_of_calls(call("d", city=7, days=[1, None]), call("e", "other", deep={"x": "y"})),
    }


def pairs() -> list[Pair]:
    return [Pair(good, {**good, "response_strong": "No."}) for good in holdable().values() if not _makes_calls(good)]


def _makes_calls(made: Mapping[str, Any]) -> bool:
    return bool(made["metadata"].get("gleaner", {}).get("tool_calls"))


def items_for(name: str, data_dir: Path) -> list[Any]:
    if FORMATS[name].wants_pairs:
        return pairs()
    items = holdable()
    if name == "alpaca":
        return [items[key] for key in ("huge 1", "huge 2", "huge 3", "odd", "formula", "turns", "parts")]
    if name == "openai-chat":
        return [*items.values(), with_image(data_dir)]
    return list(items.values())


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one export per format, some in several shards, each with files that are no data beside them."""
    data_dir = tmp_path_factory.mktemp("data")
    scratch, folder = tmp_path_factory.mktemp("scratch"), tmp_path_factory.mktemp("exports")
    for name in FORMATS:
        limits = ShardLimits(rows=4 if name in IN_SHARDS else None)
        write_export(name, scratch / name, items_for(name, data_dir), data_dir=data_dir, limits=limits)
        for other in ("manifest.json", "lineage.parquet"):
            (scratch / name / other).write_text("no data")
        (scratch / name).rename(folder / name)
    return folder


@pytest.fixture(scope="module")
def seen(exports: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `load_exports` says of them."""
    for library in _LIBRARIES:
        if importlib.util.find_spec(library) is None:
            (pytest.fail if os.environ.get("REQUIRE_ALL") else pytest.skip)(f"{library} is not installed")
    (exports / "extraction").rename(tmp_path_factory.mktemp("other") / "extraction")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path_factory.mktemp("hub"))}
    command = [sys.executable, "-m", "tests.integration.load_exports", str(exports)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=200)
    assert run.returncode == 0, run.stderr[-4000:]
    loaded: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return loaded


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


# --- the openai SDK's types ------------------------------------------------------------------------------------------


class ChatLine(TypedDict):
    """https://platform.openai.com/docs/api-reference/fine-tuning/chat-input"""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]  # how pydantic wants it, PEP 589 or not

    messages: list[ChatCompletionMessageParam]
    tools: NotRequired[list[ChatCompletionToolParam]]
    parallel_tool_calls: NotRequired[bool]


class PreferenceLine(TypedDict):
    """https://platform.openai.com/docs/api-reference/fine-tuning/preference-input"""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]  # as above

    input: ChatLine
    preferred_output: list[ChatCompletionMessageParam]
    non_preferred_output: list[ChatCompletionMessageParam]


def evaluated(validated: Any) -> Any:
    """With the SDK's iterables read, which pydantic checks only then. A key that the SDK does not know is missing."""
    if isinstance(validated, dict):
        return {key: evaluated(value) for key, value in validated.items()}
    if isinstance(validated, Iterable) and not isinstance(validated, str):
        return [evaluated(value) for value in validated]
    return validated


def test_openai_chat_is_what_the_sdk_declares(exports: Path) -> None:
    records = lines(exports / "openai-chat" / "train.jsonl")

    assert len(records) == 11
    assert evaluated(TypeAdapter(list[ChatLine]).validate_python(records)) == records


def test_openai_preference_is_what_the_sdk_declares(exports: Path) -> None:
    records = lines(exports / "openai-preference" / "train.jsonl")

    assert len(records) == 8
    assert evaluated(TypeAdapter(list[PreferenceLine]).validate_python(records)) == records


# --- datasets.load_dataset -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"extraction"}))
def test_load_dataset_finds_every_row_of_an_export(seen: dict[str, Any], data_dir: Path, name: str) -> None:
    assert len(seen[name]["rows"]) == len(items_for(name, data_dir))


@pytest.mark.parametrize("name", ["trl-messages", "openai-chat"])
def test_load_dataset_gives_the_messages_as_they_are_in_the_lines(
    seen: dict[str, Any], exports: Path, name: str
) -> None:
    written = [record["messages"] for record in lines(exports / name / "train.jsonl")]

    assert [row["messages"] for row in seen[name]["rows"]][3:] == written[3:]  # the first three are huge


def test_load_dataset_gives_tool_arguments_of_any_shape_back(seen: dict[str, Any]) -> None:
    calls = seen["trl-messages"]["rows"][-1]["messages"][-1]["tool_calls"]

    assert [call["function"]["arguments"] for call in calls] == [{"city": 7, "days": [1, None]}, {"deep": {"x": "y"}}]


def test_the_columns_of_a_hub_data_set_are_typed(seen: dict[str, Any]) -> None:
    columns = seen["hf-dataset"]["columns"]

    assert list(columns) == list(HUB_COLUMNS)
    assert columns["created_at"] == "Value('timestamp[us]')"
    assert columns["input_tokens"] == "Value('int64')"
    assert columns["messages"].startswith("List({'role': Value('string'), 'content': Value('string'), ")


def test_a_hub_data_set_holds_calls_and_their_results(seen: dict[str, Any]) -> None:
    [messages] = [row["messages"] for row in seen["hf-dataset"]["rows"] if len(row["messages"]) == 6]

    assert [message["content"] for message in messages[2:5]] == [None, "rain", "sun"]
    assert [json.loads(call["function"]["arguments"]) for call in messages[2]["tool_calls"]] == [
        {"city": "Köln"},
        {"city": "東京"},
    ]
    assert [message["tool_call_id"] for message in messages[3:5]] == ["a", "b"]


def test_an_image_is_in_the_data_set_as_it_was_sent(seen: dict[str, Any]) -> None:
    text, image = seen["openai-chat"]["rows"][-1]["messages"][0]["content"]

    assert text == {"type": "text", "text": "What is this?"}
    assert image["image_url"]["url"] == f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


# --- TRL -------------------------------------------------------------------------------------------------------------

TRL_FORMATS = [name for name in FORMATS if name.startswith("trl-")]


@pytest.mark.parametrize("name", TRL_FORMATS)
def test_trl_takes_each_row_for_a_conversation(seen: dict[str, Any], name: str) -> None:
    assert all(row["conversational"] for row in seen["chat templates"][name])


@pytest.mark.parametrize(("name", "column"), [("trl-messages", "text"), ("trl-prompt-completion", "prompt")])
def test_a_chat_template_shows_tools_calls_and_results(seen: dict[str, Any], name: str, column: str) -> None:
    [text] = [row[column] for row in seen["chat templates"][name] if "<tool_response>" in row[column]]

    assert json.dumps(WEATHER) in text
    assert '<tool_call>\n{"name": "weather", "arguments": {"city": "Köln"}}\n</tool_call>' in text
    assert "<tool_response>\nrain\n</tool_response>\n<tool_response>\nsun\n</tool_response>" in text


def test_a_chat_template_ends_with_the_answer(seen: dict[str, Any]) -> None:
    answers = [row["completion"] for row in seen["chat templates"]["trl-prompt-completion"]]

    assert answers[7] == "Rain in Köln, sun in 東京.<|im_end|>\n"
    assert answers[8].startswith('<tool_call>\n{"name": "weather", "arguments": {"city": "Köln"}}')


def test_both_answers_of_a_pair_follow_the_same_prompt(seen: dict[str, Any]) -> None:
    rows = seen["chat templates"]["trl-preference"]

    assert rows[-1]["chosen"] == "Rain in Köln, sun in 東京.<|im_end|>\n"
    assert {row["rejected"] for row in rows} == {"No.<|im_end|>\n"}


# --- pandas ----------------------------------------------------------------------------------------------------------


def test_pandas_reads_each_cell_of_a_csv_file(seen: dict[str, Any]) -> None:
    rows = seen["pandas"]["csv"]["rows"]

    assert len(rows) == len(holdable())
    assert rows[0]["prompt_text"] == f"{len(HUGE)} characters"
    assert rows[3]["prompt_text"] == ODD.replace("\0", "\ufffd")
    assert rows[4]["prompt_text"] == f"'{FORMULA}"
    assert json.loads(rows[7]["metadata"]) == parallel_calls()["metadata"]


def test_pandas_reads_a_parquet_file_with_its_types(seen: dict[str, Any]) -> None:
    read = seen["pandas"]["parquet"]

    assert {read["types"][name] for name in ("input_tokens", "output_tokens", "latency_ms")} == {"int64"}
    assert read["types"]["created_at"] == "datetime64[us]"
    assert read["rows"][3]["prompt_text"] == ODD
    assert json.loads(read["rows"][7]["metadata"]) == parallel_calls()["metadata"]
