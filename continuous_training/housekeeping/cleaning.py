"""Trained models that are old, and that nobody may reach any more, are removed: here, or at the service that has them.

It is decided in one transaction: the model counts as removed, unless a route, or what may become one, names it by then.
Whoever approves a promotion at the same moment comes before or after that, never between. Only then the files go. The
folder is renamed first, so that no half of a model bears its name; what a killed run left, the next one takes up.
"""

import logging
import os
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from django.db import router, transaction

from capture_app.exceptions import CaptureError
from capture_app.files import fsync_directory
from capture_app.jobs import describe, only_run
from capture_app.moments import moment_ago
from capture_app.progress import Progress, silent
from continuous_training.conf import loop_settings
from continuous_training.exceptions import LoopError
from continuous_training.housekeeping.reachable import Reachable
from continuous_training.models import ModelRemoval, Promotion, TrainedModel
from continuous_training.training.backends import trainer_named

_JOB: Final = "cleanup-models"
_GOING: Final = ".removing-"  # begins the name of a folder that is being deleted

logger = logging.getLogger("continuous_training")


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanedModel:
    """A model, and what became of it."""

    id: str  # its run's
    task: str
    provider: str
    model: str
    bytes: int  # of its files here; 0 of one elsewhere
    created_at: datetime
    why: str = ""  # it stays, or is not wholly gone yet


@dataclass(slots=True, kw_only=True)
class CleanupReport:
    """What one run did, or would do."""

    before: datetime  # models from before this are old; aware
    dry_run: bool
    removed: list[CleanedModel] = field(default_factory=list)
    kept: list[CleanedModel] = field(default_factory=list)  # old ones that somebody may reach
    failed: list[CleanedModel] = field(default_factory=list)  # decided, and still to be finished: run it again

    @property
    def bytes(self) -> int:
        return sum(model.bytes for model in self.removed)


def cleanup_models(
    *, older_than: timedelta, by: str, dry_run: bool = False, progress: Progress = silent
) -> CleanupReport:
    """Remove the trained models that are older than this, and finish what a run before has left.

    What stays, and why, see reachable. Raises JobBusy while another one is at work, WrongRoute when a route cannot be
    understood: then nothing is removed, for it may name any model.
    """
    report = CleanupReport(before=moment_ago(older_than), dry_run=dry_run)
    with only_run(_JOB):
        if not dry_run:
            for removal in ModelRemoval.objects.filter(finished_at=None).select_related("trained_model"):
                _finish(removal, report)
        old = TrainedModel.objects.filter(removed_at=None, created_at__lt=report.before).order_by("created_at", "pk")
        found = list(old)
        for number, model in enumerate(found):
            progress("removing models", number, len(found))
            _clean(model, by, report)
    if report.removed and not dry_run:
        logger.info("Removed %d models with %d bytes.", len(report.removed), report.bytes)
    return report


def _clean(model: TrainedModel, by: str, report: CleanupReport) -> None:
    if report.dry_run:
        why = Reachable().why(model)
        (report.kept if why else report.removed).append(_told(model, why))
        return
    removal, why = _decide(model, by)
    if removal is None:
        report.kept.append(_told(model, why))
    else:
        _finish(removal, report)


def _decide(model: TrainedModel, by: str) -> tuple[ModelRemoval | None, str]:
    """Count the model as removed from now on, or say why not.

    Whoever approves holds the promotion's row until the route is written. The write below comes before the look at the
    routes, so that in SQLite, too, nobody else writes in between.
    """
    now = datetime.now(UTC)
    with transaction.atomic(using=router.db_for_write(TrainedModel)):
        if not TrainedModel.objects.filter(pk=model.pk, removed_at=None).update(removed_at=now):
            return None, "somebody else is removing it"
        list(Promotion.objects.select_for_update().filter(trained_model=model))
        why = Reachable().why(model)
        if why:
            transaction.set_rollback(True)
            return None, why
        return ModelRemoval.objects.create(trained_model=model, decided_at=now, decided_by=by), ""


def _finish(removal: ModelRemoval, report: CleanupReport) -> None:
    """Remove what there is of it. A failure is noted, and hinders no other model."""
    model = removal.trained_model
    try:
        _remove(model)
    except Exception as error:  # a service, its SDK or a disk may raise anything: the next run tries again
        told = str(error) if isinstance(error, CaptureError) else describe(error)
        logger.warning("The model %s is not wholly removed yet (%s).", model.pk, told)
        ModelRemoval.objects.filter(pk=removal.pk).update(problem=told)
        report.failed.append(_told(model, told))
        return
    ModelRemoval.objects.filter(pk=removal.pk).update(finished_at=datetime.now(UTC), problem="")
    report.removed.append(_told(model))


def _remove(model: TrainedModel) -> None:
    if model.folder:
        remove_folder(Path(model.folder))
    else:
        trainer_named(model.run.trainer).remove(model.model, None)


def remove_folder(folder: Path) -> None:
    """Delete a model's folder, or what a killed run left of it. Raises LoopError for one that is not ours to delete."""
    parent = folder.parent.resolve()
    _refuse_foreign(folder, parent)
    going = parent / f"{_GOING}{folder.name}"
    if folder.is_dir():
        shutil.rmtree(going, ignore_errors=True)  # should a model have been made again under the name of a removed one
        folder.rename(going)
        fsync_directory(parent)
    if going.exists():
        shutil.rmtree(going)
        fsync_directory(parent)


def _refuse_foreign(folder: Path, parent: Path) -> None:
    """The row is ours, and yet nothing but folders among the models and runs is ever deleted on its word."""
    conf = loop_settings()
    own = [place.resolve() for place in (conf.models_folder, conf.runs_folder)]
    is_own = any(parent.is_relative_to(place) for place in own) and folder.name != ".."
    if (not is_own or folder.is_symlink()) and os.path.lexists(folder):
        raise LoopError(
            f"{folder} is no folder in {conf.models_folder} or {conf.runs_folder}, so it was not deleted. Delete it "
            "yourself; the next run then takes note of it."
        )


def _told(model: TrainedModel, why: str = "") -> CleanedModel:
    return CleanedModel(
        id=model.pk,
        task=model.task,
        provider=model.provider,
        model=model.model,
        bytes=model.bytes if model.folder else 0,
        created_at=model.created_at,
        why=why,
    )
