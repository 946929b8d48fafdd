"""An evaluation's items, a page at a time: texts may be long, and an open cursor keeps SQLite's writers out."""

from collections.abc import Iterator
from typing import Final

from continuous_training.models import Evaluation, EvaluationItem

_AT_ONCE: Final = 100


def pages(evaluation: Evaluation) -> Iterator[list[EvaluationItem]]:
    """All items in their order."""
    last = -1
    while page := list(evaluation.items.filter(number__gt=last).order_by("number")[:_AT_ONCE]):
        yield page
        last = page[-1].number
