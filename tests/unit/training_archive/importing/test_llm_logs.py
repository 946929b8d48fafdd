"""The logs.db of llm, old and new."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training_archive.importing.llm_database import PICTURE, LogsDatabase, part, text
from training_archive.importing.reading import Result

Read = Callable[..., list[Result]]

ADD = {"name": "add", "description": "Adds", "input_schema": '{"type": "object"}'}


def example_of(result: Result) -> Any:
    assert result.example is not None, result.problem or result.skipped
    return result.example


@pytest.fixture
def logs(tmp_path: Path) -> LogsDatabase:
    return LogsDatabase(tmp_path / "logs.db")


def test_a_turn_is_an_example(logs: LogsDatabase, read: Read) -> None:
    logs.message("a", None, "system", text("Be brief."))
    logs.message("b", "a", "user", text("Hello"))
    logs.message("c", "b", "assistant", {"type": "reasoning", "text": "Hm."}, text("Hi"))
    details = {"prompt_tokens_details": {"cached_tokens": 2}}
    logs.turn("t1", "b", "c", options_json={"temperature": 0.5}, token_details=details, resolved_model="echo-2")

    [result] = read(logs.close())

    found = example_of(result)
    reserved = found.metadata["gleaner"]
    assert (result.place, found.prompt_text, found.system_prompt, found.response_strong) == (
        "turns t1",
        "Hello",
        "Be brief.",
        "Hi",
    )
    assert (found.model_name, found.input_tokens, found.output_tokens) == ("echo-2", 5, 7)
    assert found.created_at == datetime(2026, 1, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    assert (reserved["parameters"], reserved["cached_input_tokens"]) == ({"temperature": 0.5}, 2)
    assert (reserved["conversation_id"], reserved["imported_from"]["reasoning"]) == ("thread", "Hm.")


def test_tools_fragments_attachments_and_schemas_are_kept(logs: LogsDatabase, read: Read) -> None:
    logs.insert("tools", id=1, **ADD)
    logs.insert("fragments", id=4, content="A novel.")
    logs.insert("attachments", id="p", type="image/png", content=PICTURE)
    logs.insert("schemas", id="s", content='{"type": "object"}')
    logs.message("a", None, "user", part("text", text_ref=[{"fragment": 4}, {"literal": " Add."}]))
    logs.message("b", "a", "assistant", part("tool_call", name="add", arguments={"a": 1}, tool_call_id="c1"))
    logs.message("c", "b", "tool", part("tool_result", name="add", output="3", tool_call_id="c1"))
    logs.message("d", "c", "user", text("And this?"), part("attachment", attachment={"id": "p"}))
    logs.message("e", "d", "assistant", text("A picture."))
    logs.turn("t1", "a", "b")
    logs.turn("t2", "d", "e", schema_id="s")
    logs.insert("turn_tools", turn_id="t1", tool_id=1)

    first, second = read(logs.close())

    reserved = example_of(first).metadata["gleaner"]
    assert example_of(first).prompt_text == "A novel. Add."
    assert reserved["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a":1}'}
    assert reserved["tools"][0]["function"]["parameters"] == {"type": "object"}
    reserved = example_of(second).metadata["gleaner"]
    assert [message["role"] for message in reserved["messages"]] == ["user", "assistant", "tool", "user"]
    assert reserved["messages"][2] == {"role": "tool", "tool_call_id": "c1", "content": "3"}
    assert reserved["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert [blob.content for blob in second.blobs] == [PICTURE]


def test_an_older_response_is_an_example_with_what_was_said_before(logs: LogsDatabase, read: Read) -> None:
    logs.insert("fragments", id=4, content="A novel.")
    logs.insert("tools", id=1, **ADD)
    logs.insert("attachments", id="p", type="image/png", url="https://example.org/a.png")
    logs.response("r1", "Add.", "", system="Be brief.")
    logs.insert("prompt_fragments", response_id="r1", fragment_id=4, order=0)
    logs.insert("tool_calls", response_id="r1", tool_id=1, name="add", arguments='{"a": 1}', tool_call_id="c1")
    logs.insert("tool_responses", response_id="r1", tool_id=1)
    logs.response("r2", "", "Three.")
    logs.insert("tool_results", response_id="r2", tool_id=1, name="add", output="3", tool_call_id="c1")
    logs.response("r3", "And this?", "A picture.")
    logs.insert("prompt_attachments", response_id="r3", attachment_id="p", order=0)

    first, second, third = read(logs.close())

    assert (example_of(first).system_prompt, example_of(first).prompt_text) == ("Be brief.", "A novel.\nAdd.")
    assert example_of(first).metadata["gleaner"]["tool_calls"][0]["id"] == "c1"
    messages = example_of(second).metadata["gleaner"]["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
    messages = example_of(third).metadata["gleaner"]["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant", "user"]
    assert messages[-1]["content"][1]["image_url"]["url"] == "https://example.org/a.png"


def test_a_response_that_is_a_turn_too_is_one_example(logs: LogsDatabase, read: Read) -> None:
    logs.message("a", None, "user", text("Hello"))
    logs.message("b", "a", "assistant", text("Hi"))
    logs.turn("same", "a", "b")
    logs.response("same", "Hello", "Hi")

    results = read(logs.close())

    assert [result.skipped for result in results] == ["", "a response that is a turn as well"]


def test_a_database_from_before_the_message_store_is_read(tmp_path: Path, read: Read) -> None:
    logs = LogsDatabase(tmp_path / "logs.db", turns=False)
    logs.response("r1", "Hello", "Hi")

    [result] = read(logs.close())

    assert example_of(result).response_strong == "Hi"


def test_columns_and_tables_that_a_version_lacks_count_as_empty(tmp_path: Path, read: Read) -> None:
    with sqlite3.connect(tmp_path / "logs.db") as database:
        database.execute(
            "CREATE TABLE responses (id TEXT PRIMARY KEY, model TEXT, prompt TEXT, system TEXT, response TEXT, "
            "conversation_id TEXT, datetime_utc TEXT)"
        )
        database.execute(
            "INSERT INTO responses VALUES ('r1', 'echo', 'Hello', NULL, 'Hi', 'talk', '2026-01-01 12:00:00')"
        )
    database.close()

    [result] = read(tmp_path / "logs.db")

    assert example_of(result).prompt_text == "Hello"


def test_the_file_is_not_changed(logs: LogsDatabase, read: Read) -> None:
    logs.response("r1", "Hello", "Hi")
    path = logs.close()
    before = path.read_bytes()

    read(path)

    assert path.read_bytes() == before
    assert [found.name for found in path.parent.glob("logs.db*")] == ["logs.db"]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW responses AS SELECT randomblob(100000000) AS id",
        "CREATE VIRTUAL TABLE responses USING fts5(id)",
        "CREATE TABLE other (id)",
    ],
)
def test_only_tables_are_read(tmp_path: Path, read: Read, statement: str) -> None:
    with sqlite3.connect(tmp_path / "logs.db") as database:
        database.execute(statement)
    database.close()

    [result] = read(tmp_path / "logs.db")

    assert "it is no logs.db of llm" in result.problem


def test_a_broken_row_is_named_and_the_others_are_read(logs: LogsDatabase, read: Read) -> None:
    logs.message("a", None, "user", text("Hello"))
    logs.message("b", "a", "assistant", text("Hi"))
    logs.message("loop", "loop", "user", text("x"))
    logs.message("odd", "a", "assistant", part("hologram"))
    logs.turn("t1", "nowhere", "b")
    logs.turn("t2", "a", "b", options_json="{")
    logs.turn("t3", "a", "b", datetime_utc="soon")
    logs.turn("t4", "loop", "b")
    logs.turn("t5", "a", "odd")
    logs.turn("t6", "a", "b")

    results = read(logs.close())

    assert [result.place for result in results if result.problem] == [f"turns t{number}" for number in range(1, 6)]
    assert example_of(results[-1]).prompt_text == "Hello"


def test_a_truncated_database_ends_with_one_problem(logs: LogsDatabase, read: Read) -> None:
    for number in range(200):
        logs.response(f"r{number:03d}", "Hello" * 100, "Hi")
    path = logs.close()
    path.write_bytes(path.read_bytes()[:40_000])

    results = read(path)

    assert results[-1].place == "the rest of the file"
    assert "SQLite cannot read it" in results[-1].problem


def test_an_attached_file_of_another_machine_is_named_without_its_folder(logs: LogsDatabase, read: Read) -> None:
    logs.insert("attachments", id="p", type="application/pdf", path="/home/ann/secret/bill.pdf")
    logs.message("a", None, "user", text("Read."), part("attachment", attachment={"id": "p"}))
    logs.message("b", "a", "assistant", text("Read it."))
    logs.turn("t1", "a", "b")

    [result] = read(logs.close())

    assert example_of(result).metadata["gleaner"]["messages"][0]["content"][1]["file"] == {"file_data": "bill.pdf"}
