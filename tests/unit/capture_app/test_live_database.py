"""The one DuckDB file: its lock, its life and its rotation."""

import threading
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from capture_app.duckdb_files import STORAGE_VERSION, count_rows, quoted
from capture_app.example import COLUMNS
from capture_app.exceptions import LiveDatabaseBusy, LiveDatabaseError
from capture_app.live_database import (
    RECORD_ERRORS,
    create_live_database,
    fresh_path,
    generation,
    ingest,
    live_session,
    lock_live_database,
    lock_path,
    records,
)
from tests.unit.capture_app.captured import example
from tests.unit.capture_app.processes import in_child


@pytest.fixture
def path(data_dir: Path) -> Path:
    return data_dir / "live.duckdb"


def put(path: Path, *ids: str) -> int:
    """Store examples with these ids; how many were new."""
    lines = path.with_name("records.jsonl")
    with lock_live_database(path) as live, live.connect() as connection:
        lines.write_bytes(b"".join(example(id=each).to_json_line() for each in ids))
        return ingest(connection, records([lines]))


def generation_of(path: Path) -> str:
    with lock_live_database(path) as live, live.connect(read_only=True) as connection:
        return generation(connection)


def rows(path: Path) -> int:
    with lock_live_database(path) as live:
        return live.count_rows()


def rotated(path: Path, name: str = "sealed.duckdb") -> Path:
    fresh, sealed = create_live_database(fresh_path(path)), path.with_name(name)
    with lock_live_database(path) as live:
        live.rotate(sealed, fresh)
    return sealed


# --- The lock ----------------------------------------------------------------------------------------------------


def test_the_lock_lies_beside_the_database(path: Path) -> None:
    with lock_live_database(path):
        assert lock_path(path) == path.with_name("live.duckdb.lock")
        assert lock_path(path).exists()


def test_a_lock_that_is_held_makes_others_busy_after_their_time(path: Path) -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lock_live_database(path):
            held.set()
            done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    try:
        with pytest.raises(LiveDatabaseBusy, match="safe in the inbox"), lock_live_database(path, timeout=0.01):
            pass
    finally:
        done.set()
        holder.join()


def test_another_process_is_kept_out_too(path: Path) -> None:
    def attempt() -> str:
        try:
            with lock_live_database(path, timeout=0.01):
                return "locked"
        except LiveDatabaseBusy:
            return "busy"

    with lock_live_database(path):
        assert in_child(attempt) == "busy"


def test_the_lock_is_free_again_after_an_error(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lock_live_database(path):
        _ = 1 / 0

    with lock_live_database(path, timeout=0.01) as live:
        assert live.path == path


def test_the_lock_makes_the_folder(path: Path) -> None:
    with lock_live_database(path):
        assert path.parent.is_dir()


# --- The file ----------------------------------------------------------------------------------------------------


def test_a_missing_database_has_no_rows_and_is_not_made_for_that(path: Path) -> None:
    assert rows(path) == 0
    assert not path.exists()


def test_a_database_is_made_when_it_is_used(path: Path) -> None:
    with lock_live_database(path) as live, live.connect() as connection:
        found = connection.execute("DESCRIBE live.examples").fetchall()

    assert {name: kind for name, kind, *_ in found} == COLUMNS
    assert {name for name, _, _, key, *_ in found if key == "PRI"} == {"id"}


def test_nothing_of_its_making_is_left_behind(path: Path) -> None:
    put(path, "a")

    assert not path.with_name("live.duckdb.wal").exists()
    assert not fresh_path(path).exists()


def test_a_database_that_was_left_half_made_is_no_obstacle(path: Path) -> None:
    path.parent.mkdir(parents=True)
    fresh_path(path).touch()

    assert put(path, "a") == 1


def test_a_path_with_a_quote_in_it_is_a_path_like_any(data_dir: Path) -> None:
    path = data_dir / "it's here" / "the 'live' one.duckdb"

    assert put(path, "a", "b") == 2
    assert rows(path) == 2
    assert generation_of(rotated(path, "it's sealed.duckdb"))


def test_older_releases_of_duckdb_can_open_it(path: Path) -> None:
    put(path, "a")

    with lock_live_database(path) as live, live.connect(read_only=True) as connection:
        [(tags,)] = connection.execute("SELECT tags FROM duckdb_databases() WHERE database_name = 'live'").fetchall()
    assert tags["storage_version"].startswith(STORAGE_VERSION)


def test_read_only_changes_nothing(path: Path) -> None:
    put(path, "a")

    with (
        pytest.raises(LiveDatabaseError, match="read-only"),
        lock_live_database(path) as live,
        live.connect(read_only=True) as connection,
    ):
        connection.execute("DELETE FROM live.examples")

    assert rows(path) == 1


@pytest.mark.parametrize("content", [b"", b"no database at all" * 1000], ids=["empty", "foreign"])
def test_a_damaged_database_is_an_error_that_says_what_is_safe(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)

    with pytest.raises(LiveDatabaseError, match="Captured calls are safe in the inbox"):
        rows(path)


def test_a_damaged_database_is_left_as_it_is(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all")

    with pytest.raises(LiveDatabaseError):
        put(path, "a")

    assert path.read_bytes() == b"no database at all"


def test_no_extension_is_fetched_from_the_network(path: Path) -> None:
    path.parent.mkdir(parents=True)

    with live_session(path.parent) as connection:
        options = connection.execute(
            "SELECT current_setting('autoinstall_known_extensions'), current_setting('autoload_known_extensions')"
        ).fetchall()

    assert options == [(False, False)]


def test_memory_is_bounded_by_the_setting(path: Path, capture: Callable[..., None]) -> None:
    capture(MEMORY_MB=100)
    path.parent.mkdir(parents=True)

    with live_session(path.parent) as connection:
        assert connection.execute("SELECT current_setting('memory_limit')").fetchall() == [("95.3 MiB",)]


# --- Ingest ------------------------------------------------------------------------------------------------------


def test_an_id_that_is_there_already_is_passed_over(path: Path) -> None:
    put(path, "a", "b")

    assert put(path, "b", "c") == 1
    assert rows(path) == 3


def test_an_id_that_comes_twice_in_one_file_is_stored_once(path: Path) -> None:
    assert put(path, "a", "a") == 1


def test_a_bad_record_stores_nothing_of_its_file(path: Path) -> None:
    lines = path.with_name("records.jsonl")

    path.parent.mkdir(parents=True)
    lines.write_bytes(example(id="a").to_json_line() + b'{"id": torn')

    with (
        lock_live_database(path) as live,
        live.connect() as connection,
        pytest.raises(RECORD_ERRORS),
    ):
        ingest(connection, records([lines]))

    assert rows(path) == 0


# --- Generation and rotation -------------------------------------------------------------------------------------


def test_the_generation_stays_while_the_database_does(path: Path) -> None:
    put(path, "a")
    before = generation_of(path)
    put(path, "b")

    assert before
    assert generation_of(path) == before


def test_rotation_takes_the_rows_away_and_leaves_none(path: Path) -> None:
    put(path, "a", "b")

    sealed = rotated(path)

    assert (rows(sealed), rows(path)) == (2, 0)


def test_the_generation_goes_with_the_sealed_database(path: Path) -> None:
    put(path, "a")
    before = generation_of(path)

    sealed = rotated(path)

    assert generation_of(sealed) == before
    assert generation_of(path) not in ("", before)


def test_a_fresh_database_takes_records_at_once(path: Path) -> None:
    put(path, "a")
    rotated(path)

    assert put(path, "a") == 1


def test_rotation_leaves_nothing_else_behind(path: Path) -> None:
    put(path, "a")
    sealed = rotated(path)

    assert {file.name for file in path.parent.glob("*.duckdb*")} == {path.name, lock_path(path).name, sealed.name}
    assert not fresh_path(path).exists()


def test_what_a_killed_process_left_in_the_write_ahead_log_is_rotated_too(path: Path) -> None:
    put(path, "a")
    leave_in_log(path, "b")
    assert path.with_name("live.duckdb.wal").exists()

    sealed = rotated(path)

    assert not path.with_name("live.duckdb.wal").exists()
    assert (rows(sealed), rows(path)) == (2, 0)


def leave_in_log(path: Path, example_id: str) -> None:
    """Insert as a process that dies before its checkpoint: committed, but only to the write-ahead log."""
    connection = duckdb.connect(":memory:")
    connection.execute(f"ATTACH {quoted(str(path))} AS live")
    connection.execute("PRAGMA disable_checkpoint_on_shutdown")
    connection.execute("INSERT INTO live.examples (id) VALUES (?)", [example_id])
    connection.close()


def test_counting_sees_what_is_only_in_the_write_ahead_log(path: Path) -> None:
    put(path, "a")
    leave_in_log(path, "b")

    assert rows(path) == 2


def test_a_database_may_be_opened_by_a_fork(path: Path) -> None:
    put(path, "a")

    in_child(lambda: put(path, "b"))

    with lock_live_database(path) as live, live.connect(read_only=True) as connection:
        assert count_rows(connection, "live.examples") == 2
