"""What is in cold storage comes back whole, or not at all; or it is copied elsewhere, and stays."""

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from capture_app.models import ExampleIndex
from tests.unit.training_archive.cold.conftest import ONLY_OLD, SHARED, YOUNGS
from tests.unit.training_archive.cold.material import cold_ids, here_ids, killed_before
from tests.unit.training_archive.shipping.material import blobs_in, examples_in, flip_byte
from training_archive.cold.ledger import ColdNames, Ledger, cold_parts, parse_copy
from training_archive.cold.moving import ColdReport
from training_archive.cold.parts import unpacked_blobs
from training_archive.cold.returning import ReturnReport
from training_archive.exceptions import ArchiveBusy, ArchiveDamaged, ArchiveError
from training_archive.locks import only_run, only_run_into
from training_archive.models import ArchivedChunk
from training_archive.sealed import sealed_folder
from training_archive.services import verify_archive
from training_archive.zip_archive import open_zip

pytestmark = pytest.mark.django_db

Move = Callable[..., ColdReport]
BringBack = Callable[..., ReturnReport]


def part_files(cold_folder: Path) -> list[Path]:
    return sorted(cold_folder.rglob("*.cold-*.zip"))


def ledger_path(zip_path: Path) -> Path:
    return zip_path.with_name(f".{zip_path.name}.cold.json")


# --- Back into the archive -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("moved")
def test_all_of_it_comes_back_in_its_order(
    bring_back: BringBack, zip_path: Path, data_dir: Path, cold_folder: Path
) -> None:
    report = bring_back()

    assert here_ids(zip_path) == ["a", "b", "c", "y"]
    assert report.zips == ["llm_training_dataset-20260115.zip", "llm_training_dataset-20260215.zip"]
    assert (report.chunks, report.rows, report.blobs, report.is_copy) == (3, 3, 1, False)
    assert set(blobs_in(data_dir).values()) == {SHARED, ONLY_OLD, YOUNGS}
    assert verify_archive().problems == []
    assert (part_files(cold_folder), cold_parts(zip_path)) == ([], [])
    assert not ledger_path(zip_path).exists()
    assert set(ArchivedChunk.objects.values_list("zip_name", flat=True)) == {*report.zips, zip_path.name}


@pytest.mark.usefixtures("moved")
def test_one_month_comes_back_and_the_others_stay(bring_back: BringBack, zip_path: Path, cold_folder: Path) -> None:
    bring_back(months=["202602"])

    assert (here_ids(zip_path), cold_ids(cold_folder)) == (["c", "y"], ["a", "b"])


@pytest.mark.usefixtures("moved")
def test_what_came_back_moves_again(bring_back: BringBack, move: Move, zip_path: Path, cold_folder: Path) -> None:
    bring_back()

    move()

    assert (here_ids(zip_path), cold_ids(cold_folder)) == (["y"], ["a", "b", "c"])
    assert [path.name for path in zip_path.parent.glob("*.zip")] == [zip_path.name]


@pytest.mark.usefixtures("moved")
def test_a_name_of_the_day_that_is_taken_gets_a_number(bring_back: BringBack, zip_path: Path) -> None:
    taken = zip_path.with_name("llm_training_dataset-20260115.zip")
    taken.write_bytes(zip_path.read_bytes())

    report = bring_back(months=["202601"])

    assert report.zips == ["llm_training_dataset-20260115-2.zip"]


@pytest.mark.usefixtures("moved")
def test_a_month_that_is_not_there_is_refused(bring_back: BringBack) -> None:
    with pytest.raises(ArchiveError, match="it has those of the months: 202601, 202602"):
        bring_back(months=["202603"])


@pytest.mark.usefixtures("archived")
def test_when_nothing_is_there_that_is_said(bring_back: BringBack) -> None:
    with pytest.raises(ArchiveError, match="of the months: none"):
        bring_back()


@pytest.mark.usefixtures("moved")
def test_a_part_that_was_changed_there_stays_there(bring_back: BringBack, zip_path: Path, cold_folder: Path) -> None:
    flip_byte(part_files(cold_folder)[0], 200)

    with pytest.raises(ArchiveDamaged, match="is not what was put there"):
        bring_back()

    assert here_ids(zip_path) == ["y"]
    assert len(cold_parts(zip_path)) == 2


@pytest.mark.usefixtures("moved")
def test_a_part_that_never_ends_is_read_no_further_than_it_should_be(
    bring_back: BringBack, zip_path: Path, cold_folder: Path
) -> None:
    part = part_files(cold_folder)[0]
    size = part.stat().st_size
    os.truncate(part, 2**40)

    with pytest.raises(ArchiveDamaged, match="is not what was put there"):
        bring_back(months=["202601"])

    os.truncate(part, size)
    assert bring_back(months=["202601"]).rows == 2


@pytest.mark.usefixtures("moved")
def test_without_room_nothing_is_begun(bring_back: BringBack, monkeypatch: pytest.MonkeyPatch, zip_path: Path) -> None:
    usage = type("Usage", (), {"free": 10})
    with monkeypatch.context() as patch:
        patch.setattr("training_archive.cold.parts.shutil.disk_usage", lambda folder: usage)
        with pytest.raises(ArchiveError, match="and 10 are free"):
            bring_back()

    assert here_ids(zip_path) == ["y"]


@pytest.mark.usefixtures("moved")
def test_another_run_at_work_is_waited_for(bring_back: BringBack, zip_path: Path) -> None:
    with only_run(sealed_folder(), zip_path), pytest.raises(ArchiveBusy):
        bring_back()


def test_killed_anywhere_no_example_is_lost_and_the_next_run_finishes(
    moved_archive: Callable[..., None],
    bring_back: BringBack,
    monkeypatch: pytest.MonkeyPatch,
    zip_path: Path,
    data_dir: Path,
    cold_folder: Path,
) -> None:
    step, died = 0, True
    while died:
        moved_archive("aby")
        died = killed_before(monkeypatch, step, bring_back)
        assert {*here_ids(zip_path), *cold_ids(cold_folder)} == {"a", "b", "y"}, f"killed before step {step}"

        if died:
            bring_back()

        assert here_ids(zip_path) == ["a", "b", "y"], f"killed before step {step}"
        assert set(blobs_in(data_dir).values()) == {SHARED, ONLY_OLD, YOUNGS}
        assert set(ExampleIndex.objects.values_list("pk", flat=True)) == {"a", "b", "y"}
        step += 1
    assert step > 5


# --- A copy ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("moved")
def test_a_copy_is_an_archive_of_its_own_and_takes_nothing_away(
    bring_back: BringBack, tmp_path: Path, zip_path: Path, cold_folder: Path
) -> None:
    to = tmp_path / "copy"

    report = bring_back(to=to)

    assert examples_in(to / zip_path.name) == ["a", "b", "c"]
    assert set(blobs_in(to).values()) == {SHARED, ONLY_OLD}
    assert (report.is_copy, report.rows) == (True, 3)
    assert (here_ids(zip_path), cold_ids(cold_folder)) == (["y"], ["a", "b", "c"])


@pytest.mark.usefixtures("moved")
def test_a_copy_is_not_made_twice(bring_back: BringBack, tmp_path: Path, zip_path: Path) -> None:
    bring_back(to=tmp_path / "copy", months=["202601"])

    report = bring_back(to=tmp_path / "copy")

    assert (len(report.parts), len(report.here_before)) == (1, 1)
    assert examples_in(tmp_path / "copy" / zip_path.name) == ["a", "b", "c"]


@pytest.mark.usefixtures("moved")
def test_another_host_copies_by_what_the_storage_says(bring_back: BringBack, tmp_path: Path, zip_path: Path) -> None:
    ledger_path(zip_path).unlink()

    bring_back(to=tmp_path / "copy")

    assert examples_in(tmp_path / "copy" / zip_path.name) == ["a", "b", "c"]
    assert not ledger_path(zip_path).exists()


@pytest.mark.usefixtures("moved")
def test_the_archives_own_folder_is_no_place_for_a_copy(bring_back: BringBack, zip_path: Path) -> None:
    with pytest.raises(ArchiveError, match="is where the archive itself is"):
        bring_back(to=zip_path.parent)


@pytest.mark.usefixtures("moved")
def test_two_copies_into_one_folder_at_once_are_refused(bring_back: BringBack, tmp_path: Path, zip_path: Path) -> None:
    with only_run_into(tmp_path / "copy" / zip_path.name), pytest.raises(ArchiveBusy):
        bring_back(to=tmp_path / "copy")


# --- The command -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("moved")
def test_the_command_brings_a_month_back(capsys: pytest.CaptureFixture[str], zip_path: Path) -> None:
    call_command("fetch_archive", "--from-cold", "--month", "2026-02")

    told = capsys.readouterr().out
    assert "is llm_training_dataset-20260215.zip." in told
    assert "has 1 chunk more with 1 example, and 0 blobs" in told
    assert "The next `move_to_cold_storage` takes them there again." in told
    assert here_ids(zip_path) == ["c", "y"]


@pytest.mark.usefixtures("moved")
def test_the_command_gives_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    call_command("fetch_archive", "--from-cold", "--to", str(tmp_path / "copy"), "--json")

    found = json.loads(capsys.readouterr().out)
    assert (found["is_copy"], found["rows"]) == (True, 3)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--month", "2026-02"], "--month goes with --from-cold"),
        (["--from-cold", "--keep"], "--from-cold goes with --to and --month"),
        (["--from-cold", "--month", "202602"], "is no month; write 2026-03"),
        (["--from-cold", "--month", "2026-13"], "is no month; write 2026-03"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(options: list[str], problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        call_command("fetch_archive", *options)


# --- What others may have written ------------------------------------------------------------------------------------


def hostile(zip_path: Path, **values: Any) -> bytes:
    said = json.loads(Ledger.read(zip_path).copy_of("cold", "old"))
    said["parts"][0] |= values
    return json.dumps(said).encode()


@pytest.mark.parametrize(
    "values",
    [
        {"name": "../../etc/passwd"},
        {"name": "llm_training_dataset.zip"},
        {"name": "llm_training_dataset.cold-202601-0123456789abcdef.zip/../../x"},
        {"name": None},
        {"sha256": "x"},
        {"size": -1},
        {"size": 2**60},
        {"size": True},
        {"moved_at": "2026-01-01T00:00:00"},
        {"state": "elsewhere"},
        {"chunks": [{"chunk": "../x"}]},
        {"chunks": None},
    ],
    ids=str,
)
@pytest.mark.usefixtures("moved")
def test_a_copy_that_is_none_of_ours_is_refused(zip_path: Path, values: dict[str, Any]) -> None:
    with pytest.raises(ArchiveDamaged, match="is refused"):
        parse_copy(hostile(zip_path, **values), "cold", "old", ColdNames(zip_path))


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"version": 2, "parts": []}', b"[" * 10_000])
def test_what_is_no_copy_at_all_is_refused(zip_path: Path, content: bytes) -> None:
    with pytest.raises(ArchiveDamaged, match="is refused"):
        parse_copy(content, "cold", "old", ColdNames(zip_path))


@pytest.mark.usefixtures("moved")
def test_a_chunks_name_that_leads_elsewhere_is_refused(zip_path: Path) -> None:
    [chunk, *_] = json.loads(hostile(zip_path))["parts"][0]["chunks"]

    with pytest.raises(ArchiveDamaged, match="is no name of a chunk"):
        parse_copy(hostile(zip_path, chunks=[{**chunk, "chunk": "../../x"}]), "cold", "old", ColdNames(zip_path))


@pytest.mark.usefixtures("moved")
def test_a_ledger_that_cannot_be_read_is_told_and_nothing_is_done(
    bring_back: BringBack, move: Move, zip_path: Path
) -> None:
    ledger_path(zip_path).write_text("{")

    for run in (bring_back, move):
        with pytest.raises(ArchiveDamaged, match="cannot be understood"):
            run()


def test_a_blob_that_is_not_what_its_name_says_is_refused(tmp_path: Path) -> None:
    liar = tmp_path / "liar.zip"
    sha256 = "ab" * 32
    with zipfile.ZipFile(liar, "w") as made:
        made.writestr(f"blobs/ab/{sha256}", b"something else")

    with open_zip(liar) as archive, pytest.raises(ArchiveDamaged, match="is not what its name says"):
        unpacked_blobs(archive, {sha256}, tmp_path / "blobs").__enter__()
