"""Which candidates the gate lets through."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuous_training.evaluation.metrics import Metrics
from continuous_training.promotion.gate import check_candidate
from continuous_training.promotion.thresholds import Gate
from tests.unit.continuous_training.promotion.evaluations import BETTER, WORSE, measured

EVEN = [1.0, 0.0] * 20


def broken(metrics: Metrics, **gate: Any) -> list[str]:
    """The names of the thresholds that do not hold."""
    return [check.name for check in check_candidate(metrics, Gate(**gate)) if not check.holds]


def test_a_better_candidate_passes() -> None:
    assert broken(BETTER) == []


def test_a_worse_candidate_does_not() -> None:
    assert broken(WORSE) == ["gain", "gain, lower end", "category without a name"]


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=30, max_size=60), st.integers(0, 29))
def test_no_candidate_passes_that_lost_and_never_won(theirs: list[float], place: int) -> None:
    mine = [*theirs]
    theirs[place], mine[place] = 1.0, 0.0

    assert "gain" in broken(measured(mine, theirs))


def test_an_equal_candidate_passes() -> None:
    assert broken(measured(EVEN, EVEN)) == []


def test_a_gain_that_may_be_chance_does_not_pass_unless_a_loss_is_allowed() -> None:
    mine, theirs = [1.0] * 11 + [0.0] * 10 + [1.0] * 19, [0.0] * 11 + [1.0] * 10 + [1.0] * 19
    metrics = measured(mine, theirs)

    assert broken(metrics) == ["gain, lower end"]
    assert broken(metrics, min_gain_low=-0.5) == []


def test_too_few_items_prove_nothing() -> None:
    assert broken(measured([1.0] * 29, [0.0] * 29)) == ["items"]


def test_a_category_that_loses_stops_it() -> None:
    categories = ["most"] * 35 + ["rare"] * 5
    mine, theirs = [1.0] * 35 + [0.0] * 5, [0.0] * 35 + [1.0] * 5

    assert broken(measured(mine, theirs, categories=categories)) == ["category rare"]
    assert broken(measured(mine, theirs, categories=categories), min_category_items=6) == []
    assert broken(measured(mine, theirs, categories=categories), max_category_loss=None) == []


def test_errors_stop_it() -> None:
    assert broken(measured([1.0] * 40, [0.0] * 40, errors=1)) == ["errors"]


def test_an_incumbent_that_only_erred_is_no_comparison() -> None:
    assert broken(measured([1.0] * 40, [0.0] * 40, incumbent_errors=1)) == ["errors of the incumbent"]


@pytest.mark.parametrize(("latency", "faults"), [((151.0, 100.0), []), ((160.0, 100.0), ["latency, p95"])])
def test_a_slow_candidate_stays_out(latency: tuple[float, float], faults: list[str]) -> None:
    assert broken(measured(EVEN, EVEN, latency_ms=latency)) == faults
    assert broken(measured(EVEN, EVEN, latency_ms=latency), max_latency_ratio=None) == []


@pytest.mark.parametrize(
    ("cost", "faults"), [((0.001, 0.001), []), ((0.002, 0.001), ["cost"]), ((None, 0.001), []), ((0.002, None), [])]
)
def test_a_dear_candidate_stays_out_where_both_costs_are_known(
    cost: tuple[float | None, float | None], faults: list[str]
) -> None:
    assert broken(measured(EVEN, EVEN, cost_usd=cost)) == faults


def test_without_an_incumbent_the_score_decides() -> None:
    assert broken(measured([1.0] * 15 + [0.0] * 15)) == []
    assert broken(measured([1.0] * 14 + [0.0] * 16)) == ["score"]


def test_what_was_asked_and_found_can_be_read() -> None:
    checks = {check.name: check for check in check_candidate(WORSE, Gate())}

    assert (checks["gain"].asked, checks["gain"].found) == ("+0.000 at least", "-1.000")
    assert checks["items"].found == "40"
