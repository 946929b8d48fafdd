"""What is readable of a damaged ZIP is saved into a new one; what is not is named."""

import io
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import orjson
import pytest
from django.core.management import CommandError, call_command

from tests.unit.training_archive.conftest import Killed
from tests.unit.training_archive.material import (
    chunk_file,
    files_below,
    rewrite_member,
)
from tests.unit.training_archive.repairing import FIRST, SECOND, flip, ids, place_of
from training_archive.exceptions import ArchiveBusy, ArchiveError
from training_archive.services import verify_archive
from training_archive.services.repair import repair_archive

pytestmark = pytest.mark.django_db


# --- Nothing to do, and refusals -------------------------------------------------------------------------------------


def test_a_sound_archive_needs_no_repair_and_gets_no_new_zip(damaged: Path) -> None:
    before = files_below(damaged.parent)

    report = repair_archive(zip_path=damaged)

    assert (report.repaired, report.sound) == ([], ["archive.zip"])
    assert files_below(damaged.parent) - before <= {".archive.zip.lock"}


def test_a_file_that_somebody_put_into_the_zip_is_no_reason_to_repair_it(damaged: Path) -> None:
    rewrite_member(damaged, "README.txt", b"by hand")

    assert repair_archive(zip_path=damaged).repaired == []


def test_an_archive_that_is_not_there_cannot_be_repaired(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="There is no archive"):
        repair_archive(zip_path=tmp_path / "archive.zip")


@pytest.mark.parametrize("by_name", [False, True])
def test_a_zip_that_is_there_already_is_not_overwritten(damaged: Path, by_name: bool) -> None:
    flip(damaged, place_of(damaged, f"{FIRST}.duckdb")[0] + 1000)
    there = damaged.with_name("archive.repaired.zip")
    there.write_bytes(b"of an earlier repair")

    with pytest.raises(ArchiveError, match="is there already"):
        repair_archive(zip_path=damaged, output=there if by_name else None)

    assert there.read_bytes() == b"of an earlier repair"


def test_a_new_zip_can_be_made_in_another_folder_or_under_another_name(damaged: Path, tmp_path: Path) -> None:
    flip(damaged, place_of(damaged, f"{FIRST}.json")[1] - 3)
    folder = tmp_path / "elsewhere"
    folder.mkdir()

    for output, expected in ((folder, folder / "archive.repaired.zip"), (folder / "x.zip", folder / "x.zip")):
        [result] = repair_archive(zip_path=damaged, output=output).repaired
        assert result.repaired == expected
        assert ids(expected) == ["a", "b", "c"]


def test_a_repair_waits_for_no_archive_run(
    damaged: Path, lock_elsewhere: Callable[[Path], AbstractContextManager[None]]
) -> None:
    with lock_elsewhere(damaged.with_name(".archive.zip.lock")), pytest.raises(ArchiveBusy):
        repair_archive(zip_path=damaged)


def test_only_the_damaged_one_of_several_zips_is_repaired(damaged: Path) -> None:
    dated = Path(shutil.copy(damaged, damaged.with_name("archive-20260101.zip")))
    os.truncate(dated, dated.stat().st_size - 30)

    report = repair_archive(zip_path=damaged)

    assert report.sound == ["archive.zip"]
    assert [result.repaired for result in report.repaired] == [dated.with_name("archive-20260101.repaired.zip")]


def test_several_damaged_zips_do_not_go_into_one_file(damaged: Path, tmp_path: Path) -> None:
    os.truncate(damaged, damaged.stat().st_size - 30)
    shutil.copy(damaged, damaged.with_name("archive-20260101.zip"))

    with pytest.raises(ArchiveError, match="name a folder"):
        repair_archive(zip_path=damaged, output=tmp_path / "one.zip")


@pytest.mark.parametrize("stage", ["saving chunks", f"reading {SECOND}"])
def test_an_interrupted_repair_leaves_nothing(damaged: Path, stage: str) -> None:
    os.truncate(damaged, damaged.stat().st_size - 30)
    before = files_below(damaged.parent) | {".archive.zip.lock"}

    def die(at: str, done: int, total: int) -> None:
        if at == stage:
            raise Killed

    with pytest.raises(Killed):
        repair_archive(zip_path=damaged, progress=die)

    assert files_below(damaged.parent) == before


def test_what_a_killed_repair_left_is_removed_by_the_next_run(damaged: Path) -> None:
    left = damaged.with_name(".archive.repaired.zip.appending")
    left.write_bytes(b"half a ZIP")

    repair_archive(zip_path=damaged)

    assert not left.exists()


# --- The command -----------------------------------------------------------------------------------------------------


def repair_command(*arguments: str | Path) -> tuple[str, CommandError | None]:
    """What it printed, and how it failed."""
    out = io.StringIO()
    try:
        call_command("verify_archive", "--repair", *map(str, arguments), stdout=out)
    except CommandError as error:
        return out.getvalue(), error
    return out.getvalue(), None


def test_the_command_says_when_there_is_nothing_to_repair(damaged: Path) -> None:
    assert repair_command("--zip-path", damaged) == (f"{damaged}: 1 ZIP, nothing to repair.\n", None)


def test_the_printed_commands_put_the_new_zip_in_place_of_the_damaged_one(damaged: Path) -> None:
    rewrite_member(damaged, f"{FIRST}.json", None)

    printed, error = repair_command("--zip-path", damaged)

    assert error is None
    moves = [line for line in printed.splitlines() if line.startswith("  mv ")]
    assert [os.system(move) for move in moves] == [0, 0]
    assert verify_archive(zip_path=damaged).problems == []
    assert damaged.with_name("archive.zip.damaged").exists()
    assert f"python manage.py rebuild_example_index --zip-path {damaged}" in printed


def test_the_command_fails_when_something_was_lost_and_names_it(damaged: Path) -> None:
    rewrite_member(damaged, chunk_file(damaged), b"damaged")

    printed, error = repair_command("--zip-path", damaged)

    assert error is not None
    assert error.returncode == 1
    assert f"{FIRST}.duckdb: " in str(error)
    assert "(2 examples)" in str(error)
    assert "Saved and verified" in printed


def test_the_command_prints_json(damaged: Path) -> None:
    rewrite_member(damaged, f"{FIRST}.json", None)

    [printed] = orjson.loads(repair_command("--zip-path", damaged, "--json")[0])["repaired"]

    assert printed["repaired"] == str(damaged.with_name("archive.repaired.zip"))
    assert [chunk["rows"] for chunk in printed["chunks"]] == [2, 1]
    assert printed["mended"][0]["member"] == f"{FIRST}.json"


def test_an_output_without_a_repair_is_refused(damaged: Path) -> None:
    with pytest.raises(CommandError, match="--output is for --repair"):
        call_command("verify_archive", "--zip-path", str(damaged), "--output", "x.zip")
