"""What is readable of a ZIP is brought over, whatever its damage; what is not is named."""

import io
import json
import os
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import duckdb
import pytest

from capture_app.duckdb_files import create_examples_table
from capture_app.example import COLUMNS
from capture_app.models import ForgottenExample
from tests.unit.training_archive.material import (
    change_sidecar,
    files_below,
    members_of,
    rewrite_member,
)
from tests.unit.training_archive.repairing import FIRST, SECOND, flip, ids, lost, new_zip, overwrite, place_of, repaired
from training_archive.chunks import Sidecar
from training_archive.compaction import compact
from training_archive.reader import iter_chunks, iter_examples
from training_archive.services.repair import repair_archive
from training_archive.zip_writer import append_chunk

pytestmark = pytest.mark.django_db

LARGE = "llm_training_chunk_large"
LARGE_ROWS = 20_000


@pytest.fixture(scope="module")
def large_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ZIP with one chunk of several blocks of deflate and of DuckDB, whose texts hardly compress."""
    folder = tmp_path_factory.mktemp("large")
    sealed, chunk = folder / "sealed.duckdb", folder / f"{LARGE}.duckdb"
    values = {
        "id": "'id' || lpad(i::VARCHAR, 6, '0')",
        "prompt_text": " || ".join(f"md5((i * 31 + {n})::VARCHAR)" for n in range(16)),
        "metadata": "'{}'",
        "slot_specs": "'{}'",
        "input_tokens": "1",
        "output_tokens": "1",
        "latency_ms": "1",
        "created_at": "TIMESTAMP '2026-01-01'",
    }
    columns = ", ".join(values.get(name, "'x'") for name in COLUMNS)
    with duckdb.connect(str(sealed)) as connection:
        create_examples_table(connection, "examples")
        connection.execute(f"INSERT INTO examples SELECT {columns} FROM range({LARGE_ROWS}) AS made(i)")
    path = folder / "archive.zip"
    append_chunk(path, chunk, compact(sealed, chunk, scratch=folder), compresslevel=6)
    return path


@pytest.fixture
def large(large_made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(large_made, tmp_path / "archive.zip"))


# --- The directory ---------------------------------------------------------------------------------------------------


def test_without_a_directory_every_member_is_found_by_its_head(damaged: Path) -> None:
    whole = members_of(damaged)
    with zipfile.ZipFile(damaged) as archive:
        start = archive.start_dir
    os.truncate(damaged, start)

    result = repaired(damaged)

    assert members_of(new_zip(result)) == whole
    assert [(loss.member, loss.rows) for loss in result.lost] == [("", None)]
    assert "nothing tells whether more followed" in result.lost[0].reason


def test_a_directory_of_which_a_byte_is_wrong_loses_nothing(damaged: Path) -> None:
    whole = members_of(damaged)
    with zipfile.ZipFile(damaged) as archive:
        start = archive.start_dir
    flip(damaged, start)

    result = repaired(damaged)

    assert (members_of(new_zip(result)), result.lost, result.mended) == (whole, [], [])


@pytest.mark.parametrize("where", ["in the directory", "at the member"])
def test_a_name_that_is_wrong_in_one_place_is_taken_from_the_other(damaged: Path, where: str) -> None:
    whole = members_of(damaged)
    content, name = damaged.read_bytes(), f"{FIRST}.duckdb".encode()
    flip(damaged, (content.rindex(name) if where == "in the directory" else content.index(name)) + len(FIRST) - 1)

    result = repaired(damaged)

    assert (members_of(new_zip(result)), result.lost) == (whole, [])


@pytest.mark.parametrize("byte", [0, 8, 14, 18, 26], ids=["signature", "method", "CRC", "size", "length of the name"])
def test_the_head_of_a_member_can_be_wrong_when_the_directory_is_right(damaged: Path, byte: int) -> None:
    whole = members_of(damaged)
    flip(damaged, place_of(damaged, f"{SECOND}.duckdb")[0] + byte)

    result = repaired(damaged)

    assert (members_of(new_zip(result)), result.lost) == (whole, [])


def test_the_first_sound_one_of_two_members_of_a_name_is_kept_and_the_other_named(damaged: Path) -> None:
    with zipfile.ZipFile(damaged, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(f"{FIRST}.duckdb", b"another")

    result = repaired(damaged)

    assert ids(new_zip(result)) == ["a", "b", "c"]
    assert lost(result) == {f"{FIRST}.duckdb": None}
    assert "same name" in result.lost[0].reason


def test_what_was_taken_out_of_the_directory_is_not_brought_back(damaged: Path) -> None:
    with zipfile.ZipFile(damaged, "a") as archive:
        del archive.filelist[:2]  # the first chunk's bytes stay, as a forgotten one's might
        archive.writestr("more.txt", b"")

    assert ids(new_zip(repaired(damaged))) == ["c"]


def test_members_of_a_streamed_zip_are_found_although_their_heads_have_no_sizes(damaged: Path) -> None:
    class Stream(io.BytesIO):
        def seekable(self) -> bool:
            return False

    target, whole = Stream(), members_of(damaged)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in whole.items():
            archive.writestr(name, content)
        start = archive.start_dir
    damaged.write_bytes(target.getvalue()[:start] + b"PK\x01\x02")

    result = repaired(damaged)

    assert (members_of(new_zip(result)), result.lost) == (whole, [])


def test_the_chunks_stay_in_the_order_in_which_they_lie(damaged: Path) -> None:
    members = members_of(damaged)
    with zipfile.ZipFile(damaged, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (f"{SECOND}.duckdb", f"{SECOND}.json", f"{FIRST}.duckdb"):
            archive.writestr(name, members[name])

    assert [sidecar.chunk for sidecar in iter_chunks(new_zip(repaired(damaged)))] == [SECOND, FIRST]


# --- Sidecars --------------------------------------------------------------------------------------------------------


def test_a_missing_sidecar_is_made_anew_from_the_chunk(damaged: Path) -> None:
    old = next(iter_chunks(damaged))
    chunk = members_of(damaged)[f"{FIRST}.duckdb"]
    rewrite_member(damaged, f"{FIRST}.json", None)

    result = repaired(damaged)

    new = next(iter_chunks(new_zip(result)))
    assert members_of(new_zip(result))[f"{FIRST}.duckdb"] == chunk
    assert replace_time(new) == replace_time(old)
    assert [mended.member for mended in result.mended] == [f"{FIRST}.json"]
    assert result.lost == []


def replace_time(sidecar: Sidecar) -> dict[str, object]:
    return {**json.loads(sidecar.to_json()), "created_at": ""}


@pytest.mark.parametrize(
    "lie", [{"rows": "many"}, {"sha256": "0" * 64}, {"size": 1}, {"rows": 1}], ids=["type", "SHA-256", "size", "rows"]
)
def test_a_sidecar_that_is_wrong_keeps_what_it_says_of_the_chunks_history(
    damaged: Path, lie: dict[str, object]
) -> None:
    history = {
        "generation": "20251231",
        "created_at": "2026-01-02T05:00:00+00:00",
        "forgotten_rows": 3,
        "merged_from": [{"chunk": FIRST, "generation": "20251231", "rows": 2, "sha256": "f" * 64}],
    }
    old = change_sidecar(damaged, {**history, **lie})

    result = repaired(damaged)

    new = json.loads(next(iter_chunks(new_zip(result))).to_json())
    assert new == {**json.loads(old.to_json()), **history}
    assert result.lost == []


def test_a_history_in_the_wrong_form_is_not_kept(damaged: Path) -> None:
    change_sidecar(damaged, {"generation": 5, "merged_from": ["x"], "rows": None, "forgotten_rows": 2})

    new = next(iter_chunks(new_zip(repaired(damaged))))

    assert (new.generation, new.merged_from, new.forgotten_rows) == (FIRST, [], 2)


def test_a_chunk_that_holds_fewer_examples_than_its_sidecar_tells_is_saved_and_the_loss_named(damaged: Path) -> None:
    change_sidecar(damaged, {"rows": 7})

    result = repaired(damaged)

    assert ids(new_zip(result)) == ["a", "b", "c"]
    assert lost(result) == {f"{FIRST}.duckdb": 5}


def test_a_sidecar_without_its_chunk_tells_how_much_is_lost(damaged: Path) -> None:
    rewrite_member(damaged, f"{FIRST}.duckdb", None)

    result = repaired(damaged)

    assert ids(new_zip(result)) == ["c"]
    assert lost(result) == {f"{FIRST}.json": 2}


# --- Any damage ------------------------------------------------------------------------------------------------------


def bits_flipped(content: bytearray, random: Random) -> None:
    for _ in range(random.randrange(1, 20)):
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)


def head_changed(content: bytearray, random: Random) -> None:
    places = [place for place in range(len(content) - 30) if content[place : place + 2] == b"PK"]
    content[random.choice(places) + random.randrange(30)] ^= 1 << random.randrange(8)


def zeroed(content: bytearray, random: Random) -> None:
    begin = random.randrange(len(content) - 1000)
    content[begin : begin + 1000] = bytes(1000)


def something_inserted(content: bytearray, random: Random) -> None:
    place = random.randrange(len(content))
    content[place:place] = random.randbytes(30)


def something_taken_out(content: bytearray, random: Random) -> None:
    place = random.randrange(len(content))
    del content[place : place + 30]


def cut_off(content: bytearray, random: Random) -> None:
    del content[random.randrange(len(content)) :]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "damage", [bits_flipped, head_changed, zeroed, something_inserted, something_taken_out, cut_off]
)
def test_whatever_the_damage_each_example_is_saved_or_its_loss_is_told(
    damaged: Path, damage: Callable[[bytearray, Random], None], seed: int
) -> None:
    content = bytearray(damaged.read_bytes())
    damage(content, Random(seed))
    damaged.write_bytes(content)

    results = repair_archive(zip_path=damaged).repaired

    path = results[0].repaired if results else damaged
    saved = ids(path) if path else []
    assert set(saved) <= {"a", "b", "c"}
    assert len(saved) == 3 or results[0].lost


def test_a_directory_that_points_elsewhere_does_not_make_two_members_of_one(damaged: Path) -> None:
    whole = members_of(damaged)
    with zipfile.ZipFile(damaged) as archive:
        last_byte_of_the_offset = archive.start_dir + 46 - 1
    flip(damaged, last_byte_of_the_offset)

    result = repaired(damaged)

    assert (members_of(new_zip(result)), result.lost) == (whole, [])


# --- Damaged chunks --------------------------------------------------------------------------------------------------


def test_a_chunk_of_which_nothing_is_left_is_named_and_the_others_are_saved(damaged: Path) -> None:
    begin, end = place_of(damaged, f"{FIRST}.duckdb")
    overwrite(damaged, begin + 100, bytes(end - begin - 200))

    result = repaired(damaged)

    assert ids(new_zip(result)) == ["c"]
    assert lost(result) == {f"{FIRST}.duckdb": 2}


def test_behind_a_damaged_place_the_rest_of_a_chunk_is_read_again(large: Path) -> None:
    begin, end = place_of(large, f"{LARGE}.duckdb")
    overwrite(large, begin + (end - begin) // 3, os.urandom(200))

    result = repaired(large)

    [chunk] = result.chunks
    assert LARGE_ROWS // 2 < chunk.rows < LARGE_ROWS
    assert lost(result) == {f"{LARGE}.duckdb": LARGE_ROWS - chunk.rows}
    assert len(set(ids(new_zip(result)))) == chunk.rows
    assert chunk.chunk == LARGE


def test_a_flipped_bit_of_a_stored_chunk_costs_only_the_rows_near_it(large: Path) -> None:
    members = members_of(large)
    with zipfile.ZipFile(large, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    begin, end = place_of(large, f"{LARGE}.duckdb")
    flip(large, begin + (end - begin) // 2)

    [chunk] = repaired(large).chunks

    assert LARGE_ROWS - chunk.rows <= 3 * 2048


def test_the_rows_that_are_saved_are_what_they_were(large: Path) -> None:
    whole = {example["id"]: example["prompt_text"] for example in iter_examples(large)}
    begin, end = place_of(large, f"{LARGE}.duckdb")
    flip(large, begin + (end - begin) // 2)

    saved = {example["id"]: example["prompt_text"] for example in iter_examples(new_zip(repaired(large)))}

    assert saved.items() <= whole.items()
    assert len(saved) > LARGE_ROWS // 2


def test_who_asked_to_be_forgotten_does_not_come_back_with_the_rows_that_are_saved(large: Path) -> None:
    ForgottenExample.objects.bulk_create(ForgottenExample(pk=f"id{number:06d}") for number in range(0, LARGE_ROWS, 2))
    begin, end = place_of(large, f"{LARGE}.duckdb")
    flip(large, begin + (end - begin) // 2)

    saved = ids(new_zip(repaired(large)))

    assert saved
    assert all(int(name[2:]) % 2 for name in saved)


def test_a_damaged_chunk_whose_sealed_file_is_still_there_is_left_to_the_next_run(
    damaged: Path, data_dir: Path
) -> None:
    begin, end = place_of(damaged, f"{FIRST}.duckdb")
    overwrite(damaged, begin + 100, bytes(end - begin - 200))
    (data_dir / "sealed").mkdir(parents=True)
    (data_dir / "sealed" / f"{FIRST}.duckdb").write_bytes(b"")

    result = repaired(damaged)

    assert (ids(new_zip(result)), result.lost) == (["c"], [])
    assert "sealed file" in result.mended[0].what


def test_a_chunk_that_is_no_database_of_ours_is_named(damaged: Path) -> None:
    rewrite_member(damaged, f"{FIRST}.duckdb", b"no database " * 1000)

    result = repaired(damaged)

    assert ids(new_zip(result)) == ["c"]
    assert lost(result) == {f"{FIRST}.duckdb": 2}
    assert "DuckDB" in result.lost[0].reason


def test_a_file_that_is_no_zip_at_all_gives_nothing_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "zips" / "archive.zip"
    path.parent.mkdir()
    path.write_bytes(b"no ZIP " * 1000)

    result = repaired(path)

    assert result.repaired is None
    assert lost(result) == {"": None}
    assert files_below(path.parent) == {"archive.zip", ".archive.zip.lock"}


# --- Bombs -----------------------------------------------------------------------------------------------------------


def test_a_bomb_is_named_and_not_inflated(damaged: Path) -> None:
    rewrite_member(damaged, f"{FIRST}.duckdb", bytes(2**27))
    rewrite_member(damaged, "zeros.bin", bytes(2**27))

    result = repaired(damaged)

    assert ids(new_zip(result)) == ["c"]
    assert {loss.member for loss in result.lost if "bomb" in loss.reason} == {f"{FIRST}.duckdb", "zeros.bin"}


def test_a_file_of_nothing_but_heads_comes_to_an_end(tmp_path: Path) -> None:
    path = tmp_path / "zips" / "archive.zip"
    path.parent.mkdir()
    head = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 8, 8, 0, 33, 0, 0, 0, 9, 0) + f"{FIRST}.duckdb".encode()[:9]
    path.write_bytes((b"PK\x03\x04" * 10 + head) * 5_000)

    assert repaired(path).repaired is None


# --- Other members ---------------------------------------------------------------------------------------------------


def test_files_of_another_kind_are_kept_when_they_are_readable_and_plainly_named(damaged: Path) -> None:
    names = ["README.txt", "../evil.txt", "/etc/cron.d/evil", "turned‮txt.exe", f"{FIRST}.duckdb.wal", "broken.txt"]
    with zipfile.ZipFile(damaged, "a") as archive:
        for name in names:
            archive.writestr(name, b"by hand, and long enough to be found again")
    flip(damaged, place_of(damaged, "broken.txt")[1] - 3)

    result = repaired(damaged)

    assert members_of(new_zip(result))["README.txt"].startswith(b"by hand")
    assert len(members_of(new_zip(result))) == 5
    assert lost(result).keys() == {"turned\\u202etxt.exe" if "‮" in name else name for name in names[1:]}
