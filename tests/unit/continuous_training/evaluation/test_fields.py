"""`slot_specs`, field by field."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as property_settings
from hypothesis import strategies as st

from continuous_training.evaluation.scorers.fields import compare_field, faults_in_specs, parse_specs

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
few = property_settings(max_examples=30, deadline=None)
KINDS = ["exact", "substring", "numeric_tol", "set_match", "date_norm"]


def score(spec: Any, expected: Any, answered: Any) -> float:
    return compare_field(parse_specs({"field": spec})["field"], expected, answered).value


@pytest.mark.parametrize("kind", KINDS)
@few
@given(expected=JSON_VALUES, answered=JSON_VALUES)
def test_any_two_values_have_a_score(kind: str, expected: Any, answered: Any) -> None:
    assert 0 <= score(kind, expected, answered) <= 1
    assert score(kind, expected, expected) == 1


@pytest.mark.parametrize("kind", [*KINDS, "llm_similarity"])
def test_a_field_that_only_one_has_is_not_met(kind: str) -> None:
    assert score(kind, None, "x") == 0
    assert score(kind, "x", None) == 0
    assert score(kind, None, None) == 1


@pytest.mark.parametrize(
    ("spec", "expected", "answered", "value"),
    [
        ("exact", "Shoe", " Shoe ", 1),
        ("exact", "Shoe", "shoe", 0),
        ("exact", 5, 5.0, 1),
        ("exact", 5, "5", 0),
        ("exact", 1, True, 0),
        ("exact", [1, {"a": "x"}], [1, {"a": " x"}], 1),
        ("substring", "Red shoe", "a RED  shoe of leather", 1),
        ("substring", "a red shoe", "red shoe", 0),
        ("substring", "", "anything", 0),
        ("numeric_tol", 19.99, "19,99 €", 1),
        ("numeric_tol", 1234.5, "1.234,50 EUR", 1),
        ("numeric_tol", 1234.5, "$1,234.50", 1),
        ("numeric_tol", 1234567, "1 234 567", 1),
        ("numeric_tol", -0.5, "-0.5", 1),
        ("numeric_tol", 5, "between 4 and 6", 0),
        ("numeric_tol", 5, "five", 0),
        ("numeric_tol", 5, "5" * 500, 0),
        ({"type": "numeric_tol", "tolerance": 0.01}, 5, 5.01, 1),
        ({"type": "numeric_tol", "tolerance": 0.01}, 5, 5.02, 0),
        ({"type": "numeric_tol", "relative": 0.1}, 100, 109, 1),
        ({"type": "numeric_tol", "relative": 0.1}, 100, 111, 0),
        ("numeric_tol", "n/a", "n/a", 1),
        ("set_match", ["S", "M"], ["m", "s"], 1),
        ("set_match", ["S", "M"], ["S"], 2 / 3),
        ("set_match", ["S"], "s", 1),
        ("set_match", [36, 37], [36.0, 37], 1),
        ("set_match", [], [], 1),
        ("set_match", [], ["S"], 0),
        ("date_norm", "2026-11-21", "November 21st, 2026", 1),
        ("date_norm", "2026-11-21", "21 Nov 2026", 1),
        ("date_norm", "2026-11-21", "11/21/2026", 1),
        ("date_norm", "2026-11-21", "2026-11-21T23:00:00+01:00", 1),
        ("date_norm", "2026-03-04", "04/03/2026", 0),
        ({"type": "date_norm", "day_first": True}, "2026-03-04", "04.03.2026", 1),
        ("date_norm", "2026-03-04", "tomorrow", 0),
        ("date_norm", "unknown", "unknown", 1),
    ],
)
def test_a_type_compares_as_it_says(spec: Any, expected: Any, answered: Any, value: float) -> None:
    assert score(spec, expected, answered) == pytest.approx(value)


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ("fuzzy", "the type is one of exact, substring"),
        ({"kind": "exact"}, "the type is one of"),
        (7, "the type is one of"),
        ({"type": "exact", "tolerance": 1}, "exact has no option 'tolerance'"),
        ({"type": "numeric_tol", "tolerance": -1}, "tolerance has a value"),
        ({"type": "numeric_tol", "tolerance": "1"}, "tolerance has a value"),
        ({"type": "llm_similarity", "threshold": 2}, "threshold has a value"),
        ({"type": "date_norm", "day_first": 1}, "day_first has a value"),
    ],
)
def test_a_fault_in_a_spec_names_the_field(spec: Any, fault: str) -> None:
    [found] = faults_in_specs({"price": spec})

    assert found.startswith(f"'price': {fault}")
