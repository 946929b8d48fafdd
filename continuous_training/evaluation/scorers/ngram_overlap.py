"""BLEU and chrF of single answers, by sacrebleu."""

from functools import cached_property
from typing import Any

from continuous_training.evaluation.items import GoldItem
from continuous_training.evaluation.scorers.base import Score, Scorer

_LONGEST = 20_000  # characters that are compared; both take time that grows with them


class Bleu(Scorer):
    """Sentence BLEU with the effective order, so that short answers are not all 0 (Papineni et al. 2002)."""

    @cached_property
    def _metric(self) -> Any:
        from sacrebleu.metrics.bleu import BLEU  # takes most of a second to import, and few evaluations need it

        return BLEU(effective_order=True)

    def score(self, item: GoldItem, answer: str) -> Score:
        return _score(self._metric, item, answer)


class Chrf(Scorer):
    """chrF: character n-grams up to 6, recall counted twice (Popović 2015). For languages with many word forms."""

    @cached_property
    def _metric(self) -> Any:
        from sacrebleu.metrics.chrf import CHRF  # as above

        return CHRF()

    def score(self, item: GoldItem, answer: str) -> Score:
        return _score(self._metric, item, answer)


def _score(metric: Any, item: GoldItem, answer: str) -> Score:
    found = metric.sentence_score(answer[:_LONGEST], [item.expected[:_LONGEST]]).score
    return Score(min(1.0, max(0.0, found / 100)))
