"""Decontamination: what an evaluation asks is in no data set, whatever file says it."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest

from capture_app.duckdb_files import quoted
from tests.unit.training_archive.exports.material import example, lineage, written_ids
from training_archive.exports import held_out
from training_archive.exports.exceptions import ExportError

pytestmark = pytest.mark.django_db

Export = Callable[..., Any]

LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"


def write_lines(path: Path, *records: Any) -> Path:
    path.write_bytes(b"".join(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in records))
    return path


def test_an_example_that_asks_a_held_out_prompt_is_left_out(export_of: Export, out: Path, tmp_path: Path) -> None:
    held = write_lines(tmp_path / "held.jsonl", {"prompt_text": "What is it?"})

    report = export_of([example("a", "what IS it"), example("b", "What is it called?")], held_out=(held,))

    assert written_ids(out) == ["b"]
    assert report.left_out == {"held out": 1}
    assert lineage(out)["a"][1:] == ("", "held out")


def test_thirteen_words_in_a_row_are_enough(export_of: Export, out: Path, tmp_path: Path) -> None:
    held = write_lines(tmp_path / "held.jsonl", {"prompt_text": LONG})
    shared = " ".join(LONG.split()[:13])
    rows = [example("a", f"Tell me: {shared.upper()}!"), example("b", f"Tell me {' '.join(LONG.split()[:12])}.")]

    export_of(rows, held_out=(held,))

    assert written_ids(out) == ["b"]


def test_the_number_of_words_can_be_said(export_of: Export, out: Path, tmp_path: Path) -> None:
    held = write_lines(tmp_path / "held.jsonl", {"prompt_text": LONG})
    rows = [example("a", "say one two three"), example("b", "say one two")]

    export_of(rows, held_out=(held,), held_out_ngram=3)

    assert written_ids(out) == ["b"]


def test_text_without_blanks_counts_by_character(export_of: Export, out: Path, tmp_path: Path) -> None:
    held = write_lines(tmp_path / "held.jsonl", {"prompt_text": "这个产品的价格是多少请告诉我谢谢你"})
    rows = [example("a", "你好!这个产品的价格是多少请告诉我"), example("b", "这个产品很好")]

    export_of(rows, held_out=(held,))

    assert written_ids(out) == ["b"]


def as_text(path: Path) -> None:
    path.write_text("Another one.\n\nWhat is it?\n")


def as_csv(path: Path) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["id", "prompt_text"], ["1", 'With "quotes",\nand lines'], ["2", "What is it?"]])


def as_csv_of_old(path: Path) -> None:
    path.write_bytes(b"id,prompt\r1,Another one.\r2,What is it?\r")


def as_parquet(path: Path) -> None:
    with duckdb.connect(":memory:") as connection:
        messages = "[{'role': 'user', 'content': 'What is it?'}, {'role': 'assistant', 'content': 'That.'}]"
        connection.execute(f"COPY (SELECT {messages} AS messages) TO {quoted(str(path))} (FORMAT parquet)")


def as_records(record: dict[str, Any]) -> Callable[[Path], Any]:
    return lambda path: write_lines(path, record)


USER, ASSISTANT = {"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "That."}


@pytest.mark.parametrize(
    "write",
    [
        as_text,
        as_csv,
        as_csv_of_old,
        as_parquet,
        as_records({"messages": [{"role": "system", "content": "Be kind."}, USER, ASSISTANT]}),
        as_records({"messages": [{**USER, "content": [{"type": "text", "text": "What is it?"}]}]}),
        as_records({"input": {"messages": [USER]}, "preferred_output": [ASSISTANT]}),
        as_records({"prompt": [USER], "completion": [ASSISTANT]}),
        as_records({"prompt": "What is it?"}),
        as_records({"conversations": [{"from": "human", "value": "What is it?"}, {"from": "gpt", "value": "That."}]}),
        as_records({"instruction": "What is", "input": "it?", "output": "That."}),
        as_records({"prompt_text": "What is it?", "metadata": {}}),
    ],
    ids=[
        "text",
        "csv",
        "csv-cr",
        "parquet",
        "chat",
        "parts",
        "preference",
        "trl",
        "prompt",
        "sharegpt",
        "alpaca",
        "columns",
    ],
)
def test_held_out_prompts_come_in_any_format(
    export_of: Export, out: Path, tmp_path: Path, write: Callable[[Path], Any]
) -> None:
    held = tmp_path / "held out's file"
    write(held)

    export_of([example("a", "What is it?"), example("b")], held_out=(held,))

    assert written_ids(out) == ["b"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"prompt": "a"}\n{broken\n', "line 2 is no JSON"),
        (b'{"answer": "a"}\n', "record 1 holds no prompt"),
        (b'{"messages": []}\n', "record 1 holds no prompt"),
        (b"\xff\xfe\n", "not in UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "neither text in UTF-8 nor Parquet"),
        (b"\x1f\x8b\x08\r\xff", "not in UTF-8"),
        ("prompt\nWhat is it?\n".encode("utf-16"), "neither text in UTF-8 nor Parquet"),
        (b"PAR1 and no more", "DuckDB does not read it"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_holds_no_prompts_stops_the_export(
    export_of: Export, out: Path, tmp_path: Path, content: bytes | None, problem: str
) -> None:
    held = tmp_path / "held"
    if content is not None:
        held.write_bytes(content)

    with pytest.raises(ExportError, match=problem):
        export_of([example("a")], held_out=(held,))
    assert not out.exists()


def test_more_prompts_than_memory_is_meant_for_are_looked_for_in_passes(
    export_of: Export, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_out, "_IN_MEMORY", 10)
    held = write_lines(tmp_path / "held", *({"prompt": f"Question {n}"} for n in range(100)))
    rows = [example(f"{n:03}", f"Question {n}") for n in range(0, 200, 7)]

    export_of(rows, held_out=(held,))

    assert written_ids(out) == [f"{n:03}" for n in range(0, 200, 7) if n >= 100]


def test_several_files_are_held_out(export_of: Export, out: Path, tmp_path: Path) -> None:
    files = [write_lines(tmp_path / name, {"prompt": f"Is it {name}?"}) for name in ("a", "b")]

    export_of([example(name, f"Is it {name}?") for name in "abc"], held_out=tuple(files))

    assert written_ids(out) == ["c"]
