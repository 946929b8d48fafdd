"""manage.py export_dataset: what it prints, and how it ends."""

import fcntl
import json
import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.unit.training_archive.exports.material import example, manifest, written_ids
from tests.unit.training_archive.material import write_archive
from training_archive.exports.formats import FORMATS
from training_archive.models import DatasetExport

pytestmark = pytest.mark.django_db

Command = Callable[..., str]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "export"


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], zip_path: Path, out: Path) -> Command:
    """Run the command on an archive of twelve examples, into `out`; its standard output."""
    rows = [example(f"{n:02}", rating=n, created_at=datetime(2026, 1, 1 + n)) for n in range(10)]
    write_archive(zip_path, [*rows, example("10", "What does 09 cost?"), example("11", task="nav", response_strong="")])

    def run(*arguments: str) -> str:
        capsys.readouterr()
        call_command("export_dataset", "--out", str(out), *arguments)
        return capsys.readouterr().out

    return run


def failure(*arguments: str) -> CommandError:
    with pytest.raises(CommandError) as failed:
        call_command("export_dataset", *arguments)
    return failed.value


def test_it_says_what_was_written_and_what_was_left_out(command: Command, out: Path) -> None:
    lines = command("--format=trl-messages").splitlines()

    assert lines[0].startswith(
        f"Wrote 10 records to {out} (trl-messages), out of 12 examples that pass the filters, in "
    )
    assert lines[1:] == [
        "  train: 8 in 1 task",
        "  validation: 1 in 1 task",
        "  test: 1 in 1 task",
        "  left out, exact duplicate: 1",
        "  left out, the answer is empty: 1",
    ]


def test_it_prints_one_json_object_on_request(command: Command, out: Path) -> None:
    printed = json.loads(command("--format=trl-messages", "--json", "--split=1"))

    assert printed["out"] == str(out)
    assert printed["splits"] == {"train": 10}
    assert printed["left_out"] == {"exact duplicate": 1, "the answer is empty": 1}
    assert printed["files"] == manifest(out)["files"]


def test_a_dry_run_writes_nothing(command: Command, out: Path) -> None:
    assert command("--format=csv", "--dry-run").startswith("Would write 11 records (csv), out of 12 examples")
    assert not out.exists()


def test_filters_and_treatment_reach_the_export(command: Command, out: Path, tmp_path: Path) -> None:
    held = tmp_path / "held.txt"
    held.write_text("What does 05 cost?\n")

    command(
        *("--format=extraction", "--split=1", "--task=shop", "--task=nav", "--since=2026-01-03"),
        *("--until=2026-01-09T00:00:00+00:00", "--min-rating=3", f"--held-out={held}", "--dedupe=near", "--seed=7"),
    )

    assert written_ids(out) == ["03", "04", "06", "07"]
    options = manifest(out)["options"]
    assert (options["seed"], options["dedupe"], options["tasks"]) == (7, "near", ["shop", "nav"])


def test_the_finetuners_file_names(command: Command, out: Path) -> None:
    command("--format=extraction", "--slug=shop", "--schema=v1")

    assert {path.name for path in out.iterdir()} == {
        "shop.v1.jsonl",
        "shop_latest.jsonl",
        "manifest.v1.json",
        "lineage.parquet",
    }


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--format=trl-preference"], "There is not one pair"),
        (["--format=csv", "--task=none"], "No example passes the filters"),
        (["--format=csv", "--split=.8"], "make 1 in sum"),
        (["--format=csv", "--split=most"], "is no split"),
        (["--format=csv", "--since=2026-01-01T00:00:00"], "needs its zone"),
        (["--format=csv", "--since=yesterday"], "argument --since: 'yesterday' is no time; write 2026-01-31"),
        (["--format=csv", "--since=2026-02-01", "--until=2026-01-01"], "comes before the time to end with"),
        (["--format=csv", "--near-threshold=.9"], "--near-threshold does nothing without --dedupe near"),
        (["--format=csv", "--held-out-ngram=5"], "--held-out-ngram does nothing without --held-out"),
        (["--format=csv", "--zip-path=/nowhere/a.zip"], "There is no archive at /nowhere/a.zip"),
        (["--unregister=/nowhere", "--format=csv"], "not allowed with"),
        (["--unregister=/nowhere"], "No export is registered at /nowhere"),
        (["--format=docx"], "invalid choice"),
        (["--format=csv", "--zip-path=/nowhere/a.zip", "--from=archive"], "There is no archive"),
        ([], "--format"),
    ],
)
def test_what_cannot_be_done_ends_with_status_1(
    command: Command, out: Path, arguments: list[str], problem: str
) -> None:
    error = failure(f"--out={out}", *arguments)

    assert error.returncode == 1
    assert problem in str(error)
    assert not out.exists()


def test_without_a_folder_it_says_what_to_name(command: Command) -> None:
    assert "Name a folder with --out" in str(failure("--format=csv"))


def test_a_folder_is_replaced_on_request(command: Command, out: Path) -> None:
    command("--format=csv")

    assert "--overwrite" in str(failure("--format=csv", f"--out={out}"))
    assert command("--format=csv", "--overwrite").startswith("Wrote 11 records")


def test_another_export_into_the_folder_ends_with_status_75(command: Command, out: Path) -> None:
    staging = out.with_name(".export.exporting")
    staging.mkdir()
    descriptor = os.open(staging, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert failure("--format=csv", f"--out={out}").returncode == 75
    finally:
        os.close(descriptor)


def test_an_export_whose_folder_was_deleted_is_unregistered(command: Command, out: Path) -> None:
    command("--format=csv")
    shutil.rmtree(out)

    assert command(f"--unregister={out}") == f"{out} is registered no more, and no receipt will name it.\n"
    assert not DatasetExport.objects.exists()


def test_unregistered_is_said_in_json(command: Command, out: Path) -> None:
    command("--format=csv")
    shutil.rmtree(out)

    assert json.loads(command(f"--unregister={out}", "--json")) == {"unregistered": str(out)}


def test_an_export_that_is_still_there_is_not_unregistered(command: Command, out: Path) -> None:
    command("--format=csv")

    assert "still holds the export" in str(failure(f"--unregister={out}"))
    assert DatasetExport.objects.exists()


def test_the_thresholds_reach_the_export(command: Command, out: Path, tmp_path: Path) -> None:
    held = tmp_path / "held.txt"
    held.write_text("Another question\n")

    command(
        *("--format=csv", "--dedupe=near", "--near-threshold=.5", f"--held-out={held}", "--held-out-ngram=7"),
    )

    options = manifest(out)["options"]
    assert (options["near_threshold"], options["held_out_ngram"]) == (0.5, 7)


def test_it_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        call_command("export_dataset", "--help")

    text: Any = capsys.readouterr().out
    assert all(name in text for name in FORMATS)
    assert all(option in text for option in ("--dry-run", "--json", "--held-out", "--slug", "--zip-path"))
    assert all(default in " ".join(text.split()) for default in ("default both", "Default exact", "default .85"))
