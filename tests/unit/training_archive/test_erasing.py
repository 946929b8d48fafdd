"""Chunks are rewritten without examples, and the blobs that examples refer to are found."""

import hashlib
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import duckdb
import pytest

from capture_app.progress import Progress, silent
from tests.unit.training_archive.conftest import Killed
from tests.unit.training_archive.material import (
    change_sidecar,
    files_below,
    members_of,
    row,
    write_archive,
    write_database,
)
from training_archive.chunks import Sidecar
from training_archive.erasing import attached_file, blobs_in_table, blobs_of_chunks, rewrite_without
from training_archive.exceptions import ArchiveDamaged
from training_archive.reader import iter_chunks, iter_examples

ONE, TWO, THREE = (hashlib.sha256(bytes([number])).hexdigest() for number in (1, 2, 3))


def refers(*hashes: str) -> dict[str, Any]:
    """Metadata that refers to the blobs, each from a message of its own."""
    return {"gleaner": {"messages": [{"content": f"blob:sha256:{sha256}"} for sha256 in hashes]}}


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Three chunks: a and b, c, d and e."""
    path = tmp_path / "zip" / "archive.zip"
    write_archive(path, [row("a"), row("b")], [row("c")], [row("d"), row("e")])
    return path


@pytest.fixture
def without(archive: Path, scratch: Path) -> Callable[..., dict[str, int]]:
    def rewrite(ids: Collection[str], chunks: Collection[int], progress: Progress = silent) -> dict[str, int]:
        names = [list(iter_chunks(archive))[number].chunk for number in chunks]
        return rewrite_without(
            archive, ids, names, zip_path=archive, scratch=scratch, compresslevel=1, progress=progress
        )

    return rewrite


def ids_in(archive: Path) -> list[str]:
    return [example["id"] for example in iter_examples(archive, columns=["id"])]


def chunks_of(archive: Path) -> list[Sidecar]:
    return list(iter_chunks(archive))


# --- Rewriting -------------------------------------------------------------------------------------------------------


def test_the_examples_are_gone_and_all_others_stay(archive: Path, without: Callable[..., dict[str, int]]) -> None:
    before = {example["id"]: example for example in iter_examples(archive)}

    lost = without(["a", "d"], [0, 2])

    assert list(lost.values()) == [1, 1]
    assert {example["id"]: example for example in iter_examples(archive)} == {each: before[each] for each in "bce"}


def test_no_byte_of_them_is_left_in_the_zip(tmp_path: Path, scratch: Path) -> None:
    archive = tmp_path / "zip" / "archive.zip"
    [sidecar] = write_archive(archive, [row("a", prompt_text="the secret of Ada"), row("b")])

    rewrite_without(
        archive, ["a"], [sidecar.chunk], zip_path=archive, scratch=scratch, compresslevel=1, progress=silent
    )

    assert not [name for name, content in members_of(archive).items() if b"secret" in content]


def test_the_sidecar_says_how_many_and_keeps_what_is_still_true(
    archive: Path, without: Callable[..., dict[str, int]]
) -> None:
    old = change_sidecar(archive, {"forgotten_rows": 5, "quarantined_lines": 3, "rows_per_task": {"lie": 2}})

    without(["a"], [0])

    new = next(sidecar for sidecar in iter_chunks(archive) if sidecar.chunk == old.chunk)
    assert (new.rows, new.forgotten_rows, new.quarantined_lines) == (1, 6, 3)
    assert (new.generation, new.created_at, new.merged_from) == (old.generation, old.created_at, old.merged_from)
    assert new.rows_per_task == {"shop": 1}


def test_a_chunk_of_which_nothing_is_left_goes(archive: Path, without: Callable[..., dict[str, int]]) -> None:
    without(["c"], [1])

    assert [sidecar.rows for sidecar in chunks_of(archive)] == [2, 2]
    assert ids_in(archive) == ["a", "b", "d", "e"]


def test_a_zip_of_which_nothing_is_left_goes(archive: Path, without: Callable[..., dict[str, int]]) -> None:
    without("abcde", [0, 1, 2])

    assert not archive.exists()


def test_other_chunks_are_copied_byte_for_byte(archive: Path, without: Callable[..., dict[str, int]]) -> None:
    other = chunks_of(archive)[1].chunk
    before = members_of(archive)

    without("abcde", [0, 2])

    assert members_of(archive) == {name: before[name] for name in (f"{other}.duckdb", f"{other}.json")}


def test_chunks_that_the_zip_lacks_leave_it_untouched(archive: Path, scratch: Path) -> None:
    before = archive.read_bytes(), archive.stat().st_ino

    lost = rewrite_without(
        archive, ["a"], ["another"], zip_path=archive, scratch=scratch, compresslevel=1, progress=silent
    )

    assert lost == {}
    assert (archive.read_bytes(), archive.stat().st_ino) == before


@pytest.mark.parametrize("ids", [["' OR true --"], ["a'; DROP TABLE examples; --"], ["%"], ["A"], [""], ["\x00"], []])
def test_an_id_is_nothing_but_itself(archive: Path, without: Callable[..., dict[str, int]], ids: list[str]) -> None:
    assert without(ids, [0]) == {chunks_of(archive)[0].chunk: 0}

    assert ids_in(archive) == list("abcde")


def test_a_second_run_takes_nothing_more(archive: Path, without: Callable[..., dict[str, int]]) -> None:
    without(["a"], [0])
    name = chunks_of(archive)[0].chunk

    assert without(["a"], [0]) == {name: 0}

    assert chunks_of(archive)[0].forgotten_rows == 1


def test_more_ids_than_one_statement_could_name_are_taken_out(
    archive: Path, without: Callable[..., dict[str, int]]
) -> None:
    without([*(f"id {number}" for number in range(50_000)), "a"], [0])

    assert ids_in(archive) == list("bcde")


def test_a_damaged_chunk_changes_nothing(archive: Path, without: Callable[..., dict[str, int]]) -> None:
    with zipfile.ZipFile(archive) as opened:
        offset = opened.getinfo(f"{chunks_of(archive)[2].chunk}.duckdb").header_offset
    with archive.open("r+b") as file:
        file.seek(offset + 200)
        file.write(b"damage" * 20)
    before = archive.read_bytes()

    with pytest.raises(ArchiveDamaged):
        without(["a", "d"], [0, 2])

    assert archive.read_bytes() == before


@pytest.mark.parametrize("stage", ["reading", "compressing", "copying"])
def test_a_killed_run_changes_nothing(archive: Path, without: Callable[..., dict[str, int]], stage: str) -> None:
    before = archive.read_bytes()

    def die(at: str, done: int, total: int) -> None:
        if at.startswith(stage):
            raise Killed

    with pytest.raises(Killed):
        without(["a"], [0], die)

    assert archive.read_bytes() == before
    assert {name for name in files_below(archive.parent) if name.endswith(".appending")} == set()


# --- Blobs -----------------------------------------------------------------------------------------------------------


def test_the_blobs_of_the_named_chunks_are_found(tmp_path: Path, scratch: Path) -> None:
    archive = tmp_path / "zip" / "archive.zip"
    first, second, _ = write_archive(
        archive,
        [row("a", metadata=refers(ONE)), row("b", metadata=refers(ONE, TWO))],
        [row("c", metadata={})],
        [row("d", metadata=refers(THREE))],
    )

    assert blobs_of_chunks(archive, [first.chunk, second.chunk], scratch, silent) == {ONE, TWO}
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    "metadata",
    [None, {}, "null", '"text"', {"gleaner": {"messages": [f"blob:sha256:{ONE[:63]}", f"blob:sha256:{ONE.upper()}"]}}],
)
def test_what_is_no_reference_is_no_blob(tmp_path: Path, scratch: Path, metadata: Any) -> None:
    archive = tmp_path / "zip" / "archive.zip"
    [sidecar] = write_archive(archive, [row("a", metadata=metadata)])

    assert blobs_of_chunks(archive, [sidecar.chunk], scratch, silent) == set()


def test_of_the_asked_for_blobs_those_in_use_are_found(tmp_path: Path, scratch: Path) -> None:
    path = write_database(tmp_path / "live" / "a.duckdb", [row("a", metadata=refers(ONE, TWO))])

    with attached_file(path, scratch) as (connection, table):
        assert blobs_in_table(connection, table, {ONE, THREE}) == {ONE}
        assert blobs_in_table(connection, table, set()) == set()


def test_a_file_that_is_searched_cannot_be_written(tmp_path: Path, scratch: Path) -> None:
    path = write_database(tmp_path / "live" / "a.duckdb", [row("a")])

    with attached_file(path, scratch) as (connection, table), pytest.raises(duckdb.Error, match="read-only"):
        connection.execute(f"DELETE FROM {table}")
