"""Shapes of charts."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.figures.svg import DAY, HEIGHT, area, line, stacked_bars, ticks

PATH = re.compile(r"[MLVHhz\d .-]*")
VALUES = st.floats(0, 1e15)


@given(st.floats(1e-9, 1e18))
def test_ticks_are_few_round_and_reach_the_highest_value(highest: float) -> None:
    found = ticks(highest)

    assert found[0] == 0
    assert 3 <= len(found) <= 6
    assert found[-1] >= highest * (1 - 1e-9)


@given(st.integers(1, 10**12))
def test_ticks_of_whole_things_are_whole(highest: int) -> None:
    assert all(tick == int(tick) for tick in ticks(highest, whole=True))


@pytest.mark.parametrize("highest", [0, -1, math.inf, math.nan])
def test_an_axis_without_values_has_a_level_all_the_same(highest: float) -> None:
    assert ticks(highest) == [0, 1]


def test_bars_stand_on_each_other() -> None:
    lower, upper = stacked_bars([[10, 0], [30, 40]], 40)

    assert lower == f"M1 {HEIGHT}V750h8V{HEIGHT}z"
    assert upper == f"M1 750V0h8V750zM{DAY + 1} {HEIGHT}V0h8V{HEIGHT}z"


@given(st.lists(st.lists(VALUES, min_size=3, max_size=3), max_size=4))
def test_paths_hold_numbers_only(series: list[list[float]]) -> None:
    highest = sum(map(max, series), 1.0)
    paths = [*stacked_bars(series, highest), *(line(each, highest) for each in series)]

    assert all(PATH.fullmatch(path) for path in [*paths, *(area(each, highest) for each in series)])


def test_a_line_is_interrupted_where_there_is_no_value() -> None:
    assert line([1, 1, None, 1], 1) == "M5 0h0L15 0M35 0h0"


def test_an_area_goes_up_in_steps() -> None:
    assert area([1, 2], 2) == f"M0 {HEIGHT}V500h10V0h10V{HEIGHT}z"
    assert area([], 1) == ""
