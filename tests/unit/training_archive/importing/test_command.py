"""`import_examples` as the shell sees it."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.unit.training_archive.material import row

pytestmark = pytest.mark.django_db(transaction=True)

Write = Callable[..., Path]


def test_it_says_what_it_did(write_lines: Write, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_lines(row("a"), row("a"), row("b"))

    call_command("import_examples", str(path))

    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{path}: gleaner-jsonl", "Imported 2 examples of 3 records.", "  1 were there already"]


def test_a_refused_record_ends_with_status_1_after_the_good_ones_are_in(
    write_lines: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_lines(row("a"), b"{torn")

    with pytest.raises(CommandError) as failed:
        call_command("import_examples", str(path))

    assert failed.value.returncode == 1
    assert "1 record refused, the others are not affected:\n  source.jsonl, line 2: no JSON" in str(failed.value)
    assert "Imported 1 example of 2 records." in capsys.readouterr().out


def test_strict_says_that_nothing_was_imported(write_lines: Write) -> None:
    with pytest.raises(CommandError, match="nothing was imported"):
        call_command("import_examples", "--strict", str(write_lines(row("a"), b"{torn")))


def test_json_has_every_count(write_lines: Write, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("import_examples", "--json", "--dry-run", str(write_lines(row("a"))))

    printed = json.loads(capsys.readouterr().out)
    assert (printed["dry_run"], printed["imported"], printed["refused"], printed["refusals"]) == (True, 1, {}, [])


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        call_command("import_examples", str(tmp_path / "gone.jsonl"))


def test_another_run_ends_with_status_75(
    write_lines: Write, data_dir: Path, lock_elsewhere: Callable[[Path], AbstractContextManager[None]]
) -> None:
    with lock_elsewhere(data_dir / ".requeue.lock"), pytest.raises(CommandError) as failed:
        call_command("import_examples", str(write_lines(row("a"))))

    assert failed.value.returncode == 75
