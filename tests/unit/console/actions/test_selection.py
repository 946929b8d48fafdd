"""Which examples an action is for."""

from collections.abc import Callable
from datetime import UTC, datetime

import orjson
import pytest
from django.test import RequestFactory
from pytest_django import DjangoAssertNumQueries

from capture_app.models import ExampleIndex
from console.actions.exceptions import BadSelection, TooMany
from console.actions.selection import MOST, from_queryset, from_request, selection_of

pytestmark = pytest.mark.django_db

Make = Callable[..., list[str]]


def rows(count: int) -> None:
    now = datetime.now(UTC)
    ExampleIndex.objects.bulk_create(
        ExampleIndex(pk=f"{number:06d}", created_at=now, task=f"task {number % 12}") for number in range(count)
    )


def test_each_example_is_picked_once_in_the_order_given(example_ids: Make) -> None:
    first, second = example_ids(2)

    selection = selection_of([second, first, second])

    assert selection.ids == (second, first)
    assert (len(selection), selection.only_id, selection.tasks) == (2, "", (("shop", 2),))


def test_what_is_not_in_the_index_is_left_out_and_counted(example_ids: Make) -> None:
    [example_id] = example_ids(1)

    selection = selection_of([example_id, "gone", "odd\0"])

    assert (selection.ids, selection.unknown, selection.only_id) == ((example_id,), 2, example_id)


def test_as_many_as_a_page_deals_with_cost_few_questions(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    rows(MOST)

    with django_assert_max_num_queries(13):
        selection = from_queryset(ExampleIndex.objects.all())

    assert len(selection) == MOST
    assert sum(examples for _, examples in selection.tasks) == MOST


def test_one_more_is_too_many() -> None:
    rows(MOST + 1)

    with pytest.raises(TooMany, match="10,000"):
        from_queryset(ExampleIndex.objects.all())


def test_ids_that_are_too_long_together_are_refused() -> None:
    with pytest.raises(TooMany):
        selection_of(["x" * 600_000, "y" * 600_000])


def test_a_form_brings_back_what_it_was_given(example_ids: Make, rf: RequestFactory) -> None:
    selection = selection_of(example_ids(3))

    assert from_request(rf.post("/", {"ids": selection.as_json})).ids == selection.ids


@pytest.mark.parametrize("odd", ['"', "<script>", "a\nb", "\u202e", "é", "' OR 1=1 --", "%00", "💩", "{{ 7*7 }}"])
def test_an_odd_id_comes_back_as_it_was(rf: RequestFactory, odd: str) -> None:
    ExampleIndex.objects.create(pk=odd, created_at=datetime.now(UTC), task="x")

    assert from_request(rf.post("/", {"ids": orjson.dumps([odd]).decode()})).ids == (odd,)
    assert from_request(rf.get("/", {"id": odd})).ids == (odd,)


def test_none_at_all_is_refused(rf: RequestFactory) -> None:
    with pytest.raises(BadSelection):
        from_request(rf.get("/"))
