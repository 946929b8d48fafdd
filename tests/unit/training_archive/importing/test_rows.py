"""Reading files that nobody vouches for."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from tests.unit.training_archive.material import row
from training_archive.exceptions import ArchiveError
from training_archive.importing import rows
from training_archive.importing.reading import Result, Source, stat_regular

Read = Callable[..., list[Result]]
Write = Callable[..., Path]


def problems(results: list[Result]) -> list[tuple[str, str]]:
    return [(result.place, result.problem) for result in results if result.problem]


def test_bad_lines_are_named_and_the_good_ones_around_them_are_read(read: Read, write_lines: Write) -> None:
    results = read(write_lines(row("a"), b'{"torn', b"[1]", b"\xff\xfe{}", b"", row("b")))

    assert len([result for result in results if result.example]) == 2
    assert [place for place, _ in problems(results)] == ["line 2", "line 3", "line 4"]
    assert problems(results)[1][1] == "no JSON object"


def test_lone_surrogates_and_big_integers_are_read(read: Read, write_lines: Write) -> None:
    line = (
        orjson.dumps(row("a")).replace(b"What does it cost?", b"\\ud83d?").replace(b'"page":1', b'"page":' + b"9" * 30)
    )

    [result] = read(write_lines(line))

    assert result.example is not None
    assert result.example.prompt_text == "�?"
    assert result.example.metadata["page"] == "9" * 30


def test_a_byte_order_mark_is_no_part_of_the_first_record(read: Read, write_lines: Write) -> None:
    [result] = read(write_lines(b"\xef\xbb\xbf" + orjson.dumps(row("a"))))

    assert result.example is not None


def test_a_line_longer_than_any_record_is_refused_before_it_is_in_memory(
    read: Read, write_lines: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "LONGEST_RECORD", 1000)
    results = read(write_lines(row("a"), row("b", prompt_text="x" * 5000), row("c")))

    assert problems(results) == [("line 2", "longer than 1000 bytes")]
    assert len(results) == 3


def test_a_gzip_is_unpacked(read: Read, write_lines: Write, tmp_path: Path) -> None:
    path = tmp_path / "ours.jsonl.gz"
    path.write_bytes(gzip.compress(write_lines(row("a"), row("b")).read_bytes()))

    assert len([result for result in read(path) if result.example]) == 2


def test_a_gzip_bomb_of_one_line_is_refused_in_bounded_memory(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "LONGEST_RECORD", 2**20)
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"prompt_text":"' + b"x" * 2**26 + b'"}\n', 9))

    [result] = read(path, "gleaner-jsonl")

    assert result.problem == "longer than 1048576 bytes"


def test_a_truncated_gzip_keeps_what_came_before(read: Read, write_lines: Write, tmp_path: Path) -> None:
    path = tmp_path / "ours.jsonl.gz"
    packed = gzip.compress(write_lines(*(row(str(number)) for number in range(2000))).read_bytes())
    path.write_bytes(packed[: len(packed) // 2])

    results = read(path)

    assert len([result for result in results if result.example]) > 100
    assert [place for place, _ in problems(results)] == ["the rest of the file"]


@pytest.mark.parametrize("lists", ["[{}]", '{{"data": [{}], "meta": {{}}}}', '{{"observations":\n[{}]}}'])
def test_json_values_are_read_one_by_one(
    read: Read, tmp_path: Path, lists: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_READ_CHARACTERS", 50)
    path = tmp_path / "values.json"
    records = [orjson.dumps(row(str(number), prompt_text="é" * number)).decode() for number in range(40)]
    path.write_text(lists.format(" ,\n ".join(records)))

    found = [result.example.prompt_text for result in read(path, "gleaner-jsonl") if result.example]

    assert found == ["é" * number for number in range(40)]


@pytest.mark.parametrize(
    ("text", "count"), [('[{"a": 1}, {"b', 1), ('[{"a": 1} {"b": 2}]', 1), ('[{"a": 1}, nul]', 1), ("[" * 100_000, 0)]
)
def test_a_list_that_is_broken_keeps_what_came_before(read: Read, tmp_path: Path, text: str, count: int) -> None:
    path = tmp_path / "values.json"
    path.write_text(text)

    results = read(path, "gleaner-jsonl")

    assert len(results) == count + 1
    assert results[-1].place == "the rest of the file"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("id,prompt_text\n".encode("utf-16"), "no text in UTF-8"),
        (b"\0\0\0\0", "no text in UTF-8"),
        (b"a,a\n1,2\n", "two of its columns have the same name"),
        (b"", "no line that names the columns"),
        (b"some text\nand more\n", "of no format that is known"),
        (b"PAR1 and nothing", "DuckDB cannot read it"),
    ],
)
def test_a_file_of_no_use_is_refused_with_the_reason(
    source_of: Callable[..., Source], tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / "odd"
    path.write_bytes(content)

    with pytest.raises(ArchiveError, match=problem):
        source_of(path)


def test_odd_quoting_and_missing_cells_of_a_csv_are_named(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_bytes(
        b'id,prompt_text,response_strong\n1,a,b\n2,"a"x,b\n3,a\n4,"two\nlines",b\n5,"'
        + b"x" * 200_000
        + b'",b\n6,"open\n'
    )

    results = read(path)

    assert [result.example.prompt_text[:9] for result in results if result.example] == ["a", "two\nlines", "x" * 9]
    assert [place for place, _ in problems(results)] == ["line 3", "line 4", "line 8"]


def test_latin_1_is_refused_and_not_guessed(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes("id,prompt_text,response_strong\n1,é,b\n".encode("latin-1"))

    [result] = read(path, "gleaner-jsonl")

    assert "no text in UTF-8" in result.problem


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")

    for name, problem in (("fifo", "no regular file"), ("zero", "no regular file"), ("gone", "cannot be read")):
        with pytest.raises(ArchiveError, match=problem):
            stat_regular(tmp_path / name)
    with pytest.raises(ArchiveError, match="no regular file"):
        stat_regular(tmp_path)
