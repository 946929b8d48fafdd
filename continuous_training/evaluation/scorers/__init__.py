"""Scorers by name, and as dotted paths of classes.

CONTINUOUS_TRAINING["SCORERS"] = {"tone": "shop.scorers.Tone"}    # beside those that are here
"""

from collections.abc import Mapping
from typing import Final

from django.utils.module_loading import import_string

from continuous_training.conf import loop_settings
from continuous_training.evaluation.scorers.base import PairScorer, Score, Scorer
from continuous_training.exceptions import EvaluationRefused

__all__ = ["JSON_FIELDS", "SCORERS", "TOKEN_F1", "AnyScorer", "PairScorer", "Score", "Scorer", "get_scorer"]

AnyScorer = Scorer | PairScorer

JSON_FIELDS: Final = "json_fields"
TOKEN_F1: Final = "token_f1"  # noqa: S105  (a scorer, and no password)

_PACKAGE: Final = "continuous_training.evaluation.scorers"
SCORERS: Final[Mapping[str, str]] = {
    "exact": f"{_PACKAGE}.exact.Exact",
    JSON_FIELDS: f"{_PACKAGE}.json_fields.JsonFields",
    TOKEN_F1: f"{_PACKAGE}.token_f1.TokenF1",
    "bleu": f"{_PACKAGE}.ngram_overlap.Bleu",
    "chrf": f"{_PACKAGE}.ngram_overlap.Chrf",
    "llm_judge": f"{_PACKAGE}.llm_judge.LLMJudge",
}


def get_scorer(name: str) -> AnyScorer:
    """The scorer of that name or dotted path. Raises EvaluationRefused when there is none."""
    known = {**SCORERS, **loop_settings().scorers}
    path = known.get(name, name)
    try:
        scorer = import_string(path)()
    except ImportError as error:
        raise EvaluationRefused(
            f"There is no scorer {name!r}; there are {', '.join(known)}, and dotted paths. No model was asked."
        ) from error
    if not isinstance(scorer, Scorer | PairScorer):
        raise EvaluationRefused(f"{path} is neither a Scorer nor a PairScorer. Nothing was asked.")
    return scorer
