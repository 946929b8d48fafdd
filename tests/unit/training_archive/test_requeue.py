"""Requeue: quarantine, withheld examples, and sealed files under a name that no run sees."""

import json
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import duckdb
import pytest
from django.core.management import CommandError, call_command

from capture_app.models import ExampleIndex, ForgottenExample
from capture_app.withheld import withhold
from tests.unit.capture_app.captured import example, spool, stored
from tests.unit.training_archive.material import row, write_database
from training_archive.chunks import is_chunk_name
from training_archive.exceptions import ArchiveBusy
from training_archive.reader import iter_examples
from training_archive.requeue import name_sealed_files, requeue
from training_archive.services import archive_training_data, rebuild_example_index

pytestmark = pytest.mark.django_db(transaction=True)

Calls = Callable[..., list[str]]
Capture = Callable[..., None]


@pytest.fixture
def sealed(data_dir: Path) -> Path:
    return data_dir / "sealed"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


# --- Sealed files ----------------------------------------------------------------------------------------------------


def test_a_sealed_file_under_another_name_is_archived_by_the_next_run(sealed: Path) -> None:
    write_database(sealed / "restored from backup.duckdb", [row("a"), row("b")])

    found = name_sealed_files()

    [name] = names(sealed)
    assert found.named == {"restored from backup.duckdb": name}
    assert (is_chunk_name(Path(name).stem), found.rows) == (True, 2)
    archive_training_data()
    assert {found["id"] for found in iter_examples()} == {"a", "b"}


def test_its_examples_are_indexed_as_the_archive_will_have_them(sealed: Path) -> None:
    write_database(sealed / "with comment.duckdb", [row("a")], statements=["COMMENT ON TABLE examples IS 'g1'"])
    write_database(sealed / "without.duckdb", [row("b")])

    name_sealed_files()

    before = dict(ExampleIndex.objects.values_list("id", "generation"))
    archive_training_data()
    rebuild_example_index()
    assert dict(ExampleIndex.objects.values_list("id", "generation")) == before


def test_a_run_that_was_killed_before_it_indexed_is_made_good(sealed: Path) -> None:
    write_database(sealed / "odd.duckdb", [row("a")])
    name_sealed_files()
    ExampleIndex.objects.all().delete()

    name_sealed_files()

    assert ExampleIndex.objects.filter(pk="a").exists()


def test_what_is_stored_already_is_not_archived_twice(sealed: Path, data_dir: Path, capture_calls: Calls) -> None:
    capture_calls(2)
    archive_training_data()
    live = data_dir / "llm_training_dataset.duckdb"
    capture_calls(1)
    call_command("drain_captures")
    shutil.copy(live, sealed / "copy.duckdb")

    found = name_sealed_files()

    assert (found.named, names(sealed)) == ({}, ["copy.duckdb"])
    assert "some of its examples are stored already" in found.left["copy.duckdb"]


def test_what_was_erased_does_not_come_back(sealed: Path) -> None:
    ForgottenExample.objects.create(id="a", erasure="e")
    write_database(sealed / "odd.duckdb", [row("a")])

    assert "erased on request" in name_sealed_files().left["odd.duckdb"]
    assert names(sealed) == ["odd.duckdb"]


def test_what_is_no_database_of_ours_is_named_and_left(sealed: Path, tmp_path: Path) -> None:
    sealed.mkdir(parents=True)
    (sealed / "torn.duckdb").write_bytes(b"torn")
    (sealed / "link.duckdb").symlink_to(write_database(tmp_path / "elsewhere.duckdb", [row("a")]))
    write_database(sealed / "open.duckdb", [row("b")])
    (sealed / "open.duckdb.wal").touch()
    with duckdb.connect(str(sealed / "view.duckdb")) as connection:
        connection.execute("CREATE VIEW examples AS SELECT 1 AS id")
    before = {path: path.read_bytes() for path in sealed.iterdir()}

    found = name_sealed_files()

    assert sorted(found.left) == ["link.duckdb", "open.duckdb", "torn.duckdb", "view.duckdb"]
    assert {path: path.read_bytes() for path in before} == before


def test_two_files_of_one_moment_get_names_of_their_own(sealed: Path) -> None:

    for name in ("a", "b"):
        write_database(sealed / f"{name}.duckdb", [row(name)])
        os.utime(sealed / f"{name}.duckdb", (1_767_268_800, 1_767_268_800))

    name_sealed_files()

    assert names(sealed) == [f"llm_training_chunk_20260101T120000_00000{number}Z.duckdb" for number in range(2)]


def test_an_archive_run_and_this_exclude_each_other(
    sealed: Path, lock_elsewhere: Callable[[Path], AbstractContextManager[None]]
) -> None:
    write_database(sealed / "odd.duckdb", [row("a")])

    with lock_elsewhere(sealed / ".lock"), pytest.raises(ArchiveBusy):
        name_sealed_files()

    assert "odd.duckdb" in names(sealed)


def test_a_dry_run_names_nothing(sealed: Path) -> None:
    write_database(sealed / "odd.duckdb", [row("a")])

    assert name_sealed_files(dry_run=True).rows == 1

    assert names(sealed) == ["odd.duckdb"]
    assert not ExampleIndex.objects.exists()


# --- All of it -------------------------------------------------------------------------------------------------------


def put_all_aside(data_dir: Path, sealed: Path) -> list[str]:
    """One example in each place; their ids."""
    refused, withheld = example(), example()
    spool(refused.to_json_line().replace(b'"latency_ms":40', b'"latency_ms":"slow"'))
    call_command("drain_captures")
    withhold(data_dir, withheld, [], "it failed")
    write_database(sealed / "odd.duckdb", [row("sealed")])
    return [refused.id, withheld.id]


def test_everything_put_aside_is_taken_in(data_dir: Path, sealed: Path, capture: Capture) -> None:
    ids = put_all_aside(data_dir, sealed)
    capture(REDACT="tests.unit.capture_app.redactors.everywhere")

    report = requeue()

    assert report.quarantine is not None
    assert report.withheld is not None
    assert (report.quarantine.requeued, report.withheld.requeued, report.drained_rows) == (1, 1, 2)
    assert stored() == sorted(ids)
    archive_training_data()
    assert {found["id"] for found in iter_examples()} == {*ids, "sealed"}
    assert ExampleIndex.objects.count() == 3


@pytest.mark.parametrize("place", ["quarantine", "withheld", "sealed"])
def test_one_place_alone_may_be_asked_for(data_dir: Path, sealed: Path, place: str, capture: Capture) -> None:
    put_all_aside(data_dir, sealed)
    capture(REDACT="tests.unit.capture_app.redactors.everywhere")

    report = requeue(places=[place])

    looked_at = {name for name in ("quarantine", "withheld", "sealed") if getattr(report, name) is not None}
    assert looked_at == {place}


def test_the_command_says_what_went_where(data_dir: Path, sealed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_all_aside(data_dir, sealed)
    spool(b"{torn\n")
    call_command("drain_captures")
    capsys.readouterr()

    with pytest.raises(CommandError, match="2 could not be taken in, and stay where they are") as failed:
        call_command("requeue")

    assert failed.value.returncode == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Quarantine: 1 of 2 records taken in again, 1 of them mended."
    assert lines[1].startswith("  1 stay: no JSON")
    assert lines[2:4] == [
        "Withheld: 0 of 1 record taken in again.",
        "  1 stay: REDACT is not set, and without it nothing is taken out of its seal",
    ]
    assert lines[4] == "Sealed: 1 file named, 1 example."
    assert lines[6] == "Drained 1 example."


def test_the_command_prints_one_json_object(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("requeue", "--json", "--quarantine", "--dry-run")

    printed = json.loads(capsys.readouterr().out)
    empty = {"found": 0, "requeued": 0, "mended": 0, "left": {}}
    assert (printed["quarantine"], printed["withheld"], printed["dry_run"]) == (empty, None, True)


def test_a_second_run_ends_with_status_75(
    data_dir: Path, lock_elsewhere: Callable[[Path], AbstractContextManager[None]]
) -> None:
    with lock_elsewhere(data_dir / ".requeue.lock"), pytest.raises(CommandError) as failed:
        call_command("requeue")

    assert failed.value.returncode == 75
