"""Percentiles out of buckets."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.figures.histogram import ERROR, bucket, middle, percentile

LATENCIES = st.lists(st.integers(min_value=-5, max_value=2**63 - 1) | st.integers(0, 5000), min_size=1, max_size=300)


def exact(values: list[int], percent: float) -> int:
    """By the nearest rank."""
    return max(sorted(values)[math.ceil(len(values) * percent / 100) - 1], 0)


@given(LATENCIES, st.sampled_from([50, 95, 99, 100]))
def test_a_percentile_is_within_five_percent_of_the_true_one(values: list[int], percent: float) -> None:
    found = percentile(Counter(map(bucket, values)), percent)

    assert found == pytest.approx(exact(values, percent), rel=ERROR)


@given(LATENCIES, LATENCIES)
def test_histograms_add_up(some: list[int], others: list[int]) -> None:
    together = Counter(map(bucket, some)) + Counter(map(bucket, others))

    assert together == Counter(map(bucket, some + others))


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentile({}, 50) is None
    assert percentile({"7": 0}, 50) is None


def test_no_time_at_all_is_kept_as_such() -> None:
    assert middle(bucket(0)) == 0
