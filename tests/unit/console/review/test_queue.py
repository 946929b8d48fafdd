"""Which example comes next, for whom."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from capture_app.feedback import record_feedback
from capture_app.judgments import save_review, set_tags
from capture_app.models import ExampleIndex
from console.audit import SAW, note
from console.models import AuditEvent
from console.review import conditions, queue
from console.review.filters import SAMPLE, Filters
from console.review.queue import LEASE, following, preceding

Index = Callable[..., ExampleIndex]


def run_through(filters: Filters, user: User) -> list[str]:
    """The ids that the queue gives, without judging any."""
    ids: list[str] = []
    place = None
    while (found := following(filters, user, place)).example:
        place = found.example
        ids.append(place.pk)
    return ids


@pytest.fixture(params=["sorted", "walked"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if what a filter leaves were few examples, or many."""
    if request.param == "walked":
        monkeypatch.setattr(conditions, "FEW", 0)
        monkeypatch.setattr(queue, "STRETCHES", (1, 2, 50))


def test_the_newest_that_nobody_judged_comes_first(index: Index, anna: User) -> None:
    for name in ("old", "middle", "new"):
        index(name)
    save_review("new", by="bert", verdict="good")

    assert run_through(Filters(), anna) == ["middle", "old"]


def test_a_correction_is_a_judgment_and_a_comment_is_none(index: Index, anna: User) -> None:
    index("corrected")
    index("commented")
    save_review("corrected", by="bert", correction="better")
    save_review("commented", by="bert", comment="hm")

    assert run_through(Filters(), anna) == ["commented"]


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ({"task": "mail"}, ["d"]),
        ({"model": "large"}, ["c"]),
        ({"since": date(2026, 1, 2)}, ["e"]),
        ({"tag": "odd"}, ["b", "a"]),
        ({"below": 0.5}, ["c"]),
        ({"state": "good"}, ["g"]),
        ({"state": "bad"}, ["f"]),
        ({"state": "corrected"}, ["f"]),
        ({"state": "any"}, ["e", "g", "f", "d", "c", "b", "a"]),
        ({"task": "shop", "tag": "odd", "state": "any"}, ["b", "a"]),
        ({"task": "mail", "tag": "odd"}, []),
    ],
)
def test_each_filter_gives_its_own(index: Index, anna: User, asked: dict[str, Any], given: list[str]) -> None:
    index("a")
    index("b")
    index("c", model_name="large")
    index("d", task="mail")
    index("f")
    index("g")
    index("e", created_at=datetime(2026, 1, 2, tzinfo=UTC))
    set_tags(["a", "b"], add=["odd"], by="bert")
    for score in (0.1, 0.2, 0.9):
        record_feedback("c", score=score)
    record_feedback("d", score=0.9)
    save_review("f", by="bert", verdict="bad", correction="better")
    save_review("g", by="bert", verdict="good")

    assert run_through(Filters(**asked), anna) == given
    assert sorted(run_through(Filters(**asked, order=SAMPLE, seed=1), anna)) == sorted(given)


def test_the_way_back_leads_over_what_one_judged_oneself(index: Index, anna: User) -> None:
    for name in ("old", "of bert", "of anna", "new"):
        index(name)
    save_review("of anna", by="anna", verdict="good")
    save_review("of bert", by="bert", verdict="good")

    before = preceding(Filters(), anna, ExampleIndex.objects.get(pk="old")).example

    assert before
    assert before.pk == "of anna"


def test_there_is_none_before_the_first(index: Index, anna: User) -> None:
    assert preceding(Filters(), anna, index("only")).example is None


def test_what_somebody_else_has_open_is_not_given(index: Index, anna: User, bert: User) -> None:
    index("old")
    index("new")
    note(bert, SAW, example="new")

    found = following(Filters(), anna).example

    assert found
    assert found.pk == "old"


def test_what_oneself_has_open_is_given_again(index: Index, anna: User) -> None:
    index("only")
    note(anna, SAW, example="only")

    assert following(Filters(), anna).example


def test_what_was_opened_long_ago_is_given(index: Index, anna: User, bert: User) -> None:
    index("only")
    note(bert, SAW, example="only")
    AuditEvent.objects.update(at=datetime.now(UTC) - LEASE - timedelta(seconds=1))

    assert following(Filters(), anna).opened_by == ""


def test_when_everything_is_open_elsewhere_that_is_told(index: Index, anna: User, bert: User) -> None:
    index("only")
    note(bert, SAW, example="only")

    found = following(Filters(), anna)

    assert found.example
    assert found.opened_by == "bert"


def test_a_look_that_took_too_long_says_how_far_it_came(
    index: Index, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        index(str(number))
        save_review(str(number), by="bert", verdict="good") if number else None
    monkeypatch.setattr(queue, "STRETCHES", (1, 2))

    first = following(Filters(), anna)

    assert first.example is None
    assert first.looked_until
    assert first.looked_until.pk == "3"
    second = following(Filters(), anna, first.looked_until).example
    assert second
    assert second.pk == "0"
