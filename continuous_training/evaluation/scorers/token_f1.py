"""Words in common."""

from collections import Counter

from continuous_training.evaluation.items import GoldItem
from continuous_training.evaluation.scorers.base import Score, Scorer
from training_archive.exports.words import words


class TokenF1(Scorer):
    """The harmonic mean of precision and recall over words, each counted as often as it occurs (SQuAD, 2016).

    Case and punctuation do not count; Chinese and Japanese go by character.
    """

    def score(self, item: GoldItem, answer: str) -> Score:
        expected, found = Counter(words(item.expected)), Counter(words(answer))
        if not expected or not found:  # an expected answer of signs only, such as "?", has to be met as it is
            return Score(float(item.expected.strip() == answer.strip()))
        shared = (expected & found).total()
        return Score(2 * shared / (expected.total() + found.total()))
