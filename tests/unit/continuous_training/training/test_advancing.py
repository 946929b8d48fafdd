"""A run goes from state to state, waits, fails or is tried again; one worker has it, and one run its device."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from capture_app.budgets import note_spend
from capture_app.models import Spend
from continuous_training.exceptions import NoSuchRun, RunTaken, TrainingRefused
from continuous_training.models import TrainedModel, TrainingRun
from continuous_training.training import advancing, claims, reporting
from continuous_training.training.claims import take
from continuous_training.training.devices import device_lock
from continuous_training.training.folders import data_folder, run_folder
from continuous_training.training.reporting import RunReporter, signs_of_life
from continuous_training.training.runs import advance_run, cancel_here, cancel_run, follow_run
from tests.unit.continuous_training.training.material import notes, requested

pytestmark = pytest.mark.django_db

STEPS = ["step 1", "step 2", "step 3"]


def notes_of(run: TrainingRun) -> list[str]:
    return notes(run_folder(run.pk))


def seconds_left(run: TrainingRun) -> float:
    assert run.next_at is not None
    return (run.next_at - datetime.now(UTC)).total_seconds()


def due(run: TrainingRun) -> None:
    """As if the time had come."""
    TrainingRun.objects.filter(pk=run.pk).update(next_at=datetime.now(UTC))


def silent_worker(run: TrainingRun, state: str = "training", **values: Any) -> None:
    """As a worker that was killed three minutes ago left it."""
    long_ago = datetime.now(UTC) - timedelta(minutes=3)
    TrainingRun.objects.filter(pk=run.pk).update(worker="host/1/x", heartbeat_at=long_ago, state=state, **values)


def test_a_run_ends_with_a_model_and_without_its_data(tmp_path: Path) -> None:
    run = requested(tmp_path)
    told = []

    done = advance_run(run.pk, progress=lambda *now: told.append(now))

    assert (done.state, done.problem, done.worker, done.cost_usd) == ("succeeded", "", "", 0.5)
    assert done.metrics == {"loss": None, "lines": 2}  # no JSON has a NaN
    assert done.progress == {"step": 3, "steps": 3, "loss": pytest.approx(1 / 3)}
    assert told == [("training", 1, 3), ("training", 2, 3), ("training", 3, 3)]
    times = [done.requested_at, done.started_at, done.finished_at]
    assert times == sorted(filter(None, times))
    model = TrainedModel.objects.get()
    folder = run_folder(run.pk)
    assert (model.pk, model.task, model.provider, model.model) == (run.pk, "shop", "local", run.pk)
    assert (model.folder, model.bytes) == (str(folder / "model"), 5)
    assert not data_folder(folder).exists()
    assert notes_of(run) == STEPS
    spend = Spend.objects.get()
    assert (spend.task, spend.usd, spend.purpose, spend.key) == ("shop", 0.5, "training", f"training run {run.pk}")


def test_a_run_that_is_over_is_left_alone(tmp_path: Path) -> None:
    run = requested(tmp_path)
    advance_run(run.pk)

    again = advance_run(run.pk)

    assert again.state == "succeeded"
    assert notes_of(run) == STEPS


def test_a_run_that_is_not_there_is_said_not_to_be() -> None:
    with pytest.raises(NoSuchRun, match="no training run 'shop_x'"):
        advance_run("shop_x")


def test_a_run_that_waits_is_nobodys_until_its_time_has_come(tmp_path: Path) -> None:
    run = requested(tmp_path, options={"waits": 100})

    waiting = advance_run(run.pk)
    advance_run(run.pk)

    assert (waiting.state, waiting.worker, waiting.job) == ("training", "", {"done": 1})
    assert 90 < seconds_left(waiting) <= 100
    assert notes_of(run) == STEPS[:1]
    for _ in range(2):
        due(run)
        waiting = advance_run(run.pk)
    assert (waiting.state, waiting.next_at) == ("succeeded", None)
    assert notes_of(run) == STEPS


def test_what_a_trainer_says_cannot_succeed_has_failed_and_loses_its_data(tmp_path: Path) -> None:
    run = requested(tmp_path, options={"raises": ["TrainingFailed"]})

    failed = advance_run(run.pk)

    assert (failed.state, failed.problem) == ("failed", "because")
    assert not data_folder(run_folder(run.pk)).exists()
    assert TrainedModel.objects.count() == 0


def test_any_other_error_is_tried_again_after_a_while_that_doubles(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = requested(tmp_path, options={"raises": ["RuntimeError", "ServiceSilent"]})

    waits, problems = [], []
    for _ in range(2):
        after = advance_run(run.pk)
        waits.append(round(seconds_left(after), -1))
        problems.append(after.problem)
        due(run)

    assert advance_run(run.pk).state == "succeeded"
    assert waits == [60, 120]
    assert problems == ["RuntimeError", "because"]  # the words of others may quote an example


def test_after_five_errors_in_a_row_a_run_has_failed(tmp_path: Path) -> None:
    run = requested(tmp_path, options={"raises": ["RuntimeError"] * 5})

    for _ in range(5):
        due(run)
        after = advance_run(run.pk)

    assert after.state == "failed"
    assert after.problem == "It stopped 5 times in a row, at last with: RuntimeError"
    assert not data_folder(run_folder(run.pk)).exists()


def test_ctrl_c_leaves_the_run_for_the_next_worker_at_once(tmp_path: Path) -> None:
    run = requested(tmp_path, options={"raises": ["KeyboardInterrupt"]})

    with pytest.raises(KeyboardInterrupt):
        advance_run(run.pk)

    left = TrainingRun.objects.get()
    assert (left.state, left.worker, left.failures) == ("training", "", 0)
    assert advance_run(run.pk).state == "succeeded"


def test_data_that_were_changed_are_not_trained_on(tmp_path: Path) -> None:
    run = requested(tmp_path)
    copy = data_folder(run_folder(run.pk)) / "00001.jsonl"
    copy.write_bytes(copy.read_bytes() + b"{}\n")

    failed = advance_run(run.pk)

    assert failed.state == "failed"
    assert "gone or changed" in failed.problem
    assert notes_of(run) == []


def test_what_the_trainer_returned_is_finished_without_it(tmp_path: Path) -> None:
    run = requested(tmp_path)
    trained = {"provider": "openai", "model": "ft:x", "folder": "", "metrics": {"a": 1}, "cost_usd": 3.0}
    silent_worker(run, "finishing", trained=trained)

    done = advance_run(run.pk)

    assert (done.state, done.cost_usd, notes_of(run)) == ("succeeded", 3.0, [])
    assert TrainedModel.objects.get().model == "ft:x"


# --- Who has a run ---------------------------------------------------------------------------------------------------


def test_a_run_that_somebody_has_is_nobody_elses(tmp_path: Path) -> None:
    run = requested(tmp_path)
    first = take(run.pk)

    assert first is not None
    assert take(run.pk) is None
    assert advance_run(run.pk).state == "queued"
    assert notes_of(run) == []


def test_a_worker_that_fell_silent_loses_its_run_and_that_counts_as_a_failure(tmp_path: Path) -> None:
    run = requested(tmp_path)
    silent_worker(run, job={"done": 2})

    done = advance_run(run.pk)

    assert (done.state, done.failures) == ("succeeded", 1)
    assert notes_of(run) == STEPS[2:]  # it goes on behind what was saved


def test_a_run_that_kills_its_workers_has_failed_in_the_end(tmp_path: Path) -> None:
    run = requested(tmp_path)
    silent_worker(run, failures=4)

    failed = advance_run(run.pk)

    assert (failed.state, failed.problem) == ("failed", "Its worker was killed 5 times in a row.")
    assert notes_of(run) == ["cancelled"]  # what it may have begun elsewhere


def test_a_run_that_is_given_up_takes_a_model_that_is_there_by_now(tmp_path: Path) -> None:
    run = requested(tmp_path, options={"too_late": True})
    silent_worker(run, failures=4)

    assert advance_run(run.pk).state == "succeeded"
    assert TrainedModel.objects.get().model == "late"


def test_a_run_whose_trainer_is_gone_fails_and_says_what_may_go_on(tmp_path: Path, loop: Callable[..., None]) -> None:
    run = requested(tmp_path)
    loop(TRAINERS={})
    TrainingRun.objects.update(failures=4)

    failed = advance_run(run.pk)

    assert failed.state == "failed"
    assert "at last with: There is no trainer 'steps'." in failed.problem
    assert failed.problem.endswith(" What it had begun elsewhere may go on there.")


def test_a_worker_that_was_given_up_can_change_nothing_any_more(tmp_path: Path) -> None:
    run = requested(tmp_path)
    old = take(run.pk)
    assert old is not None
    silent_worker(run)
    reporter = RunReporter(old, lambda *told: None)
    before = TrainingRun.objects.values().get()

    for attempt in (
        lambda: reporter.save({"done": 3}),
        lambda: reporter.progress(step=1, steps=3),
        reporter.is_cancelled,
        lambda: old.move(TrainingRun.State.TRAINING, TrainingRun.State.FINISHING),
        lambda: old.end(TrainingRun.State.FAILED),
        lambda: old.wait(5),
    ):
        with pytest.raises(RunTaken):
            attempt()
    old.let_go()

    assert TrainingRun.objects.values().get() == before


@pytest.mark.django_db(transaction=True)
def test_a_worker_gives_signs_of_life_while_its_trainer_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = requested(tmp_path)
    claim = take(run.pk)
    assert claim is not None
    silence = datetime.now(UTC) - timedelta(minutes=5)
    TrainingRun.objects.update(heartbeat_at=silence)
    monkeypatch.setattr(reporting, "BEAT", 0.01)
    beaten = threading.Event()
    update = claims.Claim.set

    def noted(claim: claims.Claim) -> None:
        update(claim)
        beaten.set()

    monkeypatch.setattr(claims.Claim, "set", noted)

    with signs_of_life(claim):
        assert beaten.wait(20)

    assert TrainingRun.objects.filter(heartbeat_at__gt=silence).exists()


# --- One run at a time on a device -----------------------------------------------------------------------------------


def test_runs_on_a_device_have_their_turns_in_the_order_of_their_requests(tmp_path: Path) -> None:
    first, second, elsewhere = (
        requested(tmp_path, task=task, trainer=trainer)
        for task, trainer in (("a", "steps"), ("b", "steps"), ("c", "elsewhere"))
    )

    assert advance_run(second.pk).state == "queued"
    assert advance_run(elsewhere.pk).state == "succeeded"
    assert advance_run(first.pk).state == "succeeded"
    assert advance_run(second.pk).state == "succeeded"


def test_a_run_waits_while_its_device_is_in_use(tmp_path: Path) -> None:
    run = requested(tmp_path)

    with device_lock("gpu") as is_free:
        assert is_free
        assert advance_run(run.pk).state == "queued"

    assert advance_run(run.pk).state == "succeeded"


def test_a_run_that_waits_keeps_nobody_from_the_device(tmp_path: Path) -> None:
    first, second = (requested(tmp_path, task=task, options={"waits": 100}) for task in ("a", "b"))
    advance_run(first.pk)

    assert advance_run(second.pk).job == {"done": 1}


# --- Budgets ---------------------------------------------------------------------------------------------------------


def test_a_run_whose_budget_is_spent_waits_and_says_why(tmp_path: Path, capture: Callable[..., None]) -> None:
    run = requested(tmp_path)
    capture(BUDGETS={"shop": {"DAY": 1}})
    note_spend("shop", 2.0, purpose="training", key="other")

    waiting = advance_run(run.pk)

    assert (waiting.state, waiting.worker) == ("queued", "")
    assert "The budget of 'shop' for this day is spent" in waiting.problem
    capture(BUDGETS={"shop": {"DAY": 10}})
    due(run)
    done = advance_run(run.pk)
    assert (done.state, done.problem) == ("succeeded", "")


def test_between_two_steps_the_budget_is_asked_again(tmp_path: Path, capture: Callable[..., None]) -> None:
    run = requested(tmp_path, options={"waits": 0})
    capture(BUDGETS={"shop": {"DAY": 1}})
    advance_run(run.pk)
    TrainingRun.objects.update(state="training", job={}, trained={})
    TrainedModel.objects.all().delete()
    note_spend("shop", 2.0, purpose="training", key="other")

    waiting = advance_run(run.pk)

    assert (waiting.state, waiting.job) == ("training", {})
    assert "is spent" in waiting.problem


# --- Cancelling ------------------------------------------------------------------------------------------------------


def test_a_queued_run_is_cancelled_at_once(tmp_path: Path) -> None:
    run = requested(tmp_path)

    cancelled = cancel_run(run.pk, by="bob")

    assert (cancelled.state, cancelled.cancel_requested_by) == ("cancelled", "bob")
    assert not data_folder(run_folder(run.pk)).exists()
    assert advance_run(run.pk).state == "cancelled"
    with pytest.raises(TrainingRefused, match=r"is over \(cancelled\)"):
        cancel_run(run.pk, by="bob")


def test_a_run_that_waits_is_cancelled_where_it_is_trained(tmp_path: Path) -> None:
    run = requested(tmp_path, options={"waits": 100})
    advance_run(run.pk)

    asked = cancel_run(run.pk, by="bob")

    assert asked.state == "training"
    assert advance_run(run.pk).state == "cancelled"
    assert notes_of(run) == ["step 1", "cancelled"]


def test_a_model_that_was_done_before_it_could_be_cancelled_is_kept(tmp_path: Path) -> None:
    run = requested(tmp_path, options={"waits": 100, "too_late": True})
    advance_run(run.pk)

    done = cancel_here(run.pk, by="bob")

    assert (done.state, done.cost_usd) == ("succeeded", 2.0)
    assert TrainedModel.objects.get().model == "late"


def test_a_trainer_at_work_is_told_and_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = requested(tmp_path)
    monkeypatch.setattr(reporting, "_ASKED_EVERY", 0.0)

    def progress(stage: str, done: int, total: int) -> None:
        if done == 2:
            cancel_run(run.pk, by="bob")

    assert advance_run(run.pk, progress=progress).state == "cancelled"

    assert notes_of(run) == STEPS[:2]


def test_a_run_can_be_cancelled_while_another_has_the_device(tmp_path: Path) -> None:
    run = requested(tmp_path, options={"waits": 100})
    advance_run(run.pk)

    with device_lock("gpu"):
        assert cancel_here(run.pk, by="bob").state == "cancelled"


# --- Following -------------------------------------------------------------------------------------------------------


def test_who_waits_for_a_run_does_those_before_it_as_well(tmp_path: Path) -> None:
    first, second = (requested(tmp_path, task=task) for task in ("a", "b"))
    told = []

    done = follow_run(second.pk, progress=lambda *now: told.append(now), pause=0)

    assert done.state == "succeeded"
    assert TrainingRun.objects.get(pk=first.pk).state == "succeeded"
    assert (f"waiting for {first.pk}", 0, 0) in told
    assert ("training", 3, 3) in told


def test_what_stops_a_run_is_logged_with_what_raised_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = requested(tmp_path, options={"raises": ["RuntimeError"]})

    with caplog.at_level(logging.WARNING, logger=advancing.__name__):
        advance_run(run.pk)

    [record] = [each for each in caplog.records if each.name == "continuous_training"]
    assert record.exc_info is not None
    assert f"The training run {run.pk} stopped: RuntimeError" in record.message
