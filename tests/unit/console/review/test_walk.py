"""Ways through the examples, against plain sorting."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from django.db.models import Q
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture_app.models import ExampleIndex
from console.review.walk import Way, look, newest, sample
from tests.unit.console.review.conftest import START

pytestmark = pytest.mark.django_db

EXAMPLES = st.lists(
    st.tuples(st.text("abc", min_size=1, max_size=3), st.integers(0, 3), st.sampled_from("0369cf")),
    unique_by=lambda example: example[0],
    max_size=12,
)
STRETCHES = st.sampled_from([(), (1,), (1, 2), (2, 3, 50)])
SLOW_FIXTURES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)


def store(examples: list[tuple[str, int, str]]) -> None:
    ExampleIndex.objects.all().delete()
    ExampleIndex.objects.bulk_create(
        ExampleIndex(id=key, created_at=START + timedelta(minutes=minute), prompt_hash=digit * 64, task="odd")
        for key, minute, digit in examples
    )


def walk(
    way: Callable[[ExampleIndex | None], Way], place: ExampleIndex | None, stretches: tuple[int, ...]
) -> list[str]:
    """All ids on the way, one look after the other, as pages ask for them."""
    seen: list[str] = []
    while True:
        found, end = look(way(place), ExampleIndex.objects.all(), Q(), limit=1, stretches=stretches)
        place = found[0] if found else end
        if place is None:
            return seen
        seen += [example.pk for example in found]


@given(EXAMPLES, STRETCHES)
@SLOW_FIXTURES
def test_newest_visits_every_example_once_in_the_order_of_time(
    examples: list[tuple[str, int, str]], stretches: tuple[int, ...]
) -> None:
    store(examples)
    ordered = [key for key, _, _ in sorted(examples, key=lambda example: (example[1], example[0]), reverse=True)]

    assert walk(newest, None, stretches) == ordered
    if ordered:
        last = ExampleIndex.objects.get(pk=ordered[-1])
        assert walk(lambda place: newest(place or last, back=True), last, stretches) == ordered[-2::-1]


@given(EXAMPLES, STRETCHES, st.integers(0, 9))
@SLOW_FIXTURES
def test_a_sample_visits_each_prompt_once_and_leads_back_the_same_way(
    examples: list[tuple[str, int, str]], stretches: tuple[int, ...], seed: int
) -> None:
    store(examples)

    there = walk(partial(sample, seed), None, stretches)

    first_of_prompt = {digit: key for key, _, digit in sorted(examples, reverse=True)}
    assert sorted(there) == sorted(first_of_prompt.values())
    assert walk(partial(sample, seed), None, stretches) == there
    if there:
        last = ExampleIndex.objects.get(pk=there[-1])
        assert walk(lambda place: sample(seed, place or last, back=True), last, stretches) == there[-2::-1]


def test_samples_of_different_seeds_begin_in_different_places() -> None:
    store([(f"{digit}", 0, digit) for digit in "0123456789abcdef"])

    firsts = {walk(partial(sample, seed), None, ())[0] for seed in range(20)}

    assert len(firsts) > 5


def test_a_look_ends_after_its_stretches_and_says_where() -> None:
    store([(f"{number:02}", number % 4, "0") for number in range(20)])

    found, end = look(newest(), ExampleIndex.objects.all(), Q(task="none"), limit=1, stretches=(3, 4))

    ordered = list(ExampleIndex.objects.order_by("-created_at", "-id"))
    assert found == []
    assert end == ordered[6]


def test_a_look_that_came_to_the_end_says_so() -> None:
    store([("a", 0, "0")])

    assert look(newest(), ExampleIndex.objects.all(), Q(task="none"), limit=1, stretches=(3, 4)) == ([], None)
