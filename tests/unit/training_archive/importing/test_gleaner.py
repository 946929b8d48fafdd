"""Our own records, from each container that holds them."""

import csv
import uuid
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest

from capture_app.example import COLUMNS, prompt_hash
from tests.unit.training_archive.material import row, write_archive, write_database
from training_archive.exports.formats.base import ShardLimits
from training_archive.exports.formats.csv_table import CSV
from training_archive.exports.formats.extraction import Extraction
from training_archive.importing.reading import Result

Read = Callable[..., list[Result]]
Write = Callable[..., Path]

ID = str(uuid.UUID(int=7))


def test_a_record_comes_back_as_it_was(read: Read, write_lines: Write) -> None:
    [result] = read(write_lines(row(ID)))

    found = result.example
    assert found is not None
    for name in ("task", "prompt_text", "system_prompt", "response_strong", "llm_signature", "provider", "prompt_hash"):
        assert getattr(found, name) == row(ID)[name]
    assert (found.id, found.input_tokens, found.created_at) == (ID, 8, datetime(2026, 1, 1, 12, tzinfo=UTC))
    assert found.metadata == {
        "page": 1,
        "gleaner": {"imported_from": {"format": "gleaner-jsonl", "file": "source.jsonl"}},
    }


def test_what_is_missing_is_made_as_capture_makes_it(read: Read, write_lines: Write) -> None:
    path = write_lines({"prompt_text": "What?", "response_strong": "That."})

    [result] = read(path)

    found = result.example
    assert found is not None
    assert (found.task, found.prompt_hash) == ("generic", prompt_hash("", "What?"))
    assert len(found.llm_signature) == 16
    assert found.created_at == datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
    assert found.metadata["gleaner"]["imported_from"]["dated_by_file"] is True


def test_an_id_that_is_no_uuid_becomes_one_and_is_noted(read: Read, write_lines: Write) -> None:
    results = read(write_lines(row("mine"), row("mine"), row("other"), row(ID.upper())))

    ids = [result.example.id for result in results if result.example]
    assert ids[0] == ids[1] != ids[2]
    assert (uuid.UUID(ids[0]).version, ids[3]) == (5, ID)
    assert results[0].example is not None
    assert results[0].example.metadata["gleaner"]["imported_from"]["id"] == "mine"


def test_the_same_content_without_an_id_is_the_same_example(read: Read, write_lines: Write) -> None:
    one = {"prompt_text": "What?", "response_strong": "That."}

    ids = [result.example.id for result in read(write_lines(one, one, {**one, "task": "x"})) if result.example]

    assert ids[0] == ids[1] != ids[2]


def test_columns_that_are_not_ours_are_kept_beside(read: Read, write_lines: Write) -> None:
    [result] = read(write_lines({**row(ID), "split": "train"}))

    assert result.example is not None
    assert result.example.metadata["gleaner"]["imported_from"]["other"] == {"split": "train"}


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"prompt_text": 5}, "prompt_text is no text"),
        ({"input_tokens": "many"}, "input_tokens is no whole number"),
        ({"input_tokens": 1.5}, "input_tokens is no whole number"),
        ({"input_tokens": 2**63}, "input_tokens is no whole number"),
        ({"input_tokens": True}, "input_tokens is no whole number"),
        ({"metadata": [1]}, "metadata is no JSON object"),
        ({"metadata": "{"}, "metadata is no JSON"),
        ({"created_at": "yesterday"}, "created_at is no time"),
        ({"created_at": [1]}, "created_at is no time"),
        ({"id": {"a": 1}}, "its id is no text"),
    ],
)
def test_a_value_that_its_column_cannot_hold_is_refused(
    read: Read, write_lines: Write, values: dict[str, Any], problem: str
) -> None:
    good, bad = read(write_lines(row(ID), {**row("b"), **values}))

    assert (bad.place, bad.example, bad.problem) == ("line 2", None, problem)
    assert good.example is not None


def test_a_record_of_another_kind_is_refused(read: Read, write_lines: Write) -> None:
    _, bad = read(write_lines(row(ID), {"prompt_text": "What?"}))

    assert bad.problem == "it lacks prompt_text or response_strong"


def test_numbers_and_json_are_read_from_the_text_of_a_csv(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "ours.csv"
    cells = {**row(ID), "metadata": '{"a": "x, \\"y\\""}', "slot_specs": "", "prompt_text": 'He said "no",\nand left.'}
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerow(cells)

    [result] = read(path)

    found = result.example
    assert found is not None
    assert (found.prompt_text, found.input_tokens, found.metadata["a"]) == (cells["prompt_text"], 8, 'x, "y"')
    assert (found.slot_specs, found.created_at.tzinfo) == ({}, UTC)


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMPTZ"])
def test_parquet_is_read_whatever_its_name_and_its_types(read: Read, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "our*[data]'s.bin"
    columns = f"'{ID}' AS id, 'What?' AS prompt_text, 'That.' AS response_strong, {{'a': 1}} AS metadata"
    times = f"'2026-01-01 12:00:00+00'::{kind} AS created_at, 5::UTINYINT AS input_tokens"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'Asia/Tokyo'")
        target = str(path).replace("'", "''")
        connection.execute(f"COPY (SELECT {columns}, {times}) TO '{target}' (FORMAT parquet)")

    [result] = read(path)

    found = result.example
    assert found is not None, result.problem
    assert (found.id, found.input_tokens, found.metadata["a"]) == (ID, 5, 1)
    assert found.created_at == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert found.metadata["gleaner"]["imported_from"]["format"] == "parquet"


def test_another_archive_gives_all_of_its_chunks(read: Read, tmp_path: Path) -> None:
    write_archive(tmp_path / "theirs.zip", [row("a"), row(ID)], [row("c")])

    results = read(tmp_path / "theirs.zip")

    assert len({result.example.id for result in results if result.example}) == 3
    assert all(result.example and result.example.metadata["page"] == 1 for result in results)


def test_a_chunk_of_its_own_is_read_too(read: Read, tmp_path: Path) -> None:
    [result] = read(write_database(tmp_path / "chunk.duckdb", [row(ID)]))

    assert result.example is not None
    assert result.example.id == ID


def test_a_damaged_chunk_is_named_and_the_others_are_read(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "theirs.zip"
    first, _ = write_archive(path, [row("a")], [row("b")])
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo(f"{first.chunk}.duckdb").header_offset
    content = bytearray(path.read_bytes())
    content[at + 200] ^= 0xFF
    path.write_bytes(content)

    results = read(path)

    assert [result.place for result in results if result.problem] == [f"{first.chunk}.duckdb"]
    assert len([result for result in results if result.example]) == 1


def test_a_database_that_is_no_chunk_is_refused(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "odd.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE VIEW examples AS SELECT 1 AS id")

    [result] = read(path)

    assert "it has no table 'examples'" in result.problem


def test_images_in_messages_become_blobs(read: Read, write_lines: Write) -> None:
    image = "data:image/png;base64," + "QUFB" * 40
    message = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": image}}]}

    [result] = read(write_lines(row(ID, metadata={"gleaner": {"messages": [message]}})))

    [blob] = result.blobs
    assert result.example is not None
    assert blob.reference in orjson.dumps(result.example.metadata).decode()
    assert (blob.media_type, blob.content) == ("image/png", b"AAA" * 40)


@pytest.mark.parametrize("name", ["csv", "extraction"])
def test_what_we_exported_comes_back_as_it_was(read: Read, tmp_path: Path, name: str) -> None:
    texts = [
        "=1+1",
        "'=1+1",
        "''@x",
        " \u200b+x",
        "plain",
        "'quoted'",
        "\tx",
        "\uff1dx",
        "'",
        "\u2212x",
        '{"a": 1}',
        "[1]",
    ]
    rows = [row(str(uuid.UUID(int=number)), prompt_text=text) for number, text in enumerate(texts)]
    exporter = {"csv": CSV, "extraction": Extraction}[name](tmp_path)
    with exporter.open(tmp_path, "train", ShardLimits(), tmp_path) as writer:
        for values in rows:
            writer.write(exporter.convert(values))
        [shard] = writer.close()

    found = [result.example for result in read(shard.path)]

    columns = ("id", "prompt_text", "system_prompt", "slot_specs", "input_tokens", "prompt_hash", "provider")
    assert [[getattr(example, column) for column in columns] for example in found] == [
        [values[column] for column in columns] for values in rows
    ]
    assert all(example and orjson.loads(example.response_strong) == {"price": 5} for example in found)
    assert {example.created_at for example in found if example} == {datetime(2026, 1, 1, 12, tzinfo=UTC)}
