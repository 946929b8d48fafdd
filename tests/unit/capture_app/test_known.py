"""Which examples are known already."""

import pytest

from capture_app.known import are_contents_forgotten, forgotten_contents, forgotten_ids, stored_ids
from capture_app.models import ExampleIndex, ForgottenExample
from capture_app.services import drain_captures
from tests.unit.capture_app.captured import example, spool

pytestmark = pytest.mark.django_db


def test_what_is_stored_is_known() -> None:
    records = [example() for _ in range(3)]
    spool(*records)
    drain_captures()

    assert stored_ids([record.id for record in records] + ["other"]) == {record.id for record in records}


def test_one_generation_may_be_left_out() -> None:
    record = example()
    spool(record)
    drain_captures()
    here = ExampleIndex.objects.get().generation

    assert stored_ids([record.id], elsewhere_than=here) == set()
    assert stored_ids([record.id], elsewhere_than="another") == {record.id}


def test_what_was_erased_is_known() -> None:
    assert forgotten_ids(["a"]) == set()
    ForgottenExample.objects.create(id="a", erasure="e")

    assert forgotten_ids(["a", "b"]) == {"a"}


def test_more_ids_than_one_question_may_have_are_asked_in_several() -> None:
    ForgottenExample.objects.bulk_create(ForgottenExample(id=f"{number}", erasure="e") for number in range(2000))

    assert len(forgotten_ids([f"{number}" for number in range(0, 4000, 2)])) == 1000


def test_nothing_is_known_of_no_ids() -> None:
    ForgottenExample.objects.create(id="a", erasure="e")

    assert (stored_ids([]), forgotten_ids([])) == (set(), set())


def test_what_erased_examples_held_is_known() -> None:
    ForgottenExample.objects.create(id="a", erasure="e")
    assert (are_contents_forgotten(), forgotten_contents(["", "1"])) == (False, set())
    ForgottenExample.objects.create(id="b", erasure="e", content_hmac="1", corrected_hmac="2")

    assert are_contents_forgotten()
    assert forgotten_contents(["", "2", "3", *map(str, range(10, 1000)), "1"]) == {"1", "2"}
