"""Work that DuckDB lacks memory for is tried again with more; everything else is not."""

from pathlib import Path

import duckdb
import pytest

from capture_app.duckdb_files import duckdb_session, with_enough_memory
from capture_app.exceptions import LiveDatabaseError


def limits_tried(error: Exception, *, cause: Exception | None = None, enough: int = 8) -> list[int]:
    """The memory that work is given which fails so with less than `enough`, in MB."""
    tried: list[int] = []

    def work(memory_mb: int) -> None:
        tried.append(memory_mb)
        if memory_mb < enough:
            raise error from cause

    with_enough_memory(work, 1)
    return tried


@pytest.mark.parametrize(
    "error",
    [
        duckdb.OutOfMemoryException("Out of Memory Error: failed to offload data block of size 256.0 KiB"),
        duckdb.TransactionException(
            "TransactionContext Error: Failed to commit: could not allocate block of size 256.0 KiB (95.2 MiB/95.3 MiB "
            "used)"
        ),
        duckdb.FatalException(
            "FATAL Error: Failed to create checkpoint because of error: failed to pin block of size 256.0 KiB"
        ),
        duckdb.IOException("IO Error: failed to allocate data of size 16.0 MiB"),
        duckdb.InvalidInputException("Invalid Input Error: Out of Memory Error: could not allocate"),
    ],
    ids=["memory", "commit", "checkpoint", "data", "wrapped"],
)
def test_a_lack_of_memory_is_known_whatever_kind_of_error_reports_it(error: duckdb.Error) -> None:
    assert limits_tried(error) == [1, 2, 4, 8]


def test_a_lack_of_memory_is_known_behind_an_error_of_ours() -> None:
    cause = duckdb.OutOfMemoryException("Out of Memory Error: could not allocate block")

    assert limits_tried(LiveDatabaseError("It cannot be drained."), cause=cause) == [1, 2, 4, 8]


@pytest.mark.parametrize(
    "error",
    [
        duckdb.IOException("IO Error: Could not write file: No space left on device"),
        duckdb.ConstraintException("Constraint Error: Duplicate key"),
        LiveDatabaseError("could not allocate"),  # not DuckDB's word
        MemoryError("could not allocate"),
    ],
)
def test_any_other_error_is_raised_at_once(error: Exception) -> None:
    with pytest.raises(type(error)):
        limits_tried(error, enough=2)


def test_work_that_never_has_enough_is_given_32_times_as_much_and_no_more() -> None:
    tried: list[int] = []

    def work(memory_mb: int) -> None:
        tried.append(memory_mb)
        raise duckdb.OutOfMemoryException("Out of Memory Error: could not allocate block")

    with pytest.raises(duckdb.OutOfMemoryException):
        with_enough_memory(work, 3)

    assert tried == [3, 6, 12, 24, 48, 96]


def test_a_value_larger_than_the_memory_is_dealt_with(tmp_path: Path) -> None:
    """As DuckDB says it today, in one statement and in a commit to a file."""
    tried: list[int] = []

    def work(memory_mb: int) -> int:
        tried.append(memory_mb)
        with duckdb_session(scratch=tmp_path, memory_mb=memory_mb) as connection:
            connection.execute(f"ATTACH '{tmp_path / str(memory_mb)}' AS large")
            connection.execute("CREATE TABLE large.texts AS SELECT repeat('text', 5000000) AS text FROM range(2)")
            return len(connection.execute("FROM large.texts").fetchall())

    assert with_enough_memory(work, 16) == 2
    assert len(tried) > 1
