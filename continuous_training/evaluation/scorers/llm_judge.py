"""A model says which of two answers is better."""

from continuous_training.evaluation.items import GoldItem
from continuous_training.evaluation.judging import Verdict, better_of
from continuous_training.evaluation.scorers.base import PairScorer, Score


class LLMJudge(PairScorer):
    """1 for the better answer, 0 for the other, 0.5 for both in a tie.

    It is asked twice, each answer once in the first place, because judges favour a place (Zheng et al. 2023). Only who
    is better both times wins; the judge's disagreement with itself is a tie.
    """

    asks_a_model = True

    def compare(self, item: GoldItem, candidate: str, incumbent: str) -> tuple[Score, Score]:
        if candidate.strip() == incumbent.strip():
            return Score(0.5, "the same answer"), Score(0.5, "the same answer")
        ahead, swapped = better_of(item, candidate, incumbent), better_of(item, incumbent, candidate)
        value, note = _outcome(ahead.value, swapped.value)
        return Score(value, note, ahead.cost_usd + swapped.cost_usd), Score(1 - value, note)


def _outcome(ahead: Verdict | None, swapped: Verdict | None) -> tuple[float, str]:
    """The candidate's score. `ahead` is the verdict with it in the first place, `swapped` that in the second."""
    if ahead is None or swapped is None:
        return 0.5, "the judge gave no verdict"
    if ahead == swapped == Verdict.NEITHER:
        return 0.5, "neither is better"
    if (ahead, swapped) == (Verdict.FIRST, Verdict.SECOND):
        return 1.0, "the candidate is better in both orders"
    if (ahead, swapped) == (Verdict.SECOND, Verdict.FIRST):
        return 0.0, "the incumbent is better in both orders"
    return 0.5, "the two orders disagree"
