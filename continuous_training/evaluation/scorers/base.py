"""What a scorer is: it says how good an answer is, from 0 to 1."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from continuous_training.evaluation.items import GoldItem


@dataclass(frozen=True, slots=True)
class Score:
    """How good one answer is."""

    value: float  # 0 to 1
    note: str = ""  # what led to it, for the report
    cost_usd: float = 0.0  # of a model that was asked about it, as far as that is known


class Scorer(ABC):
    """Scores each answer by itself. What CONTINUOUS_TRAINING["SCORERS"] names is made without arguments."""

    asks_a_model: ClassVar[bool] = False  # then several items are scored at once

    @abstractmethod
    def score(self, item: GoldItem, answer: str) -> Score:
        """Never raises for what the answer says. JudgeUnreachable when it needs a model that cannot be asked."""


class PairScorer(ABC):
    """Scores two answers beside each other."""

    asks_a_model: ClassVar[bool] = False

    @abstractmethod
    def compare(self, item: GoldItem, candidate: str, incumbent: str) -> tuple[Score, Score]:
        """The scores of both, 1 in sum. As Scorer.score. Where there is no incumbent, the expected answer stands in."""
