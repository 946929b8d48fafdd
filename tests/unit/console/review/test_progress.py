"""How far the reviewers are."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User

from capture_app.judgments import save_review
from capture_app.models import ExampleIndex, Review
from console.review import progress
from console.review.progress import TaskProgress, review_progress

Index = Callable[..., ExampleIndex]


def test_judgments_are_counted_by_day_person_and_task(index: Index, anna: User) -> None:
    for name, task in (("a", "shop"), ("b", "shop"), ("c", "mail"), ("d", "mail"), ("e", "mail")):
        index(name, task=task)
    for name, by in (("a", "anna"), ("b", "bert"), ("c", "bert"), ("d", "anna")):
        save_review(name, by=by, verdict="good")
    save_review("e", by="anna", comment="no judgment")
    Review.objects.filter(pk="d").update(reviewed_at=datetime.now(UTC) - timedelta(days=1))

    found = review_progress(anna)

    assert (found.today, found.own_today, found.total) == (3, 1, 4)
    assert found.tasks == [TaskProgress("shop", 2, 2), TaskProgress("mail", 1, 2)]
    assert not found.is_cut


def test_nothing_judged_is_nothing(anna: User) -> None:
    assert review_progress(anna).total == 0


def test_only_the_newest_are_counted(index: Index, anna: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "COUNTED", 2)
    for name in "abc":
        index(name)
        save_review(name, by="bert", verdict="good")

    found = review_progress(anna)

    assert found.total == 2
    assert found.is_cut


def test_tasks_beyond_the_busiest_are_counted_only(index: Index, anna: User) -> None:
    for number in range(25):
        index(str(number), task=f"task {number}")
        save_review(str(number), by="bert", verdict="good")

    found = review_progress(anna)

    assert (len(found.tasks), found.other_tasks, found.total) == (20, 5, 25)
