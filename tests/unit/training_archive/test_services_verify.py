"""verify_archive finds what is damaged, and names it."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training_archive.material import (
    change_sidecar,
    chunk_file,
    chunk_files,
    files_below,
    rewrite_member,
    sidecar_of,
    write_odd_database,
)
from training_archive.exceptions import ArchiveError
from training_archive.reader import iter_chunks
from training_archive.services import archive_status, verify_archive

pytestmark = pytest.mark.django_db

Calls = Callable[..., list[str]]


def problems(zip_path: Path) -> list[tuple[str, str]]:
    return [(problem.member, problem.reason) for problem in verify_archive(zip_path=zip_path).problems]


def flip_byte(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0xFF
    path.write_bytes(content)


def middle_of_member(path: Path, filename: str) -> int:
    """Where the compressed data of a member has its middle."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(filename)
        header = path.read_bytes()[info.header_offset :]
    name_length, extra_length = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
    return info.header_offset + 30 + name_length + extra_length + info.compress_size // 2


def test_a_sound_archive_has_no_problems(two_chunks: Path) -> None:
    report = verify_archive()

    assert report.problems == []
    assert report.chunks == list(iter_chunks(two_chunks))


def test_verifying_leaves_archive_and_folder_as_they_were(two_chunks: Path, data_dir: Path) -> None:
    before = two_chunks.read_bytes(), files_below(data_dir)

    verify_archive()

    assert (two_chunks.read_bytes(), files_below(data_dir)) == before


@pytest.mark.parametrize("number", [0, 1])
def test_a_flipped_byte_in_a_chunk_is_found_and_the_chunk_named(two_chunks: Path, number: int) -> None:
    damaged, sound = chunk_files(two_chunks)[number], chunk_files(two_chunks)[1 - number]
    flip_byte(two_chunks, middle_of_member(two_chunks, damaged))

    report = verify_archive()

    assert [problem.member for problem in report.problems] == [damaged]
    assert [f"{sidecar.chunk}.duckdb" for sidecar in report.chunks] == [sound]


def test_a_flipped_byte_in_a_sidecar_is_found_and_named(two_chunks: Path) -> None:
    damaged = chunk_file(two_chunks).replace(".duckdb", ".json")
    flip_byte(two_chunks, middle_of_member(two_chunks, damaged))

    assert [member for member, _ in problems(two_chunks)] == [damaged]


def test_a_flipped_byte_at_the_head_of_a_member_is_found(two_chunks: Path) -> None:
    damaged = chunk_file(two_chunks)
    with zipfile.ZipFile(two_chunks) as archive:
        position = archive.getinfo(damaged).header_offset
    flip_byte(two_chunks, position)

    assert [member for member, _ in problems(two_chunks)] == [damaged]


def test_a_flipped_byte_at_the_head_of_the_directory_is_found(two_chunks: Path) -> None:
    with zipfile.ZipFile(two_chunks) as archive:
        position = archive.start_dir
    flip_byte(two_chunks, position)

    [(member, reason)] = problems(two_chunks)

    assert member == ""
    assert "not readable as a ZIP" in reason


def test_a_flipped_byte_in_a_name_of_the_directory_is_found(two_chunks: Path) -> None:
    damaged = chunk_file(two_chunks)
    flip_byte(two_chunks, two_chunks.read_bytes().rindex(damaged.encode()) + 1)

    assert len(problems(two_chunks)) == 2  # a member that is no chunk, and a sidecar without its chunk


def test_a_directory_said_to_begin_beyond_the_file_is_found(two_chunks: Path) -> None:
    end_record = two_chunks.read_bytes().rindex(b"PK\x05\x06")
    flip_byte(two_chunks, end_record + 19)  # the highest byte of where the directory begins

    assert [member for member, _ in problems(two_chunks)] == [""]
    assert archive_status().problem


def test_a_zip_that_was_cut_off_is_found_and_the_way_to_save_it_named(two_chunks: Path) -> None:
    two_chunks.write_bytes(two_chunks.read_bytes()[:-100])

    [(member, reason)] = problems(two_chunks)

    assert member == ""
    assert "cut off" in reason
    assert "--repair" in reason


@pytest.mark.parametrize(
    ("lie", "found"),
    [
        ({"rows": 7}, "holds 1 rows, its sidecar says 7"),
        ({"sha256": "0" * 64}, "SHA-256"),
        ({"size": 1}, "its sidecar is another chunk's"),
        ({"chunk": "llm_training_chunk_other"}, "its sidecar is another chunk's"),
        ({"created_at": "nonsense"}, "'nonsense'"),
        ({"created_at": 5}, "created_at is no str"),
        ({"rows_per_task": None}, "rows_per_task is no dict"),
    ],
    ids=["rows", "SHA-256", "size", "name", "no time", "a time that is no text", "no counts"],
)
def test_a_sidecar_that_is_not_true_is_found(two_chunks: Path, lie: dict[str, Any], found: str) -> None:
    sidecar = change_sidecar(two_chunks, lie)

    [(member, reason)] = problems(two_chunks)

    assert member.removesuffix(".json").removesuffix(".duckdb") == sidecar.chunk
    assert found in reason


def test_a_chunk_without_a_sidecar_is_a_problem(two_chunks: Path) -> None:
    damaged = chunk_file(two_chunks)
    rewrite_member(two_chunks, damaged.replace(".duckdb", ".json"), None)

    assert problems(two_chunks) == [(damaged, f"{damaged} has no sidecar.")]


def test_a_sidecar_without_a_chunk_is_a_problem(two_chunks: Path) -> None:
    missing = chunk_file(two_chunks)
    rewrite_member(two_chunks, missing, None)

    assert problems(two_chunks) == [(missing.replace(".duckdb", ".json"), "no chunk belongs to it")]


@pytest.mark.parametrize("name", ["README.txt", "more.zip"])
def test_a_member_of_another_kind_is_a_problem(two_chunks: Path, name: str) -> None:
    rewrite_member(two_chunks, name, b"by hand")

    assert problems(two_chunks) == [(name, "no chunk belongs to it")]


def test_a_member_of_another_kind_that_is_damaged_is_said_to_be(two_chunks: Path) -> None:
    rewrite_member(two_chunks, "README.txt", b"by hand" * 100)
    flip_byte(two_chunks, middle_of_member(two_chunks, "README.txt"))

    [(member, reason)] = problems(two_chunks)

    assert member == "README.txt"
    assert "no chunk belongs to it, and it is damaged" in reason


@pytest.mark.parametrize(
    ("content", "found"),
    [("garbage", "DuckDB does not open it"), ("a view", "no table 'examples'")],
)
def test_a_chunk_that_only_its_checksum_vouches_for_is_a_problem(
    two_chunks: Path, tmp_path: Path, content: str, found: str
) -> None:
    forged = write_odd_database(tmp_path / "view", "CREATE VIEW examples AS SELECT 1 AS id").read_bytes()
    forged = b"garbage" * 1000 if content == "garbage" else forged
    damaged = chunk_file(two_chunks)
    rewrite_member(two_chunks, damaged, forged)
    sidecar = sidecar_of(forged, name=damaged.removesuffix(".duckdb"))
    rewrite_member(two_chunks, damaged.replace(".duckdb", ".json"), sidecar.to_json())

    [(member, reason)] = problems(two_chunks)

    assert member == damaged
    assert found in reason


def test_an_archive_that_is_not_there_cannot_be_verified() -> None:
    with pytest.raises(ArchiveError, match="There is no archive"):
        verify_archive()


def test_a_folder_in_the_place_of_an_archive_cannot_be_verified(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="cannot be opened"):
        verify_archive(zip_path=tmp_path)
