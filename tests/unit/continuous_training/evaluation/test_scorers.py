"""How good an answer is."""

from collections.abc import Callable
from typing import Any

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import settings as property_settings
from hypothesis import strategies as st

from continuous_training.evaluation.items import GoldItem
from continuous_training.evaluation.scorers import SCORERS, Score, Scorer, get_scorer
from continuous_training.exceptions import EvaluationRefused
from tests.unit.continuous_training.evaluation.material import item

few = property_settings(max_examples=25, deadline=None)
BY_ITSELF = ["exact", "json_fields", "token_f1", "bleu", "chrf"]


def score(name: str, expected: str, answer: str, **values: Any) -> float:
    scorer = get_scorer(name)
    assert isinstance(scorer, Scorer)
    return scorer.score(item(expected=expected, **values), answer).value


@pytest.mark.parametrize("name", BY_ITSELF)
@few
@given(expected=st.text(min_size=1, max_size=60), answer=st.text(max_size=60))
def test_every_score_is_from_0_to_1(name: str, expected: str, answer: str) -> None:
    assert 0 <= score(name, expected, answer) <= 1


@pytest.mark.parametrize("name", BY_ITSELF)
def test_the_expected_answer_has_the_whole_score(name: str) -> None:
    assert score(name, '{"price": 5, "sizes": [1, 2]}', '{"price": 5, "sizes": [1, 2]}') == pytest.approx(1)


@pytest.mark.parametrize("name", BY_ITSELF)
def test_an_empty_answer_has_none(name: str) -> None:
    assert score(name, "A red shoe of leather.", "") == 0


def test_exact_does_not_mind_blanks_around_or_how_json_is_written() -> None:
    assert score("exact", "YES", " YES\r\n") == 1
    assert score("exact", "YES", "yes") == 0
    assert score("exact", '{"a": 1, "b": 2}', '{"b":2,"a":1}') == 1
    assert score("exact", "{not json", "{not json") == 1
    assert score("exact", "caf\u00e9", "cafe\u0301") == 1


def test_token_f1_counts_words_as_often_as_they_occur() -> None:
    assert score("token_f1", "the cat sat", "The cat!") == pytest.approx(0.8)
    assert score("token_f1", "no", "no no no no") == pytest.approx(0.4)
    assert score("token_f1", "?", "?") == 1
    assert score("token_f1", "?", "!") == 0
    assert score("token_f1", "价格是五", "价格是六") == pytest.approx(0.75)


def test_bleu_and_chrf_are_those_of_sacrebleu() -> None:
    expected, answer = "the cat sat on the mat", "the cat is on the mat"

    assert score("bleu", expected, answer) == pytest.approx(sacrebleu.sentence_bleu(answer, [expected]).score / 100)
    assert score("chrf", expected, answer) == pytest.approx(sacrebleu.sentence_chrf(answer, [expected]).score / 100)


def test_json_fields_is_the_mean_over_the_fields() -> None:
    specs = {"price": "exact", "title": "exact"}
    expected = '{"price": 5, "title": "Shoe", "extra": 1}'

    assert score("json_fields", expected, '{"price": 5, "title": "Boot"}', slot_specs=specs) == 0.5
    assert score("json_fields", expected, 'Sure:\n```json\n{"price": 5, "title": "Shoe"}\n```', slot_specs=specs) == 1
    assert score("json_fields", expected, "five", slot_specs=specs) == 0
    assert score("json_fields", expected, "[" * 2000 + "{" * 2000 + "}", slot_specs=specs) == 0


def test_json_fields_without_specs_takes_all_fields_exactly() -> None:
    assert score("json_fields", '{"a": 1, "b": 2}', '{"a": 1, "b": 3, "c": 4}') == 0.5


def test_json_fields_scores_words_where_no_json_is_expected() -> None:
    assert score("json_fields", "two words", "two words") == 1


def test_json_fields_says_what_was_not_met() -> None:
    scorer = get_scorer("json_fields")
    assert isinstance(scorer, Scorer)

    found = scorer.score(item(expected='{"a": 1, "b": 2}'), '{"a": 1}')

    assert found == Score(0.5, "not met: b")


class Shouting(Scorer):
    """A project's own."""

    def score(self, item: GoldItem, answer: str) -> Score:
        return Score(float(answer.isupper()))


class NoScorer:
    """Something else."""


def test_a_project_has_scorers_of_its_own(settings: Any) -> None:
    settings.CONTINUOUS_TRAINING = {"SCORERS": {"loud": f"{__name__}.Shouting"}}

    assert score("loud", "x", "YES") == 1
    assert score(f"{__name__}.Shouting", "x", "yes") == 0


@pytest.mark.parametrize("name", ["nonsense", "no.such.Thing", f"{__name__}.NoScorer"])
def test_what_is_no_scorer_is_refused(name: str) -> None:
    with pytest.raises(EvaluationRefused, match=r"No model was asked|Nothing was asked"):
        get_scorer(name)


def test_every_scorer_can_be_made() -> None:
    made: list[Callable[..., Any]] = [type(get_scorer(name)) for name in SCORERS]

    assert len(set(made)) == len(SCORERS)
