"""Both sides are asked about every item; each answer is noted as it comes, and what is noted is not asked again.

A model that errs on an item scores 0 there. One that only errs is gone, and no evaluation may hold that against it: so
errors are noted once an answer came after them, and too many in a row stop the evaluation.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from capture_app.budgets import require_budget
from capture_app.progress import Progress
from capture_app.routing.config import Target
from continuous_training.conf import loop_settings
from continuous_training.evaluation.asking import EVALUATION_TASK, ask
from continuous_training.evaluation.items import GoldItem, item_of
from continuous_training.evaluation.parallel import at_once
from continuous_training.evaluation.rows import pages
from continuous_training.evaluation.spending import Spending
from continuous_training.exceptions import EvaluationStopped
from continuous_training.models import Evaluation, EvaluationItem

ERRORS_IN_A_ROW: Final = 10  # of one side, after which an evaluation stops

CANDIDATE: Final = "candidate"
INCUMBENT: Final = "incumbent"

Answer = dict[str, Any]


class _Question(NamedTuple):
    row: int  # its primary key
    side: str
    target: Target
    item: GoldItem


def sides_of(evaluation: Evaluation) -> dict[str, Target]:
    """Who is asked, by CANDIDATE and INCUMBENT; the latter only where there is one."""
    sides = {CANDIDATE: Target(evaluation.candidate_provider, evaluation.candidate_model)}
    if evaluation.incumbent_provider:
        sides[INCUMBENT] = Target(evaluation.incumbent_provider, evaluation.incumbent_model)
    return sides


def answer_all(evaluation: Evaluation, *, count_errors: bool, progress: Progress) -> None:
    """Ask what is not answered yet. With `count_errors` no number of errors stops it.

    Raises EvaluationStopped, and BudgetSpent: run again, it goes on.
    """
    sides = sides_of(evaluation)
    total = evaluation.items.count() * len(sides)
    unanswered = sum(evaluation.items.filter(**{side: {}}).count() for side in sides)
    errors = {side: _Errors(evaluation, side, target, count_errors) for side, target in sides.items()}
    questions = _questions(evaluation, sides)
    progress("asking", total - unanswered, total)
    with Spending(evaluation, EVALUATION_TASK, [f"{side}__cost_usd" for side in sides]) as spending:
        answered = at_once(_ask, questions, workers=loop_settings().evaluation_concurrency)
        for number, (question, answer) in enumerate(answered, start=1):
            errors[question.side].take(question.row, answer)
            spending.add(answer.get("cost_usd"))
            progress("asking", total - unanswered + number, total)
    for each in errors.values():
        each.end()


def _questions(evaluation: Evaluation, sides: Mapping[str, Target]) -> Iterator[_Question]:
    """Of one item to both sides in turn, so that they meet the same weather."""
    for page in pages(evaluation):
        for row in page:
            for side, target in sides.items():
                if not getattr(row, side):
                    require_budget(EVALUATION_TASK, "an evaluation")
                    yield _Question(row.pk, side, target, item_of(row))


def _ask(question: _Question) -> Answer:
    return ask(question.target, question.item)


class _Errors:
    """Notes the answers of one side, and holds its errors back until it is known to answer at all."""

    def __init__(self, evaluation: Evaluation, side: str, target: Target, count_errors: bool) -> None:
        self._evaluation = evaluation
        self._side = side
        self._target = target
        self._most = 0 if count_errors else ERRORS_IN_A_ROW
        self._held: list[tuple[int, Answer]] = []

    def take(self, row: int, answer: Answer) -> None:
        """Raises EvaluationStopped when it is one error too many."""
        if "error" in answer:
            self._held.append((row, answer))
            if self._most and len(self._held) >= self._most:
                raise self._stopped()
        else:
            self._note(row, answer)
            self._note_held()

    def end(self) -> None:
        """All was asked. Raises EvaluationStopped when not one question was answered."""
        if self._held and self._most and not self._has_answered():
            raise self._stopped()
        self._note_held()

    def _has_answered(self) -> bool:
        return self._evaluation.items.filter(**{f"{self._side}__has_key": "text"}).exists()

    def _note_held(self) -> None:
        while self._held:
            self._note(*self._held.pop())

    def _note(self, row: int, answer: Answer) -> None:
        """Nothing, where the item was forgotten meanwhile."""
        EvaluationItem.objects.filter(pk=row).update(**{self._side: answer})

    def _stopped(self) -> EvaluationStopped:
        kinds = ", ".join(sorted({answer["error"] for _, answer in self._held}))
        return EvaluationStopped(
            f"The {self._side} {self._target} gave {len(self._held)} errors in a row and nothing else ({kinds}; the "
            "log has more). They count for nothing, and all answers are kept. Mend that and run the evaluation again, "
            "and it goes on; or have errors counted as answers that score 0."
        )
