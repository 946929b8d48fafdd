"""Means, intervals, and how far they can be trusted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as property_settings
from hypothesis import strategies as st

from continuous_training.evaluation.statistics import bootstrap, outcomes, percentile

few = property_settings(max_examples=40, deadline=None)
SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


@few
@given(SCORES)
def test_of_two_identical_sides_the_interval_is_exactly_zero(scores: list[float]) -> None:
    gains = [mine - theirs for mine, theirs in zip(scores, scores, strict=True)]

    assert bootstrap(gains, resamples=200) == (0.0, 0.0, 0.0)


@few
@given(SCORES)
def test_an_interval_lies_within_what_was_measured(scores: list[float]) -> None:
    found = bootstrap(scores, resamples=200)

    assert min(scores) - 1e-9 <= found.low <= found.high <= max(scores) + 1e-9
    assert found.mean == pytest.approx(sum(scores) / len(scores))


@few
@given(SCORES)
def test_the_other_way_round_gains_are_losses(scores: list[float]) -> None:
    there, back = outcomes(scores), outcomes([-score for score in scores])

    assert (there.wins, there.ties, there.losses) == (back.losses, back.ties, back.wins)


def test_the_same_scores_give_the_same_interval() -> None:
    scores = list(np.random.default_rng(1).normal(size=30))

    assert bootstrap(scores) == bootstrap(scores)


def test_the_interval_has_the_true_mean_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(7)
    simulated = [bootstrap(list(random.normal(0.1, 1, 60)), resamples=500, seed=n) for n in range(400)]

    covered = sum(found.low <= 0.1 <= found.high for found in simulated) / len(simulated)

    assert 0.91 <= covered <= 0.98


def test_the_interval_is_that_of_the_normal_distribution_where_that_is_known() -> None:
    scores = list(np.random.default_rng(3).normal(0, 1, 400))
    error = np.std(scores) / 20

    found = bootstrap(scores)

    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.05)


def test_many_values_are_drawn_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = list(np.random.default_rng(5).random(50))
    monkeypatch.setattr("continuous_training.evaluation.statistics._DRAWN_AT_ONCE", 120)

    found = bootstrap(scores, resamples=1001)

    assert found.low < found.mean < found.high


def test_of_no_values_there_is_no_mean() -> None:
    with pytest.raises(ValueError, match="no mean"):
        bootstrap([])
    assert percentile([], 50) is None


def test_scores_that_differ_by_a_rounding_error_are_a_tie() -> None:
    assert outcomes([0.1 + 0.2 - 0.3, 0.5, -0.5, 0.0]) == (1, 2, 1)


@few
@given(SCORES, st.floats(0, 100))
def test_percentiles_are_those_of_numpy(scores: list[float], percent: float) -> None:
    assert percentile(scores, percent) == pytest.approx(np.percentile(scores, percent))
