"""Chunks: their names, their sidecars, and which are opened."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture_app.duckdb_files import duckdb_session
from capture_app.example import COLUMNS
from tests.unit.training_archive.material import NAME, row, sidecar_of, write_database, write_odd_database
from training_archive.chunks import Sidecar, attach_chunk, check_chunk, chunk_name, is_chunk_name
from training_archive.compaction import compact
from training_archive.exceptions import ArchiveDamaged

MOMENT = datetime(2026, 3, 8, 10, 0, 0, 7, UTC)

moments = st.datetimes(min_value=datetime(1980, 1, 1), timezones=st.just(UTC))


def chunk_from(tmp_path: Path, sealed: Path) -> tuple[Path, Sidecar]:
    chunk = tmp_path / f"{NAME}.duckdb"
    return chunk, compact(sealed, chunk, scratch=tmp_path)


# --- Names -----------------------------------------------------------------------------------------------------------


def test_a_name_is_the_utc_time_in_microseconds_whatever_the_zone() -> None:
    in_chicago = MOMENT.astimezone(ZoneInfo("America/Chicago"))

    assert chunk_name(in_chicago, []) == "llm_training_chunk_20260308T100000_000007Z"


@given(st.lists(moments, unique=True))
def test_names_sort_as_their_times_do(times: list[datetime]) -> None:
    assert sorted(chunk_name(time, []) for time in times) == [chunk_name(time, []) for time in sorted(times)]


def test_names_from_one_microsecond_differ_and_sort_in_the_order_of_their_making() -> None:
    first = chunk_name(MOMENT, [])
    second = chunk_name(MOMENT, [first])
    third = chunk_name(MOMENT, [first, second])

    assert [first, second, third] == sorted({first, second, third})


@given(st.lists(moments, min_size=1))
def test_a_clock_that_steps_back_repeats_no_name(times: list[datetime]) -> None:
    taken: list[str] = []
    for time in [*times, *times]:
        taken.append(chunk_name(time, taken))

    assert len(set(taken)) == len(taken)


def test_every_name_that_is_made_is_a_chunk_name() -> None:
    first = chunk_name(MOMENT, [])

    assert is_chunk_name(first)
    assert is_chunk_name(chunk_name(MOMENT, [first]))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "llm_training_chunk_",
        "../llm_training_chunk_1",
        "/llm_training_chunk_1",
        "llm_training_chunk_/1",
        "llm_training_chunk_../../1",
        "llm_training_chunk_..\\1",
        "llm_training_chunk_C:1",
        "llm_training_chunk_1.duckdb",
        "llm_training_chunk_1 ",
        "llm_training_chunk_1\n",
        "llm_training_chunk_1\0",
        "llm_training_chunk_\u0661",  # a digit, but no ASCII one
        "LLM_TRAINING_CHUNK_1",
        "llm_training_chunk_" + "1" * 101,
    ],
)
def test_a_name_that_could_lead_elsewhere_is_no_chunk_name(name: str) -> None:
    assert not is_chunk_name(name)


# --- Sidecars --------------------------------------------------------------------------------------------------------


def test_a_sidecar_counts_rows_by_task_provider_and_model(tmp_path: Path) -> None:
    rows = [row("a", task="shop", model_name="m"), row("b", task="shop", provider="p"), row("c", task=None)]

    _, sidecar = chunk_from(tmp_path, write_database(tmp_path / "sealed", rows))

    assert sidecar.rows == 3
    assert sidecar.rows_per_task == {"shop": 2, "": 1}
    assert sidecar.rows_per_provider == {"offline": 2, "p": 1}
    assert sidecar.rows_per_model == {"offline-extract": 2, "m": 1}


def test_a_sidecar_says_from_when_to_when_in_utc(tmp_path: Path) -> None:
    rows = [
        row("a", created_at=datetime(2026, 1, 2, 3, 4, 5, 6)),
        row("b", created_at=datetime(2025, 12, 31)),
        row("c", created_at=None),
    ]

    _, sidecar = chunk_from(tmp_path, write_database(tmp_path / "sealed", rows))

    assert sidecar.first_created_at == "2025-12-31T00:00:00+00:00"
    assert sidecar.last_created_at == "2026-01-02T03:04:05.000006+00:00"


def test_a_sidecar_identifies_the_chunk_file(tmp_path: Path) -> None:
    chunk, sidecar = chunk_from(tmp_path, write_database(tmp_path / "sealed" / f"{NAME}.duckdb", [row("a")]))

    assert sidecar.chunk == NAME
    assert sidecar.size == chunk.stat().st_size
    assert sidecar.sha256 == hashlib.sha256(chunk.read_bytes()).hexdigest()
    assert sidecar.duckdb_version == duckdb.__version__


def test_the_generation_is_the_comment_of_the_sealed_table(tmp_path: Path) -> None:
    sealed = write_database(tmp_path / "sealed", statements=["COMMENT ON TABLE examples IS 'seventh'"])

    _, sidecar = chunk_from(tmp_path, sealed)

    assert sidecar.generation == "seventh"


def test_a_database_without_a_generation_takes_the_name_of_its_chunk(tmp_path: Path) -> None:
    _, sidecar = chunk_from(tmp_path, write_database(tmp_path / "sealed" / f"{NAME}.duckdb"))

    assert sidecar.generation == NAME


def test_a_sidecar_comes_back_from_its_json() -> None:
    sidecar = sidecar_of(b"chunk")

    assert Sidecar.from_json(sidecar.to_json()) == sidecar


def test_a_sidecar_of_a_later_version_is_read_without_its_new_keys() -> None:
    sidecar = sidecar_of(b"chunk")
    later = orjson.dumps({**orjson.loads(sidecar.to_json()), "colour": "blue"})

    assert Sidecar.from_json(later) == sidecar


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'"text"', b'{"chunk": "a"}', b"\xff"])
def test_what_is_no_sidecar_is_damage(content: bytes) -> None:
    with pytest.raises(ArchiveDamaged, match="sidecar"):
        Sidecar.from_json(content)


# --- Opening chunks --------------------------------------------------------------------------------------------------


def test_a_chunk_with_other_rows_than_its_sidecar_says_is_damaged(tmp_path: Path) -> None:
    path = write_database(tmp_path / "chunk", [row("a")])

    with pytest.raises(ArchiveDamaged, match="holds 1 rows, its sidecar says 2"):
        check_chunk(path, sidecar_of(b"", rows=2), scratch=tmp_path)


def test_a_chunk_that_duckdb_cannot_open_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "chunk"
    path.write_bytes(b"no database" * 1000)

    with pytest.raises(ArchiveDamaged, match="DuckDB does not open it"):
        check_chunk(path, sidecar_of(b""), scratch=tmp_path)


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("CREATE TABLE others (id VARCHAR)", "no table 'examples'"),
        ("CREATE VIEW examples AS FROM read_text('/etc/hostname')", "no table 'examples'"),
        ("CREATE SCHEMA hidden; CREATE TABLE hidden.examples (id VARCHAR)", "no table 'examples'"),
        ("CREATE TABLE examples (id VARCHAR PRIMARY KEY, task VARCHAR)", "lacks prompt_text, system_prompt"),
        (f"CREATE TABLE examples ({', '.join(f'{name} INTEGER' for name in COLUMNS)})", "or has it in another type"),
        (f"CREATE TABLE examples ({', '.join(map(' '.join, COLUMNS.items()))})", "no primary key 'id'"),
    ],
    ids=["no table", "a view", "another schema", "columns missing", "other types", "no primary key"],
)
def test_a_file_made_to_look_like_a_chunk_is_refused(tmp_path: Path, statement: str, problem: str) -> None:
    path = write_odd_database(tmp_path / "chunk", statement)

    with (
        duckdb_session(scratch=tmp_path, memory_mb=100) as connection,
        pytest.raises(ArchiveDamaged, match=problem),
    ):
        attach_chunk(connection, path, "chunk")


def test_an_attached_chunk_cannot_be_changed(tmp_path: Path) -> None:
    path = write_database(tmp_path / "chunk", [row("a")])

    with duckdb_session(scratch=tmp_path, memory_mb=100) as connection:
        attach_chunk(connection, path, "chunk")
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            connection.execute("DELETE FROM chunk.examples")
