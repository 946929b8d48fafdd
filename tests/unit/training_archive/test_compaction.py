"""Compaction: what a chunk keeps of a sealed database, and how it lies in it."""

import os
import signal
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from capture_app.example import COLUMNS
from capture_app.files import scratch_directory
from tests.unit.training_archive.material import NAME, Row, files_below, row, write_database
from training_archive import repeats
from training_archive.chunks import Sidecar
from training_archive.compaction import compact
from training_archive.exceptions import ArchiveDamaged


def chunk_from(tmp_path: Path, sealed: Path) -> tuple[Path, Sidecar]:
    chunk = tmp_path / f"{NAME}.duckdb"
    return chunk, compact(sealed, chunk, scratch=tmp_path)


def contents(path: Path, order: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(f"FROM examples ORDER BY {order}").fetchall()


# --- What it keeps ---------------------------------------------------------------------------------------------------


def test_a_chunk_has_the_fifteen_columns_and_nothing_else_of_its_database(tmp_path: Path) -> None:
    sealed = write_database(
        tmp_path / "sealed",
        [row("a")],
        statements=[
            "ALTER TABLE examples ADD COLUMN note VARCHAR DEFAULT 'private'",
            "CREATE TABLE secrets (key VARCHAR)",
            "CREATE VIEW latest AS FROM examples",
        ],
    )

    chunk, _ = chunk_from(tmp_path, sealed)

    with duckdb.connect(str(chunk), read_only=True) as connection:
        columns = connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE NOT internal"
        ).fetchall()
        tables = connection.execute("SELECT table_name FROM information_schema.tables").fetchall()
    assert columns == list(COLUMNS.items())
    assert tables == [("examples",)]


def test_the_id_of_a_chunk_is_its_primary_key(tmp_path: Path) -> None:
    chunk, _ = chunk_from(tmp_path, write_database(tmp_path / "sealed", [row("a")]))

    with duckdb.connect(str(chunk), read_only=True) as connection:
        keys = "SELECT constraint_column_names FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY'"
        assert connection.execute(keys).fetchall() == [(["id"],)]


def test_a_chunk_keeps_every_value(tmp_path: Path) -> None:
    sealed = write_database(tmp_path / "sealed", [row("a", prompt_text="snow ☃ \u2028 'quoted'\n"), row("b")])

    chunk, _ = chunk_from(tmp_path, sealed)

    contents = []
    for path in (sealed, chunk):
        with duckdb.connect(str(path), read_only=True) as connection:
            contents.append(connection.execute("FROM examples ORDER BY id").fetchall())
    assert contents[0] == contents[1]


def test_a_chunk_is_written_in_the_old_format_that_its_sidecar_names(tmp_path: Path) -> None:
    chunk, sidecar = chunk_from(tmp_path, write_database(tmp_path / "sealed", [row("a")]))

    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{chunk}' AS chunk (READ_ONLY)")
        query = "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'chunk'"
        [(version,)] = connection.execute(query).fetchall()
    assert sidecar.storage_version == "v1.2.0"
    assert version.startswith("v1.2.0")


def test_compacting_leaves_the_sealed_file_as_it_was(tmp_path: Path) -> None:
    sealed = write_database(tmp_path / "sealed", [row("a")])
    before = sealed.read_bytes()

    chunk_from(tmp_path, sealed)

    assert sealed.read_bytes() == before


def test_compacting_begins_anew_where_a_killed_run_left_half_a_chunk(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.duckdb").write_bytes(b"half")

    _, sidecar = chunk_from(tmp_path, write_database(tmp_path / "sealed", [row("a")]))

    assert sidecar.rows == 1


def test_a_path_with_quotes_is_only_a_path(tmp_path: Path) -> None:
    folder = tmp_path / "it's; DROP TABLE"
    sealed = write_database(folder / "sealed", [row("a")])

    _, sidecar = chunk_from(folder, sealed)

    assert sidecar.rows == 1


def test_a_sealed_file_that_is_no_database_is_reported_and_left_alone(tmp_path: Path) -> None:
    sealed = tmp_path / "sealed"
    sealed.write_bytes(b"no database" * 1000)

    with pytest.raises(ArchiveDamaged, match="It stays where it is"):
        chunk_from(tmp_path, sealed)
    assert sealed.read_bytes() == b"no database" * 1000


# --- Repeats ---------------------------------------------------------------------------------------------------------


def asked(prompts: Iterable[str | None], text: str = "") -> list[Row]:
    return [
        row(f"{number:06d}", prompt_hash=prompt, prompt_text=f"{prompt}{text}") for number, prompt in enumerate(prompts)
    ]


def test_calls_that_asked_the_same_lie_side_by_side(tmp_path: Path) -> None:
    sealed = write_database(tmp_path / "sealed", asked("abcxdaebxc"))

    chunk, _ = chunk_from(tmp_path, sealed)

    prompts = "".join(str(values[list(COLUMNS).index("prompt_hash")]) for values in contents(chunk, "rowid"))
    assert prompts == "de" + "aabbccxx"
    assert contents(chunk, "id") == contents(sealed, "id")


@pytest.mark.parametrize("prompts", ["", "abcdef", "aaaaaa", [None, None, "a"], [None]])
def test_repeats_or_none_every_example_is_there(tmp_path: Path, prompts: Iterable[str | None]) -> None:
    sealed = write_database(tmp_path / "sealed", asked(prompts))

    chunk, _ = chunk_from(tmp_path, sealed)

    assert contents(chunk, "id") == contents(sealed, "id")


def test_a_prompt_that_is_everywhere_is_left_where_it_is(tmp_path: Path) -> None:
    sealed = write_database(tmp_path / "sealed", asked("baaaaaxaaaaaba"))

    chunk, _ = chunk_from(tmp_path, sealed)

    prompts = "".join(str(values[list(COLUMNS).index("prompt_hash")]) for values in contents(chunk, "rowid"))
    assert prompts == "aaaaaxaaaaaa" + "bb"


@pytest.mark.parametrize("folder", ["[a] *", "it's {a,b} %20", "part=7", "line\nbreak", "Übung ☃"])
def test_repeats_are_found_whatever_the_folder_is_called(tmp_path: Path, folder: str) -> None:
    sealed = write_database(tmp_path / folder / "sealed", asked("abab"))

    chunk, _ = chunk_from(tmp_path / folder, sealed)

    assert contents(chunk, "id") == contents(sealed, "id")


def test_a_compaction_that_is_killed_leaves_nothing_beyond_its_scratch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = write_database(tmp_path / "sealed" / f"{NAME}.duckdb", asked("abab"))
    before = sealed.read_bytes(), files_below(tmp_path)

    child = os.fork()
    if not child:
        monkeypatch.setattr(repeats, "_sorted", lambda files: os.kill(os.getpid(), signal.SIGKILL))
        with scratch_directory(tmp_path) as scratch:
            compact(sealed, scratch / sealed.name, scratch=scratch)
    os.waitpid(child, 0)
    left = {name for name in files_below(tmp_path) - before[1] if name.endswith(".parquet")}
    with scratch_directory(tmp_path) as scratch:
        compact(sealed, scratch / sealed.name, scratch=scratch)

    assert left
    assert (sealed.read_bytes(), files_below(tmp_path)) == (before[0], before[1] | {"tmp"})


def test_repeats_beyond_what_is_sorted_at_once_are_parted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "_PART_BYTES", 20_000)
    often = ["often"] * 400
    sealed = write_database(tmp_path / "sealed", asked([*(str(n % 100) for n in range(300)), *often], "x" * 1000))

    chunk, _ = chunk_from(tmp_path, sealed)

    prompts = [values[list(COLUMNS).index("prompt_hash")] for values in contents(chunk, "rowid")]
    runs = sum(before != after for before, after in pairwise(prompts))
    assert runs < 150  # in the order of time there are 300
    assert contents(chunk, "id") == contents(sealed, "id")
    assert sorted(path.name for path in tmp_path.iterdir()) == [chunk.name, "sealed"]


def test_side_by_side_a_repeat_costs_next_to_nothing(tmp_path: Path) -> None:
    """Whatever lies between the two: more than zstd sees at a time."""
    script = """
        INSERT INTO examples (id, prompt_hash, prompt_text)
        SELECT printf('%06d', n), printf('%d', n % {prompts}), list_aggregate(
            list_transform(range(100), lambda part: md5(printf('%d %d', n % {prompts}, part))), 'string_agg', '')
        FROM range(6000) AS numbers (n)"""
    sizes = []
    for prompts in (6000, 3000):
        folder = tmp_path / str(prompts)
        sealed = write_database(folder / "sealed", statements=[script.format(prompts=prompts)])
        sizes.append(chunk_from(folder, sealed)[1].size)

    assert sizes[1] < 0.6 * sizes[0]


def test_nothing_of_the_rewriting_stays_in_the_file(tmp_path: Path) -> None:
    sealed = write_database(tmp_path / "sealed", asked([*map(str, range(3000)), *map(str, range(1000))]))

    chunk, _ = chunk_from(tmp_path, sealed)

    with duckdb.connect(str(chunk), read_only=True) as connection:
        assert connection.execute("SELECT free_blocks FROM pragma_database_size()").fetchall() == [(0,)]
