"""The reader: everything archived comes back once, bounded and in order."""

import math
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest

from capture_app.duckdb_files import create_examples_table
from capture_app.example import COLUMNS
from tests.unit.training_archive.material import (
    files_below,
    insert,
    rewrite_member,
    row,
    write_archive,
    write_odd_database,
)
from training_archive.exceptions import ArchiveDamaged, ArchiveError
from training_archive.reader import iter_chunks, iter_examples, load_into


@pytest.fixture
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go during this test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def ids(zip_path: Path, **filters: Any) -> list[str]:
    return [example["id"] for example in iter_examples(zip_path, **filters)]


# --- iter_chunks -----------------------------------------------------------------------------------------------------


def test_chunks_are_described_in_the_order_in_which_they_were_archived(zip_path: Path) -> None:
    written = write_archive(zip_path, [row("a")], [row("b"), row("c")])

    assert list(iter_chunks(zip_path)) == written


def test_without_a_path_the_configured_archive_is_read(zip_path: Path) -> None:
    write_archive(zip_path, [row("a")])

    assert [sidecar.rows for sidecar in iter_chunks()] == [1]
    assert [example["id"] for example in iter_examples()] == ["a"]


def test_an_archive_that_is_not_there_is_an_error(zip_path: Path) -> None:
    with pytest.raises(ArchiveError, match="There is no archive"):
        list(iter_chunks(zip_path))
    with pytest.raises(ArchiveError, match="There is no archive"):
        list(iter_examples(zip_path))


# --- iter_examples ---------------------------------------------------------------------------------------------------


def test_an_example_comes_back_with_dicts_and_an_aware_time(zip_path: Path) -> None:
    example = row("a", created_at=datetime(2026, 1, 2, 3, 4, 5, 6))
    write_archive(zip_path, [example])

    [found] = iter_examples(zip_path)

    assert found == {**example, "created_at": datetime(2026, 1, 2, 3, 4, 5, 6, UTC)}


def test_an_example_without_metadata_has_an_empty_dict(zip_path: Path) -> None:
    write_archive(zip_path, [row("a", metadata=None, slot_specs=None)])

    [found] = iter_examples(zip_path, columns=["metadata", "slot_specs"])

    assert found == {"metadata": {}, "slot_specs": {}}


@pytest.mark.parametrize("text", ['"text"', "null", "[1]"])
def test_metadata_that_is_no_object_comes_as_an_empty_dict(zip_path: Path, text: str) -> None:
    write_archive(zip_path, [row("a", metadata=text)])

    assert list(iter_examples(zip_path, columns=["metadata"])) == [{"metadata": {}}]


def test_a_number_beyond_any_float_comes_as_infinity(zip_path: Path) -> None:
    write_archive(zip_path, [row("a", metadata='{"a": 1e999}')])

    assert list(iter_examples(zip_path, columns=["metadata"])) == [{"metadata": {"a": math.inf}}]


def test_an_example_without_a_time_has_none(zip_path: Path) -> None:
    write_archive(zip_path, [row("a", created_at=None)])

    assert list(iter_examples(zip_path, columns=["created_at"])) == [{"created_at": None}]


def test_more_examples_than_are_fetched_at_once_all_come(zip_path: Path) -> None:
    write_archive(zip_path, [row(f"{number:04d}") for number in range(1201)])

    assert sorted(ids(zip_path)) == [f"{number:04d}" for number in range(1201)]


def test_chunks_come_one_after_the_other(zip_path: Path) -> None:
    write_archive(zip_path, [row("z")], [row("a")], [row("m")])

    assert ids(zip_path) == ["z", "a", "m"]


def test_an_id_in_several_chunks_comes_once_and_the_first_wins(zip_path: Path) -> None:
    write_archive(zip_path, [row("a", task="first"), row("b")], [row("a", task="second"), row("c")])

    found = {example["id"]: example["task"] for example in iter_examples(zip_path)}

    assert sorted(ids(zip_path)) == ["a", "b", "c"]
    assert found["a"] == "first"


def test_the_first_wins_even_when_a_filter_leaves_it_out(zip_path: Path) -> None:
    write_archive(zip_path, [row("a", task="first")], [row("a", task="second")])

    assert ids(zip_path, task="second") == []


def test_only_the_asked_task_comes(zip_path: Path) -> None:
    write_archive(zip_path, [row("a", task="shop"), row("b", task="it's; --")], [row("c", task="it's; --")])

    assert ids(zip_path, task="it's; --") == ["b", "c"]


def test_since_is_included_and_until_is_not(zip_path: Path) -> None:
    write_archive(zip_path, [row(str(hour), created_at=datetime(2026, 1, 1, hour)) for hour in range(5)])

    since, until = datetime(2026, 1, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 3, tzinfo=UTC)

    assert sorted(ids(zip_path, since=since, until=until)) == ["1", "2"]


def test_times_of_any_zone_are_compared_in_utc(zip_path: Path) -> None:
    write_archive(zip_path, [row(str(hour), created_at=datetime(2026, 1, 1, hour)) for hour in range(12)])

    noon_in_tokyo = datetime(2026, 1, 1, 12, tzinfo=ZoneInfo("Asia/Tokyo"))

    assert sorted(ids(zip_path, until=noon_in_tokyo)) == ["0", "1", "2"]


def test_only_the_asked_columns_come_in_the_asked_order(zip_path: Path) -> None:
    write_archive(zip_path, [row("a")])

    [found] = iter_examples(zip_path, columns=["task", "id"])

    assert list(found.items()) == [("task", "shop"), ("id", "a")]


@pytest.mark.parametrize("columns", [["id", "nothing"], ["id; DROP TABLE seen"], ["*"], []])
def test_what_is_no_column_is_refused(zip_path: Path, columns: list[str]) -> None:
    write_archive(zip_path, [row("a")])

    with pytest.raises(ValueError, match="No such column"):
        list(iter_examples(zip_path, columns=columns))


@pytest.mark.parametrize("bound", ["since", "until"])
def test_a_time_without_a_zone_is_refused(zip_path: Path, bound: str) -> None:
    write_archive(zip_path, [row("a")])

    with pytest.raises(ValueError, match="no time zone"):
        ids(zip_path, **{bound: datetime(2026, 1, 1)})


def test_a_reader_that_reads_to_the_end_leaves_no_temporary_file(zip_path: Path, temporary_folder: Path) -> None:
    write_archive(zip_path, [row("a")], [row("b")])

    ids(zip_path)

    assert files_below(temporary_folder) == set()


def test_a_reader_that_stops_early_leaves_no_temporary_file(zip_path: Path, temporary_folder: Path) -> None:
    write_archive(zip_path, [row(f"{number:04d}") for number in range(1201)], [row("b")])

    for _ in iter_examples(zip_path):
        assert files_below(temporary_folder)
        break

    assert files_below(temporary_folder) == set()


def test_a_reader_that_meets_damage_leaves_no_temporary_file(
    zip_path: Path, temporary_folder: Path, tmp_path: Path
) -> None:
    [_, second] = write_archive(zip_path, [row("a")], [row("b")])
    view = write_odd_database(tmp_path / "view", "CREATE VIEW examples AS SELECT 'x' AS id")
    rewrite_member(zip_path, f"{second.chunk}.duckdb", view.read_bytes())

    with pytest.raises(ArchiveDamaged, match="no table 'examples'"):
        ids(zip_path)

    assert files_below(temporary_folder) == set()


def read_into_memory(zip_path: Path) -> None:
    with duckdb.connect() as connection:
        load_into(connection, zip_path)


@pytest.mark.parametrize("read", [ids, read_into_memory])
def test_a_chunk_that_is_no_database_is_damage(zip_path: Path, read: Callable[[Path], object]) -> None:
    [chunk] = write_archive(zip_path, [row("a")])
    rewrite_member(zip_path, f"{chunk.chunk}.duckdb", b"garbage" * 1000)

    with pytest.raises(ArchiveDamaged, match="DuckDB does not open it"):
        read(zip_path)


def test_two_readers_of_one_archive_do_not_disturb_each_other(zip_path: Path) -> None:
    write_archive(zip_path, [row("a")], [row("b")])

    pairs = zip(iter_examples(zip_path), iter_examples(zip_path), strict=True)

    assert [(one["id"], other["id"]) for one, other in pairs] == [("a", "a"), ("b", "b")]


# --- load_into -------------------------------------------------------------------------------------------------------


def test_all_chunks_are_merged_into_one_table(zip_path: Path) -> None:
    write_archive(zip_path, [row("a"), row("b", task="first")], [row("b", task="second"), row("c")])

    with duckdb.connect() as connection:
        added = load_into(connection, zip_path)
        found = connection.execute("SELECT id, task FROM examples ORDER BY id").fetchall()

    assert added == 3
    assert found == [("a", "shop"), ("b", "first"), ("c", "shop")]


def test_the_made_table_has_the_columns_of_an_example(zip_path: Path) -> None:
    write_archive(zip_path, [row("a")])

    with duckdb.connect() as connection:
        load_into(connection, zip_path)
        columns = connection.execute("SELECT column_name, column_type FROM (DESCRIBE examples)").fetchall()

    assert columns == list(COLUMNS.items())


def test_loading_twice_adds_nothing(zip_path: Path) -> None:
    write_archive(zip_path, [row("a")], [row("b")])

    with duckdb.connect() as connection:
        assert load_into(connection, zip_path) == 2
        assert load_into(connection, zip_path) == 0


def test_rows_that_are_there_already_stay_as_they_are(zip_path: Path) -> None:
    write_archive(zip_path, [row("a", task="archived"), row("b")])

    with duckdb.connect() as connection:
        create_examples_table(connection, "mine")
        insert(connection, [row("a", task="mine")], table="mine")
        added = load_into(connection, zip_path, table="mine")
        found = connection.execute("SELECT id, task FROM mine ORDER BY id").fetchall()

    assert added == 1
    assert found == [("a", "mine"), ("b", "shop")]


def test_a_table_with_further_columns_is_filled_too(zip_path: Path) -> None:
    write_archive(zip_path, [row("a")])

    with duckdb.connect() as connection:
        load_into(connection, zip_path)
        connection.execute("ALTER TABLE examples ADD COLUMN split VARCHAR DEFAULT 'train'")
        connection.execute("DELETE FROM examples")
        load_into(connection, zip_path)
        assert connection.execute("SELECT id, split FROM examples").fetchall() == [("a", "train")]


def test_a_table_without_a_key_gets_each_id_once_too(zip_path: Path) -> None:
    write_archive(zip_path, [row("a")], [row("a"), row("b")])
    with duckdb.connect() as connection:
        create_examples_table(connection, "keyed")
        connection.execute("CREATE TABLE examples AS FROM keyed")

        assert (load_into(connection, zip_path), load_into(connection, zip_path)) == (2, 0)


def test_loading_leaves_nothing_attached_and_no_temporary_file(zip_path: Path, temporary_folder: Path) -> None:
    write_archive(zip_path, [row("a")])

    with duckdb.connect() as connection:
        load_into(connection, zip_path)
        attached = "SELECT database_name FROM duckdb_databases() WHERE NOT internal"
        assert connection.execute(attached).fetchall() == [("memory",)]

    assert files_below(temporary_folder) == set()


def test_a_chunk_without_a_sidecar_is_not_loaded(zip_path: Path) -> None:
    [chunk] = write_archive(zip_path, [row("a")])
    rewrite_member(zip_path, f"{chunk.chunk}.json", None)

    with duckdb.connect() as connection, pytest.raises(ArchiveDamaged, match="has no sidecar"):
        load_into(connection, zip_path)
