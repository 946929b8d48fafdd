"""A training run goes on, step by step, until it is over or has to wait.

    queued ──► preparing ──► training ──► finishing ──► succeeded
       │           │            │             │
       └───────────┴────────────┴─────────────┴──► failed, cancelled

A worker takes the run (`claims`), and its device (`devices`). Preparing, the copied data are looked at again; training
is the trainer's; what it returns is written into the row before anything is made of it, so that finishing never trains.
Killed anywhere, the run goes on from its row: with what the trainer saved last, and never twice at the same time.

What is a verdict ends the run: TrainingFailed, TrainingCancelled. Any other error is tried again, after a while that
doubles, and so is a worker that died; after MOST_FAILURES in a row the run has failed.
"""

import logging
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from django.db import DatabaseError, connections, router, transaction

from capture_app.exceptions import BudgetSpent, CaptureError
from capture_app.files import file_size
from capture_app.jobs import describe
from capture_app.progress import Progress, silent
from capture_app.wording import counted
from continuous_training.exceptions import RunTaken, TrainingCancelled, TrainingFailed
from continuous_training.models import TrainedModel, TrainingRun
from continuous_training.training.backends import trainer_named
from continuous_training.training.claims import Claim, get_run, take
from continuous_training.training.data import verified_files
from continuous_training.training.devices import device_lock, first_in_line
from continuous_training.training.folders import data_files, remove_data, run_folder
from continuous_training.training.reporting import RunReporter, plain, signs_of_life
from continuous_training.training.spending import note_training_cost, require_training_budget
from continuous_training.training.trainers.base import Trained, Trainer, TrainingJob

MOST_FAILURES: Final = 5
_FIRST_PAUSE: Final = 60.0  # seconds until what failed is tried again; doubled each time
_BUDGET_PAUSE: Final = 600.0  # seconds until a budget that was spent is asked again

State = TrainingRun.State

logger = logging.getLogger("continuous_training")


def advance_run(run_id: str, *, progress: Progress = silent) -> TrainingRun:
    """Do for the run what can be done now; the run as it stands then.

    Nothing is done to one that is over, that somebody else has, that waits, or whose turn on its device has not come.
    What stops it is seen at the run and not raised; only what ends this process is, and then the run can go on at once.
    Raises NoSuchRun.
    """
    run = get_run(run_id)
    device = "" if run.cancel_requested_at else run.device  # to be cancelled, it needs none
    with device_lock(device) as is_free:
        if is_free and (not device or first_in_line(run).pk == run_id):
            _advance_alone(run_id, progress)
    return get_run(run_id)


def _advance_alone(run_id: str, progress: Progress) -> None:
    claim = take(run_id)
    if claim is None:
        return
    try:
        with signs_of_life(claim):
            _work(claim, progress)
    except RunTaken as taken:
        logger.info("%s", taken)
    except Exception as error:  # whatever came of it is tried again, and seen at the run
        _try_again(claim, error)
    except BaseException:
        with suppress(DatabaseError):  # what ends this process is to be told; the run is found silent then
            claim.let_go()
        raise


def _work(claim: Claim, progress: Progress) -> None:
    run = claim.run()
    try:
        if run.failures >= MOST_FAILURES:
            _give_up(claim, run, f"Its worker was killed {counted(run.failures, 'time')} in a row.")
        else:
            _go_on(claim, run, progress)
    except BudgetSpent as spent:
        claim.wait(_BUDGET_PAUSE, problem=str(spent))
    except TrainingCancelled:
        _end(claim, State.CANCELLED)
    except TrainingFailed as failed:
        _end(claim, State.FAILED, str(failed))


def _end(claim: Claim, state: TrainingRun.State, problem: str = "") -> None:
    claim.end(state, problem=problem)
    remove_data(claim.run_id)
    logger.info("The training run %s is %s. %s", claim.run_id, state.label.lower(), problem)


def _try_again(claim: Claim, error: Exception) -> None:
    """In our own words where we have some: those of others may quote an example."""
    said = str(error) if isinstance(error, CaptureError) else describe(error)
    logger.warning("The training run %s stopped: %s", claim.run_id, said, exc_info=error)
    connections[router.db_for_write(TrainingRun)].close_if_unusable_or_obsolete()
    try:
        run = claim.run()
        failures = run.failures + 1
        if failures < MOST_FAILURES:
            claim.wait(_FIRST_PAUSE * 2**run.failures, problem=said, failures=failures)
        else:
            _give_up(claim, run, f"It stopped {failures} times in a row, at last with: {said}")
    except RunTaken as taken:
        logger.info("%s", taken)


def _give_up(claim: Claim, run: TrainingRun, problem: str) -> None:
    """The run has failed. What runs elsewhere is stopped; a model that is there by now is taken all the same."""
    late = None
    try:
        if run.state != State.FINISHING:
            late = trainer_named(run.trainer).cancel(_job(run))
    except Exception as error:  # whatever keeps it from being stopped, the run has its end
        logger.warning("What the run %s had begun could not be stopped.", claim.run_id, exc_info=error)
        problem += " What it had begun elsewhere may go on there."
    if late is None:
        _end(claim, State.FAILED, problem)
    else:
        claim.move(State(run.state), State.FINISHING, trained=_as_row(late))
        _finish(claim, claim.run())


# --- From state to state ---------------------------------------------------------------------------------------------


def _go_on(claim: Claim, run: TrainingRun, progress: Progress) -> None:
    if run.state != State.FINISHING:
        trainer = trainer_named(run.trainer)
        trained = _cancelled(trainer, run) if run.cancel_requested_at else _trained(claim, run, trainer, progress)
        if trained is None:
            return
        claim.move(State(claim.run().state), State.FINISHING, trained=_as_row(trained))
    _finish(claim, claim.run())


def _cancelled(trainer: Trainer, run: TrainingRun) -> Trained:
    """The model that came of it all the same. Raises TrainingCancelled when there is none."""
    if (trained := trainer.cancel(_job(run))) is not None:
        return trained
    raise TrainingCancelled(f"The training run {run.pk} was cancelled.")


def _trained(claim: Claim, run: TrainingRun, trainer: Trainer, progress: Progress) -> Trained | None:
    """What came of it; None when the run has to wait."""
    if run.state == State.QUEUED:
        require_training_budget(run.task)
        claim.move(State.QUEUED, State.PREPARING, started_at=datetime.now(UTC))
        run = claim.run()
    if run.state == State.PREPARING:
        verified_files(run_folder(run.pk), run.data)
        claim.move(State.PREPARING, State.TRAINING)
    return _train(claim, trainer, RunReporter(claim, progress))


def _train(claim: Claim, trainer: Trainer, reporter: RunReporter) -> Trained | None:
    while True:
        run = claim.run()
        if not trainer.is_committed(run.job):
            require_training_budget(run.task)
        found = trainer.advance(_job(run), reporter)
        if isinstance(found, Trained):
            return found
        if found.seconds > 0:
            claim.wait(found.seconds)
            return None


def _job(run: TrainingRun) -> TrainingJob:
    folder = run_folder(run.pk)
    return TrainingJob(
        run_id=run.pk,
        folder=folder,
        data=data_files(folder),
        base_model=run.base_model,
        options=run.options,
        saved=run.job,
        task=run.task,
        about_data=run.data,
    )


def _as_row(trained: Trained) -> dict[str, Any]:
    return plain({**asdict(trained), "folder": str(trained.folder or "")})


def _finish(claim: Claim, run: TrainingRun) -> None:
    """The model is there; what is left is to say so. Each step may be repeated."""
    trained = run.trained
    note_training_cost(run.task, trained["cost_usd"], run_id=run.pk)
    folder = trained["folder"]
    size = sum(file_size(path) for path in Path(folder).rglob("*") if path.is_file()) if folder else 0
    now = datetime.now(UTC)
    with transaction.atomic(using=router.db_for_write(TrainingRun)):
        TrainedModel.objects.create(
            pk=run.pk,
            run=run,
            task=run.task,
            provider=trained["provider"],
            model=trained["model"],
            folder=folder,
            bytes=size,
            created_at=now,
        )
        claim.end(State.SUCCEEDED, metrics=trained["metrics"], cost_usd=trained["cost_usd"])
    remove_data(run.pk)
    logger.info("The training run %s succeeded: %s/%s.", run.pk, trained["provider"], trained["model"])
