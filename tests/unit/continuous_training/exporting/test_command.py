"""`manage.py export_finetune`, and what beat runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.core.management import CommandError, call_command

from capture_app.management.service_command import BUSY
from continuous_training.exporting.locking import exports_locked
from continuous_training.models import FinetuneExport
from continuous_training.schedule import CONTINUOUS_TRAINING_SCHEDULE
from continuous_training.tasks import export_pairs
from tests.unit.continuous_training.exporting.material import answers_in, said

pytestmark = pytest.mark.django_db


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run it as the shell would; its standard output."""

    def run(*arguments: str) -> str:
        capsys.readouterr()
        call_command("export_finetune", *arguments)
        return capsys.readouterr().out

    return run


def test_it_says_what_it_wrote_and_what_it_left_out(command: Callable[..., str], exports: Path) -> None:
    said("Where is ann@example.org now?")
    said(answer="five")

    shown = command()

    [export] = FinetuneExport.objects.all()
    assert shown.startswith(f"Wrote 1 pair as {export.pk}, of 2 new examples, in ")
    assert "  shop: 1\n  left out, too short: 1\n  redacted: 1 EMAIL\n" in shown
    assert f"  {exports / export.pk}.jsonl: 1 pair, " in shown


def test_with_nothing_to_write_it_says_so(command: Callable[..., str]) -> None:
    assert command() == "There is nothing to write, of 0 new examples. No file was made.\n"


def test_a_dry_run_says_what_it_would_write(command: Callable[..., str], exports: Path) -> None:
    said()

    assert command("--dry-run").startswith("Would write 1 pair, of 1 new example, in ")
    assert not exports.exists()


def test_its_json_has_all_figures(command: Callable[..., str], exports: Path) -> None:
    said()

    shown = orjson.loads(command("--json", "--window", "24h", "--task", "shop"))

    assert shown["counts"]["tasks"] == {"shop": 1}
    assert [file["name"] for file in shown["files"]] == [
        f"{shown['exports'][0]}.jsonl",
        *[f"tasks/shop/{shown['exports'][0]}.jsonl"],
    ]
    assert shown["folder"] == str(exports)


@pytest.mark.parametrize("since", ["2026-01-31", "2026-01-31T12:00:00+02:00"])
def test_a_beginning_may_be_a_day_or_a_time(command: Callable[..., str], since: str) -> None:
    assert "nothing to write" in command("--since", since)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--since", "yesterday"], "is no time"),
        (["--since", "2026-01-31T12:00:00"], "needs its zone"),
        (["--window", "a day"], "is no age"),
        (["--window", "24h", "--since", "2026-01-31"], "not allowed with"),
    ],
)
def test_what_is_no_time_is_refused(command: Callable[..., str], arguments: list[str], problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        command(*arguments)


def test_another_folder_may_be_named(command: Callable[..., str], tmp_path: Path) -> None:
    said(answer="It costs six pounds.")

    command("--output", str(tmp_path / "out"))

    assert answers_in(tmp_path / "out" / "master_fine_tune.jsonl") == ["It costs six pounds."]


def test_a_folder_that_cannot_be_made_is_an_error_that_says_nothing_is_lost(
    command: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    said()

    with pytest.raises(CommandError, match="Nothing is lost"):
        command("--output", str(tmp_path / "file" / "out"))

    assert "1 pair" in command("--dry-run")


def test_while_another_export_is_at_work_it_is_to_be_tried_later(command: Callable[..., str]) -> None:
    with exports_locked(), pytest.raises(CommandError) as refused:
        command()

    assert refused.value.returncode == BUSY


def test_beat_runs_it_each_night_at_two_in_chicago() -> None:
    entry = CONTINUOUS_TRAINING_SCHEDULE["export-finetune"]
    schedule: Any = entry["schedule"]

    assert entry["task"] == export_pairs.name
    assert (schedule.hour, schedule.minute, str(schedule.tz)) == ({2}, {0}, "America/Chicago")


def test_the_task_leaves_the_work_to_a_run_that_is_at_it(caplog: pytest.LogCaptureFixture) -> None:
    with exports_locked():
        export_pairs()

    assert "is at work" in caplog.text


def test_the_task_exports(exports: Path) -> None:
    said()

    export_pairs()

    assert FinetuneExport.objects.count() == 1
