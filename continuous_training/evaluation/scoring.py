"""Answers become scores, by every scorer that was asked for. What is scored is not scored again."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from django.db import transaction

from capture_app.budgets import require_budget
from capture_app.progress import Progress
from continuous_training.conf import loop_settings
from continuous_training.evaluation.items import GoldItem, item_of
from continuous_training.evaluation.judging import JUDGE_TASK
from continuous_training.evaluation.parallel import at_once
from continuous_training.evaluation.rows import pages
from continuous_training.evaluation.scorers import AnyScorer, Score, Scorer
from continuous_training.evaluation.spending import Spending
from continuous_training.exceptions import EvaluationStopped, JudgeUnreachable
from continuous_training.models import Evaluation, EvaluationItem

_NOTED_AT_ONCE = 100  # where no model is asked; else each as it comes

Answer = dict[str, Any]
Scored = tuple[Answer, Answer]  # candidate and incumbent; the latter empty where there is none

_NO_ANSWER = Score(0.0, "no answer")
_ONLY_ANSWER = Score(1.0, "the other gave no answer")


def score_all(evaluation: Evaluation, scorers: Mapping[str, AnyScorer], *, progress: Progress) -> None:
    """Score what is answered. Raises EvaluationStopped, JudgeMissing and BudgetSpent: run again, it goes on."""
    total = evaluation.items.count()
    done = evaluation.items.filter(candidate__has_key="score").count()
    asks_a_model = any(scorer.asks_a_model for scorer in scorers.values())
    scored = at_once(
        lambda row: _scored(row, scorers),
        _unscored(evaluation, asks_a_model=asks_a_model),
        workers=loop_settings().evaluation_concurrency if asks_a_model else 1,
    )
    with Spending(evaluation, JUDGE_TASK, ["candidate__judging_usd", "incumbent__judging_usd"]) as spending:
        try:
            while some := list(islice(scored, 1 if asks_a_model else _NOTED_AT_ONCE)):
                _note(some, spending)
                done += len(some)
                progress("scoring", done, total)
        except JudgeUnreachable as error:
            raise EvaluationStopped(
                f"{error} All answers and scores so far are kept. Run the evaluation again when the judge answers, and "
                "it goes on."
            ) from error


def _unscored(evaluation: Evaluation, *, asks_a_model: bool) -> Iterator[EvaluationItem]:
    for page in pages(evaluation):
        for row in page:
            if "score" not in row.candidate:
                if asks_a_model:
                    require_budget(JUDGE_TASK, "judging an evaluation")
                yield row


def _note(some: list[tuple[EvaluationItem, Scored]], spending: Spending) -> None:
    with transaction.atomic():
        for row, (candidate, incumbent) in some:
            EvaluationItem.objects.filter(pk=row.pk).update(candidate=candidate, incumbent=incumbent)
    for _, sides in some:
        for side in sides:
            spending.add(side.get("judging_usd"))


def _scored(row: EvaluationItem, scorers: Mapping[str, AnyScorer]) -> Scored:
    """Both answers with their scores."""
    item = item_of(row)
    found = {name: _scores(scorer, item, row.candidate, row.incumbent) for name, scorer in scorers.items()}
    candidate = _with_scores(row.candidate, {name: pair[0] for name, pair in found.items()})
    theirs = {name: pair[1] for name, pair in found.items() if pair[1] is not None}
    return candidate, _with_scores(row.incumbent, theirs) if row.incumbent else {}


def _scores(scorer: AnyScorer, item: GoldItem, candidate: Answer, incumbent: Answer) -> tuple[Score, Score | None]:
    if isinstance(scorer, Scorer):
        mine, theirs = (_score(scorer, item, answer) for answer in (candidate, incumbent))
        return mine, theirs if incumbent else None
    if not incumbent:
        return _NO_ANSWER if "error" in candidate else scorer.compare(item, candidate["text"], item.expected)[0], None
    if "error" in candidate or "error" in incumbent:
        return _by_default(candidate, incumbent), _by_default(incumbent, candidate)
    return scorer.compare(item, candidate["text"], incumbent["text"])


def _score(scorer: Scorer, item: GoldItem, answer: Answer) -> Score:
    return scorer.score(item, answer["text"]) if "text" in answer else _NO_ANSWER


def _by_default(mine: Answer, theirs: Answer) -> Score:
    return _NO_ANSWER if "error" in mine else _ONLY_ANSWER


def _with_scores(answer: Answer, scores: Mapping[str, Score]) -> Answer:
    first = next(iter(scores.values()))
    notes = {name: score.note for name, score in scores.items() if score.note}
    cost = sum(score.cost_usd for score in scores.values())
    return {
        **answer,
        "score": first.value,
        "scores": {name: score.value for name, score in scores.items()},
        **({"notes": notes} if notes else {}),
        **({"judging_usd": cost} if cost else {}),
    }
