"""An evaluation: candidate and incumbent answer the same items, are scored, and compared.

Everything is noted as it comes, in EvaluationItem. A run that was killed, or stopped because a model or a budget gave
out, is gone on with by the next one that asks for the same: same task, models, items and scorers.
"""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from django.db import transaction

from capture_app.exceptions import CaptureError
from capture_app.jobs import only_run
from capture_app.known import forgotten_ids
from capture_app.progress import Progress, silent
from capture_app.routing.config import Target
from continuous_training.conf import loop_settings
from continuous_training.evaluation.answering import answer_all
from continuous_training.evaluation.gold_files import read_gold_file
from continuous_training.evaluation.held_out import held_out_set
from continuous_training.evaluation.items import GoldItem, GoldSet, columns_of, keepable
from continuous_training.evaluation.metrics import Metrics, Tally
from continuous_training.evaluation.report import write_report
from continuous_training.evaluation.rows import pages
from continuous_training.evaluation.scorers import JSON_FIELDS, TOKEN_F1, get_scorer
from continuous_training.evaluation.scoring import score_all
from continuous_training.evaluation.targets import checked_target
from continuous_training.exceptions import EvaluationRefused
from continuous_training.models import Evaluation, EvaluationItem

_ROWS_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What an evaluation is asked for."""

    task: str
    candidate: Target
    incumbent: Target | None  # None: nothing answers the task yet, and the candidate is scored by itself
    gold: GoldSet
    scorers: Sequence[str]  # the first one decides

    @property
    def scorer(self) -> str:
        return ",".join(self.scorers)


def gold_set(task: str, *, file: Path | None = None, held_out: bool = False) -> GoldSet:
    """The items of a file; or what is held out; else of the task's file in GOLD_SETS, or what is held out.

    Raises EvaluationRefused when there are none.
    """
    path = file or (None if held_out else loop_settings().gold_sets.get(task))
    found = read_gold_file(path) if path else held_out_set(task)
    if not found.items:
        raise EvaluationRefused(
            f"Nothing is held out of the task {task!r}, so there is nothing to ask. Hold examples out with “manage.py "
            "hold_out_examples”, or name a gold file. Nothing was asked."
        )
    return found


def evaluate(
    task: str,
    *,
    candidate: Target,
    incumbent: Target | None,
    gold: GoldSet,
    scorers: Sequence[str] = (),
    requested_by: str,
    count_errors: bool = False,
    progress: Progress = silent,
) -> Evaluation:
    """Compare the two on a gold set; by default with json_fields where it has slot_specs, else with token_f1.

    Raises EvaluationRefused before anything is asked; EvaluationStopped, JudgeMissing and BudgetSpent when it cannot go
    on for now; JobBusy while another evaluation of the task runs here.
    """
    chosen = list(dict.fromkeys(scorers)) or [JSON_FIELDS if gold.has_specs else TOKEN_F1]
    made = {name: get_scorer(name) for name in chosen}
    for target in (candidate, incumbent):
        if target:
            checked_target(target)
    asked = Comparison(task=task, candidate=candidate, incumbent=incumbent, gold=gold, scorers=chosen)
    with only_run(f"evaluation-{hashlib.sha256(task.encode('utf-8', 'replace')).hexdigest()[:16]}"):
        evaluation = _begun(asked) or _begin(asked, requested_by)
        try:
            answer_all(evaluation, count_errors=count_errors, progress=progress)
            score_all(evaluation, made, progress=progress)
        except CaptureError as error:
            Evaluation.objects.filter(pk=evaluation.pk).update(problem=str(error))
            raise
        return _finish(evaluation)


def metrics_of(evaluation: Evaluation) -> Metrics | None:
    """What its items say now, all of which are scored; None when none is left."""
    tally = Tally(evaluation.scorer.split(","))
    for page in pages(evaluation):
        for row in page:
            tally.add(row.category, row.candidate, row.incumbent)
    return tally.metrics()


def _begun(asked: Comparison) -> Evaluation | None:
    """The evaluation that a killed or stopped run has left."""
    incumbent = asked.incumbent or Target("", "")
    return Evaluation.objects.filter(
        state=Evaluation.State.RUNNING,
        task=asked.task,
        candidate_provider=asked.candidate.provider,
        candidate_model=asked.candidate.model,
        incumbent_provider=incumbent.provider,
        incumbent_model=incumbent.model,
        scorer=asked.scorer,
        gold__sha256=asked.gold.sha256(),
    ).first()


def _begin(asked: Comparison, requested_by: str) -> Evaluation:
    """A new one, with all its items."""
    now = datetime.now(UTC)
    incumbent = asked.incumbent or Target("", "")
    gold = asked.gold
    with transaction.atomic():
        evaluation = Evaluation.objects.create(
            id=f"eval-{now:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}",
            task=asked.task,
            candidate_provider=asked.candidate.provider,
            candidate_model=asked.candidate.model,
            incumbent_provider=incumbent.provider,
            incumbent_model=incumbent.model,
            gold={
                "kind": gold.kind,
                "name": gold.name,
                "sha256": gold.sha256(),
                "items": len(gold.items),
                "left_out": dict(gold.left_out),
            },
            scorer=asked.scorer,
            requested_by=requested_by,
            created_at=now,
        )
        rows = [_row(evaluation, number, item) for number, item in enumerate(gold.items)]
        EvaluationItem.objects.bulk_create(rows, batch_size=_ROWS_AT_ONCE)
        # Whoever had some forgotten since they were read has seen these rows, or has written down what is found here.
        forgotten = forgotten_ids([row.example_id for row in rows if row.example_id])
        evaluation.items.filter(example_id__in=forgotten).delete()
    return evaluation


def _row(evaluation: Evaluation, number: int, item: GoldItem) -> EvaluationItem:
    return EvaluationItem(
        evaluation=evaluation,
        number=number,
        example_id=keepable(item.example_id),
        **columns_of(item),
    )


def _finish(evaluation: Evaluation) -> Evaluation:
    """The report first: a run that is killed between the two writes it once more."""
    found = metrics_of(evaluation)
    evaluation.finished_at = datetime.now(UTC)
    if found is None:
        evaluation.state = Evaluation.State.FAILED
        evaluation.problem = "All its items were erased on request before they could be compared."
    else:
        evaluation.metrics = found.as_json()
        write_report(evaluation)
        evaluation.state, evaluation.problem = Evaluation.State.DONE, ""
    evaluation.save(update_fields=["metrics", "state", "problem", "finished_at"])
    return evaluation
