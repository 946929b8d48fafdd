"""What an evaluation costs, for the budgets: it is captured nowhere, so it is noted, in one sum that grows."""

from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from capture_app.budgets import note_spend
from continuous_training.models import Evaluation

_EACH: Final = 25  # answers, after which the sum is noted


class Spending:
    """Adds up what is spent within a `with` block, to what runs before it have noted with the items.

    `noted` are the paths to it: "candidate__cost_usd".
    """

    def __init__(self, evaluation: Evaluation, task: str, noted: Sequence[str]) -> None:
        self._evaluation = evaluation
        self._task = task
        rows = evaluation.items.values_list(*noted)
        self._usd = sum(usd for row in rows for usd in row if usd)
        self._unnoted = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._unnoted:
            self._note()

    def add(self, usd: float | None) -> None:
        """None is what nobody knows."""
        if not usd:
            return
        self._usd += usd
        self._unnoted += 1
        if self._unnoted >= _EACH:
            self._note()

    def _note(self) -> None:
        key = f"evaluation {self._evaluation.pk} {self._task}"
        note_spend(self._task, self._usd, purpose="evaluation", key=key)
        self._unnoted = 0
