"""The cards that say how things are now."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django_celery_beat.models import PeriodicTask

from capture_app import call_llm
from capture_app.conf import capture_settings
from capture_app.inbox.spool import SpoolInbox
from capture_app.live_database import lock_live_database
from capture_app.metrics import count_capture_failure
from capture_app.models import Job
from capture_app.services import drain_captures
from console.figures import now as current
from console.figures.cards import Card, State
from console.figures.refresh import refresh_figures
from training_archive.freshness import check_freshness
from training_archive.services import archive_training_data

pytestmark = pytest.mark.django_db

Configure = Callable[..., None]


def cards(now: datetime | None = None) -> dict[str, Card]:
    jobs = {job.name: job for job in Job.objects.all()}
    return {card.title: card for card in current.cards(jobs, now or datetime.now(UTC))}


def capture(count: int = 1) -> None:
    for number in range(count):
        call_llm(f"Question {number}", task="shop", training_metadata={})


def test_of_a_new_installation_every_card_says_what_to_do() -> None:
    found = cards()

    assert {card.state for card in found.values()} <= {State.OK, State.IDLE}
    assert "drain_captures" in found["Drain"].note
    assert "archive_training_data" in found["Archive"].note
    assert found["Last archive run"].figure == found["Freshness check"].figure == "never"


def test_nothing_is_made_by_looking(data_dir: Path) -> None:
    cards()

    assert not data_dir.exists()


def test_what_waits_in_the_inbox_is_told_and_late_when_it_is() -> None:
    capture()

    assert cards()["Inbox"].state is State.OK
    late = cards(datetime.now(UTC) + timedelta(minutes=20))["Inbox"]
    assert (late.state, "20 minutes" in late.note) == (State.WARNING, True)


def test_a_drain_that_stopped_is_told() -> None:
    capture()
    drain_captures()

    assert cards()["Drain"].state is State.OK
    later = cards(datetime.now(UTC) + timedelta(minutes=10))["Drain"]
    assert (later.figure, later.state) == ("10 minutes ago", State.WARNING)
    assert "beat" in later.note


def test_a_drain_that_failed_is_told() -> None:
    capture()
    drain_captures()
    Job.objects.update(problem="OSError: No space left on device")

    assert cards()["Drain"].state is State.FAILING
    assert "No space left on device" in cards()["Drain"].note
    assert cards()["Failures"].state is State.FAILING


def test_rows_of_the_live_database_are_those_of_the_last_refresh() -> None:
    capture(2)
    drain_captures()
    assert "not known yet" in cards()["Live database"].note

    refresh_figures()

    assert cards()["Live database"].figure == "2 examples"


def test_no_lock_is_waited_for() -> None:
    capture()
    drain_captures()

    with lock_live_database(capture_settings().live_database):
        assert State.UNKNOWN not in {card.state for card in cards().values()}


def test_an_archive_is_told_with_its_last_run() -> None:
    capture(3)
    archive_training_data()

    found = cards()

    assert (found["Archive"].figure, found["Archive"].state) == ("3 examples", State.OK)
    assert "1 ZIP" in found["Archive"].note
    assert found["Last archive run"].note.startswith("3 examples in ")


def test_sealed_files_that_wait_are_told(data_dir: Path) -> None:
    capture()
    archive_training_data()
    (data_dir / "sealed" / "llm_training_chunk_20260101T110000_000000Z.duckdb").touch()

    assert cards()["Archive"].state is State.WARNING


def test_a_run_at_work_is_told() -> None:
    Job.objects.create(name="archive", started_at=datetime.now(UTC))

    assert cards()["Last archive run"].figure == "at work"


def test_the_next_run_is_told_in_the_zone_of_its_schedule() -> None:
    noon = datetime.now(UTC).replace(hour=12)
    PeriodicTask.objects.filter(name="archive-training-data").update(last_run_at=noon)

    found = cards()["Next archive run"]

    assert "05:00 America/Chicago" in found.note
    assert found.note.count("UTC") == 1


def test_a_run_that_is_overdue_is_told() -> None:
    PeriodicTask.objects.filter(name="archive-training-data").update(last_run_at=datetime.now(UTC) - timedelta(days=3))

    assert (cards()["Next archive run"].figure, cards()["Next archive run"].state) == ("overdue", State.WARNING)


def test_a_schedule_that_is_disabled_is_told() -> None:
    PeriodicTask.objects.filter(name="archive-training-data").update(enabled=False)

    assert (cards()["Next archive run"].figure, cards()["Next archive run"].state) == ("none", State.WARNING)


def test_without_a_schedule_in_the_database_the_next_run_is_not_known(settings: Any) -> None:
    settings.INSTALLED_APPS = [name for name in settings.INSTALLED_APPS if name != "django_celery_beat"]

    assert cards()["Next archive run"].state is State.UNKNOWN


def test_the_copy_of_the_archive_is_told(settings: Any) -> None:
    settings.TRAINING_ARCHIVE = {"SHIP_TO": "default"}
    assert cards()["Copy of the archive"].figure == "never"

    Job.objects.create(name="ship", last_success_at=datetime.now(UTC) - timedelta(hours=5))

    assert cards()["Copy of the archive"].figure == "5 hours ago"


def test_what_is_in_quarantine_is_told(data_dir: Path) -> None:
    (data_dir / "quarantine" / "g").mkdir(parents=True)
    (data_dir / "quarantine" / "g" / "x.jsonl").write_text("{}\n{}\n")
    (data_dir / "quarantine" / "withheld").mkdir()
    (data_dir / "quarantine" / "withheld" / "y.jsonl").write_text("{}\n")

    found = cards()["Failures"]

    assert (found.figure, found.state) == ("3", State.WARNING)
    assert found.note == "2 records in quarantine; 1 example withheld."


def test_examples_that_were_lost_are_told(data_dir: Path) -> None:
    data_dir.mkdir()
    count_capture_failure(OSError(28, "No space left on device"))

    assert cards()["Failures"].note == "1 example lost since this data directory was made."


def test_a_disk_that_takes_no_record_is_told(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "spool").touch()

    assert cards()["Failures"].state is State.FAILING


def test_what_the_freshness_check_found_is_told() -> None:
    check_freshness()
    assert cards()["Freshness check"].figure == "fresh"

    Job.objects.filter(name="freshness").update(rows=1, notes={"lasting": ["archive_late"]})

    found = cards()["Freshness check"]
    assert (found.figure, found.state) == ("1 problem", State.WARNING)
    assert found.note.startswith("archive late")


def test_an_inbox_that_is_away_is_a_card_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: SpoolInbox) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(SpoolInbox, "depth", fail)

    found = cards()

    assert (found["Inbox"].figure, found["Inbox"].state) == ("not known", State.UNKNOWN)
    assert "Permission denied" in found["Inbox"].note
    assert len(found) == 9
