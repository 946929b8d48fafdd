"""Asking for a training run, and taking it back."""

import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from capture_app.files import fsync_directory, scratch_directory
from capture_app.progress import Progress, silent
from continuous_training.conf import loop_settings
from continuous_training.exceptions import NothingNew, TrainingFailed, TrainingRefused
from continuous_training.exporting.locking import exports_locked
from continuous_training.models import TrainingRun
from continuous_training.training.backends import trainer_named
from continuous_training.training.claims import get_run
from continuous_training.training.data import EXPORT, FILES, Staged, stage
from continuous_training.training.devices import ACTIVE
from continuous_training.training.folders import has_pair, read_pairs, remove_data, run_folder
from continuous_training.training.names import new_run_id
from continuous_training.training.spending import require_training_budget
from continuous_training.training.task_exports import newest_files
from continuous_training.training.trainers.base import Trainer

PATIENCE: Final = 600.0  # seconds for which an export, or an erasure from exports, is waited for

State = TrainingRun.State


def request_run(
    task: str,
    *,
    by: str,
    trainer: str = "",
    base_model: str = "",
    data: Sequence[Path] = (),
    options: Mapping[str, Any] | None = None,
    only_new: bool = False,
    progress: Progress = silent,
) -> TrainingRun:
    """Queue a run that trains on the task's export, or on these files. `resume_runs` gives it to a worker.

    What is left out is taken from CONTINUOUS_TRAINING and the trainer. The files are copied; what happens to them later
    is nothing to the run. With `only_new` there must be a pair that the task's last run was not given.

    Raises TrainingRefused for a line that no chat is, for one that was erased on request, for files that are not there
    and for options that the trainer does not know; NothingNew; BudgetSpent; JobBusy when an export takes very long;
    LoopError for a trainer that is not configured; OSError. Nothing is left of it then.
    """
    trainer = trainer or loop_settings().default_trainer
    backend = trainer_named(trainer)
    _check(task, backend, options or {})
    require_training_budget(task)
    with scratch_directory(loop_settings().runs_folder) as scratch, exports_locked(wait_seconds=PATIENCE):
        paths, folder = list(data) or newest_files(task), scratch / "run"
        staged = stage(paths, folder, source=FILES if data else EXPORT, progress=progress)
        if only_new:
            _must_have_new_pairs(task, staged)
        return _insert(
            folder,
            task=task,
            trainer=trainer,
            device=backend.device,
            base_model=base_model or backend.base_model or loop_settings().default_base_model,
            options=dict(options or {}),
            data=staged.facts(),
            requested_by=by,
        )


def _check(task: str, backend: Trainer, options: Mapping[str, Any]) -> None:
    if not task.strip():
        raise TrainingRefused("A run needs the name of a task. No run was made.")
    try:
        backend.check_options(options)
    except TrainingFailed as refused:
        raise TrainingRefused(f"{refused} No run was made.") from refused


def _must_have_new_pairs(task: str, staged: Staged) -> None:
    useful = TrainingRun.objects.filter(task=task, state__in=(*ACTIVE, State.SUCCEEDED))
    last = useful.order_by("-requested_at").first()
    seen = read_pairs(last.pk) if last else None
    if last is not None and seen is not None and all(has_pair(seen, digest) for digest in staged.digests):
        raise NothingNew(f"There is no pair of the task {task!r} that its run {last.pk} was not given.")


def _insert(folder: Path, **values: Any) -> TrainingRun:
    """First the folder, then the row: a run is never without its data. A folder without a row is swept."""
    now = datetime.now(UTC)
    run_id = new_run_id(values["task"], now)
    target = run_folder(run_id)
    folder.rename(target)
    try:
        fsync_directory(target.parent)
        return TrainingRun.objects.create(pk=run_id, requested_at=now, **values)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def cancel_run(run_id: str, *, by: str) -> TrainingRun:
    """Take a queued run back at once; any other is stopped by whoever has it within seconds, or within a minute.

    Raises NoSuchRun, and TrainingRefused for one that is over.
    """
    now = datetime.now(UTC)
    asked = {"cancel_requested_at": now, "cancel_requested_by": by}
    queued = TrainingRun.objects.filter(pk=run_id, state=State.QUEUED, worker="")
    if queued.update(state=State.CANCELLED, finished_at=now, next_at=None, **asked):
        remove_data(run_id)
        return get_run(run_id)
    if TrainingRun.objects.filter(pk=run_id, state__in=ACTIVE).update(**asked):
        return get_run(run_id)
    run = get_run(run_id)
    raise TrainingRefused(f"The training run {run_id} is over ({run.state}), so there is nothing to cancel.")
