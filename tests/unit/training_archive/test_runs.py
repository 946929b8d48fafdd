"""Each run over the archive leaves a row, and writing it never stands in the way of the run."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from tests.unit.training_archive.material import (
    OLD,
    OLD_NAME,
    append_bytes,
    chunk_file,
    rewrite_member,
    row,
    write_database,
)
from training_archive import runs
from training_archive.exceptions import ArchiveBusy, ArchiveError
from training_archive.models import ArchiveRun
from training_archive.runs import (
    recording,
    request_run,
    settle_lost_runs,
)
from training_archive.services import archive_training_data, verify_archive
from training_archive.tasks import archive_training_data as archive_task
from training_archive.tasks import verify_archive as verify_task

pytestmark = pytest.mark.django_db

Calls = Callable[..., list[str]]
State, Kind = ArchiveRun.State, ArchiveRun.Kind
TABLE = ArchiveRun._meta.db_table


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def began_at(data_dir: Path, *, age: timedelta, locked: bool = True, **values: Any) -> ArchiveRun:
    """A run that last said something that long ago, and whose lock nobody holds."""
    then = datetime.now(UTC) - age
    run = ArchiveRun.objects.create(
        kind=Kind.ARCHIVE,
        state=State.RUNNING,
        requested_by="shell",
        requested_at=then,
        started_at=then,
        seen_at=then,
        **values,
    )
    if locked:
        data_dir.mkdir(exist_ok=True)
        lock_of(data_dir, run).touch()
    return run


def lock_of(data_dir: Path, run: ArchiveRun) -> Path:
    return data_dir / f".run-{run.pk}.lock"


# --- What a run leaves -----------------------------------------------------------------------------------------------


def test_an_archive_run_leaves_its_figures(capture_calls: Calls, zip_path: Path) -> None:
    capture_calls(3)

    archive_training_data()

    run = ArchiveRun.objects.get()
    assert (run.kind, run.state, run.requested_by, run.problem) == ("archive", "succeeded", "shell", "")
    assert (run.rows, run.chunks) == (3, 1)
    assert (run.bytes_before, run.bytes) == (0, zip_path.stat().st_size)
    assert run.seconds is not None
    assert run.process


def test_its_steps_and_its_log_tell_the_way(capture_calls: Calls, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    capture_calls(1)

    archive_training_data()

    run = ArchiveRun.objects.get()
    assert [step["step"] for step in run.steps][:2] == ["draining", "compacting"]
    assert "  compacting\n" in run.log
    assert "Archived 1 example in " in run.log
    assert run.log.splitlines()[-1].partition("  ")[2].startswith("Succeeded after ")


def test_the_schedule_is_named_when_it_began_the_run() -> None:
    archive_task()

    assert ArchiveRun.objects.get().requested_by == "schedule"


def test_a_run_on_other_data_leaves_no_row(tmp_path: Path, capture_calls: Calls) -> None:
    capture_calls(1)
    archive_training_data(db_path=write_database(tmp_path / "elsewhere" / "other.duckdb", [row("a")]))
    archive_training_data(zip_path=tmp_path / "other.zip")
    verify_archive(zip_path=tmp_path / "other.zip")

    assert not ArchiveRun.objects.exists()


def test_a_run_that_failed_names_the_error_and_none_of_its_words(capture_calls: Calls, zip_path: Path) -> None:
    capture_calls(1)
    zip_path.write_bytes(b"no ZIP")

    with pytest.raises(ArchiveError):
        archive_training_data()

    run = ArchiveRun.objects.get()
    assert (run.state, run.rows) == ("failed", None)
    assert run.problem.startswith("ArchiveDamaged")
    assert "Failed after" in run.log


def test_a_run_that_another_one_refuses_says_so(
    data_dir: Path, lock_elsewhere: Callable[[Path], AbstractContextManager[None]]
) -> None:
    with lock_elsewhere(data_dir / "sealed" / ".lock"), pytest.raises(ArchiveBusy):
        archive_training_data()

    run = ArchiveRun.objects.get()
    assert (run.state, run.problem) == ("refused", "")
    assert "is at work" in run.log


def test_an_interrupted_run_is_no_running_one(interrupted_run: Callable[..., None], capture_calls: Calls) -> None:
    capture_calls(1)
    interrupted_run()

    run = ArchiveRun.objects.get()
    assert (run.state, run.problem) == ("failed", "Killed")


def test_a_verification_leaves_what_it_found(two_chunks: Path) -> None:
    damaged = chunk_file(two_chunks)
    rewrite_member(two_chunks, damaged, b"no database")
    ArchiveRun.objects.all().delete()

    verify_archive()

    run = ArchiveRun.objects.get()
    assert (run.kind, run.state, run.chunks, run.rows, run.problems) == ("verify", "succeeded", 1, 2, 1)
    [found] = run.findings
    assert (found["zip_name"], found["member"]) == (two_chunks.name, damaged)
    assert "SHA-256" in found["reason"]


def test_duckdbs_own_words_are_kept_out_of_the_record(zip_path: Path) -> None:
    zip_path.parent.mkdir()
    append_bytes(zip_path, OLD, name=OLD_NAME)

    [told] = verify_archive().problems

    assert told.reason.startswith("DuckDB does not open it: ")
    assert ArchiveRun.objects.get().findings[0]["reason"] == "DuckDB does not open it"


def test_a_verification_without_an_archive_failed() -> None:
    with pytest.raises(ArchiveError):
        verify_task()

    run = ArchiveRun.objects.get()
    assert (run.state, run.problem) == ("failed", "ArchiveError (FileNotFoundError: No such file or directory)")


def test_only_the_first_findings_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    with recording(Kind.VERIFY, zip_path=tmp_path / "a.zip", recorded=True) as run:
        run.found(rows=0, chunks=0, problems=[{"zip_name": "a", "member": "\0\udcff", "reason": "x"}] * 1_000)

    kept = ArchiveRun.objects.get()
    assert (kept.problems, len(kept.findings)) == (1_000, 200)
    assert kept.findings[0]["member"] == "\\x00\\udcff"


def test_figures_that_no_database_holds_are_cut(tmp_path: Path) -> None:
    with recording(Kind.VERIFY, zip_path=tmp_path / "a.zip", recorded=True) as run:
        run.progress("reading", 2**64, 2**64)
        run.found(rows=2**70, chunks=1)

    assert ArchiveRun.objects.get().rows == 2**63 - 1


def test_only_the_newest_runs_are_kept(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    monkeypatch.setattr(runs, "KEPT_RUNS", 2)
    at_work = began_at(data_dir, age=timedelta(seconds=1))
    for _ in range(4):
        archive_training_data()

    kept = list(ArchiveRun.objects.order_by("pk"))
    assert kept[0] == at_work
    assert len(kept) == 3


# --- Never in the way ------------------------------------------------------------------------------------------------


def test_a_run_succeeds_when_it_cannot_be_recorded(
    capture_calls: Calls, zip_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    capture_calls(2)
    sql(f"ALTER TABLE {TABLE} RENAME TO away")

    report = archive_training_data()

    assert (report.rows, zip_path.exists()) == (2, True)
    assert "could not be recorded (OperationalError" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_run_goes_on_when_no_transaction_can_begin(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("unable to open database file")

    done = []
    with monkeypatch.context() as broken:
        broken.setattr(connection, "set_autocommit", refuse)
        with recording(Kind.ARCHIVE, zip_path=tmp_path / "a.zip", recorded=True):
            done.append("the work")

    assert done == ["the work"]
    assert "could not be recorded (OperationalError" in caplog.text


def test_a_run_is_recorded_late_when_the_database_comes_back(capture_calls: Calls) -> None:
    capture_calls(1)
    sql(f"ALTER TABLE {TABLE} RENAME TO away")
    came_back: list[str] = []

    def come_back(step: str, done: int, total: int) -> None:
        if step == "compacting" and not came_back:
            came_back.append(step)
            sql(f"ALTER TABLE away RENAME TO {TABLE}")

    archive_training_data(progress=come_back)

    run = ArchiveRun.objects.get()
    assert (run.state, run.rows) == ("succeeded", 1)


def test_a_queued_run_goes_on_when_the_database_does_not_say_whether_it_is_queued(
    capture_calls: Calls, zip_path: Path
) -> None:
    capture_calls(1)
    run = request_run(Kind.ARCHIVE, by="ada")
    sql(f"ALTER TABLE {TABLE} RENAME TO away")

    archive_task(run_id=run.pk)

    sql(f"ALTER TABLE away RENAME TO {TABLE}")
    assert zip_path.exists()


def test_a_queued_run_tells_when_it_began_though_the_database_was_away_then(capture_calls: Calls) -> None:
    capture_calls(1)
    run = request_run(Kind.ARCHIVE, by="ada")
    sql(f"ALTER TABLE {TABLE} RENAME TO away")
    came_back: list[str] = []

    def come_back(step: str, done: int, total: int) -> None:
        if not came_back:
            came_back.append(step)
            sql(f"ALTER TABLE away RENAME TO {TABLE}")

    archive_training_data(run_id=run.pk, progress=come_back)

    run.refresh_from_db()
    assert (run.state, run.requested_by, run.process, run.bytes_before) == ("succeeded", "ada", os.getpid(), 0)
    assert run.started_at


def test_a_host_without_a_database_verifies_its_archive(two_chunks: Path, data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "training_host.py").write_text(
        'SECRET_KEY, USE_TZ = "only for this test", True\n'
        'INSTALLED_APPS = ["capture_app", "training_archive"]\n'
        f'TRAINING_CAPTURE = {{"DATA_DIR": {str(data_dir)!r}}}\n'
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "training_host",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
    }

    command = [sys.executable, "-m", "django", "verify_archive"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert (ended.returncode, "could not be recorded" in ended.stderr) == (0, False), ended.stderr


def test_a_run_whose_end_could_not_be_written_is_found_lost(tmp_path: Path, data_dir: Path) -> None:
    with recording(Kind.ARCHIVE, zip_path=tmp_path / "a.zip", recorded=True):
        run = ArchiveRun.objects.get()
        sql(f"ALTER TABLE {TABLE} RENAME TO away")
    sql(f"ALTER TABLE away RENAME TO {TABLE}")
    ArchiveRun.objects.update(seen_at=datetime.now(UTC) - timedelta(minutes=1))

    assert settle_lost_runs() == [run]


def test_a_folder_that_takes_no_lock_stops_no_run(
    tmp_path: Path, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data_dir.write_text("no folder")

    with recording(Kind.VERIFY, zip_path=tmp_path / "a.zip", recorded=True):
        pass

    assert ArchiveRun.objects.get().state == "succeeded"
    assert "will be noticed late" in caplog.text


def test_a_run_leaves_no_lock_behind(data_dir: Path) -> None:
    archive_training_data()

    assert list(data_dir.glob(".run-*")) == []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets seconds pass for runs."""
    now = [1_000.0]
    monkeypatch.setattr("training_archive.runs.time.monotonic", lambda: now[0])

    def pass_by(seconds: float) -> None:
        now[0] += seconds

    return pass_by


def steps_seen() -> tuple[str, int]:
    run = ArchiveRun.objects.get()
    return run.step, run.done


@pytest.mark.django_db(transaction=True)
def test_how_far_a_run_is_is_written_once_a_second(tmp_path: Path, clock: Callable[[float], None]) -> None:
    with recording(Kind.ARCHIVE, zip_path=tmp_path / "a.zip", recorded=True) as run:
        run.progress("copying the ZIP", 1, 10)
        run.progress("copying the ZIP", 2, 10)
        at_once = steps_seen()
        clock(1.1)
        run.progress("copying the ZIP", 3, 10)
        later = steps_seen()

    assert (at_once, later) == (("copying the ZIP", 1), ("copying the ZIP", 3))
    assert steps_seen() == ("", 3)


@pytest.mark.django_db(transaction=True)
def test_nothing_is_written_in_a_transaction_of_the_service(tmp_path: Path) -> None:
    with recording(Kind.ARCHIVE, zip_path=tmp_path / "a.zip", recorded=True) as run:
        with transaction.atomic():
            run.progress("indexing", 1, 10)
        within = steps_seen()
        run.progress("indexing", 2, 10)
        after = steps_seen()

    assert (within, after) == (("", 0), ("indexing", 2))


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_is_not_asked_each_second(
    tmp_path: Path, clock: Callable[[float], None], caplog: pytest.LogCaptureFixture
) -> None:
    with recording(Kind.ARCHIVE, zip_path=tmp_path / "a.zip", recorded=True) as run:
        sql(f"ALTER TABLE {TABLE} RENAME TO away")
        run.progress("compacting", 1, 0)
        sql(f"ALTER TABLE away RENAME TO {TABLE}")
        clock(10)
        run.progress("compacting", 2, 0)
        soon = steps_seen()
        clock(30)
        run.progress("compacting", 3, 0)
        later = steps_seen()

    assert (soon, later) == (("", 0), ("compacting", 3))
    assert caplog.text.count("could not be recorded") == 1


# --- Those that were killed ------------------------------------------------------------------------------------------


def test_a_run_whose_lock_is_free_is_lost(data_dir: Path) -> None:
    run = began_at(data_dir, age=timedelta(minutes=1))

    assert settle_lost_runs() == [run]

    run.refresh_from_db()
    assert (run.state, run.finished_at) == ("lost", run.seen_at)
    assert not lock_of(data_dir, run).exists()


def test_a_run_whose_lock_is_held_is_alive_however_long_it_was_silent(
    data_dir: Path, lock_elsewhere: Callable[[Path], AbstractContextManager[None]]
) -> None:
    run = began_at(data_dir, age=timedelta(days=3))

    with lock_elsewhere(lock_of(data_dir, run)):
        assert settle_lost_runs() == []


def test_a_run_that_has_only_just_begun_is_let_be(data_dir: Path) -> None:
    began_at(data_dir, age=timedelta(0))

    assert settle_lost_runs() == []


def test_a_run_of_another_host_is_lost_after_a_day_of_silence(data_dir: Path) -> None:
    began_at(data_dir, age=timedelta(hours=23), locked=False)
    old = began_at(data_dir, age=timedelta(hours=25), locked=False)

    assert settle_lost_runs() == [old]


def test_a_lock_that_cannot_be_tried_tells_as_little_as_one_on_another_host(data_dir: Path) -> None:
    recent, old = (began_at(data_dir, age=timedelta(hours=hours), locked=False) for hours in (23, 25))
    for run in (recent, old):
        lock_of(data_dir, run).mkdir(parents=True)

    assert settle_lost_runs() == [old]


def test_the_next_run_tells_of_the_one_that_was_lost(data_dir: Path) -> None:
    lost = began_at(data_dir, age=timedelta(minutes=1))

    archive_training_data()

    assert f"Run {lost.pk} (archive, begun " in ArchiveRun.objects.get(state=State.SUCCEEDED).log
    lost.refresh_from_db()
    assert lost.state == "lost"


def test_a_lost_run_keeps_nobody_from_asking_for_another(data_dir: Path) -> None:
    began_at(data_dir, age=timedelta(minutes=1))

    assert request_run(Kind.ARCHIVE, by="ada").state == "queued"
