"""Places in the list, and how addresses name them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture_app.models import ExampleIndex
from console.examples.places import Place, beyond, up_to
from tests.unit.console.examples.conftest import NOON, Make

TIMES = st.datetimes(datetime(1960, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=50)


@given(TIMES, NAMES)
def test_a_place_comes_back_from_its_token(at: datetime, name: str) -> None:
    place = Place(at, name)

    assert Place.from_token(place.token) == place


@pytest.mark.parametrize(
    "token", ["", ".", "x", "1", "1.%%%", "1.\xff", "²." + "YQ", "9" * 40 + ".YQ", "1.AA", "1." + "Y" * 2000, "1._-8"]
)
def test_what_is_no_token_is_no_place(token: str) -> None:
    found = Place.from_token(token)

    assert found is None or found.id == ""


@pytest.mark.django_db
def test_examples_of_one_moment_are_told_apart_by_their_ids(make_example: Make) -> None:
    for name in ("a", "b", "c"):
        make_example(id=name, created_at=NOON)
    make_example(id="before", created_at=NOON - timedelta(microseconds=1))
    place = Place(NOON, "b")

    def ids(condition: object) -> set[str]:
        return set(ExampleIndex.objects.filter(condition).values_list("pk", flat=True))

    assert ids(beyond(place, later=True)) == {"c"}
    assert ids(beyond(place, later=False)) == {"a", "before"}
    assert ids(up_to(place, later=True)) == {"a", "b", "before"}
    assert ids(up_to(place, later=False)) == {"b", "c"}
