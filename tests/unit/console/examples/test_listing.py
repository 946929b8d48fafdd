"""Pages of the list: each example is on one of them, whatever is wanted, and none looks at more than it may."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from capture_app.models import ExampleIndex, ExampleTag, Feedback, Review
from console.examples import listing as module
from console.examples.listing import Listing, Page
from console.examples.places import Place
from console.examples.search.entries import enter_examples
from console.examples.wanted import read
from tests.unit.console.examples.conftest import NOON, Make
from training_archive.models import ArchivedChunk, ArchivedGeneration

pytestmark = pytest.mark.django_db


def page(text: str = "", size: int = 3, *, may_read: bool = True, **paging: str) -> Page:
    query = QueryDict(text, mutable=True)
    query.update(paging)
    wanted, _, left_out = read(query, may_read=may_read)
    assert not left_out
    return Listing(wanted, may_read=may_read).page(size)


def all_pages(text: str, size: int = 3) -> list[list[str]]:
    """The ids of each page, from the first one to the last."""
    found, pages = page(text, size), list[list[str]]()
    while True:
        pages.append([row.pk for row in found.rows])
        if not found.next:
            return pages
        found = page(text, size, after=found.next.token)


def ids(text: str = "") -> list[str]:
    return [example_id for ids in all_pages(text) for example_id in ids]


def reviewed(example: ExampleIndex, **values: str) -> None:
    Review.objects.create(example=example, reviewed_by="ada", reviewed_at=NOON, **values)


@pytest.mark.parametrize("text", ["", "o=1", "task=shop", "review=none", "review=good", "q=cost"])
def test_the_pages_hold_each_example_once_in_its_order(make_example: Make, text: str) -> None:
    made = [make_example() for _ in range(11)]
    for example in made:
        if "good" in text:
            reviewed(example, verdict="good")
    enter_examples()
    expected = [each.pk for each in made]

    assert ids(text) == (expected if "o=1" in text else expected[::-1])
    assert [len(each) for each in all_pages(text)] == [3, 3, 3, 2]


@pytest.mark.parametrize("text", ["", "o=1", "review=none", "review=good"])
def test_the_way_back_leads_over_the_same_pages(make_example: Make, text: str) -> None:
    for _ in range(8):
        reviewed(make_example(), verdict="good") if "good" in text else make_example()
    there = all_pages(text)
    last = page(text)
    while last.next:
        last = page(text, after=last.next.token)
    back = [[row.pk for row in last.rows]]
    while last.previous:
        last = page(text, before=last.previous.token)
        back.append([row.pk for row in last.rows])

    assert back[-1] == there[0][: len(back[-1])]
    assert [each for ids in reversed(back) for each in ids] == [each for ids in there for each in ids]


def test_examples_of_one_moment_are_all_shown(make_example: Make) -> None:
    made = [make_example(created_at=NOON).pk for _ in range(10)]

    assert ids() == made[::-1]


def test_the_first_page_leads_nowhere_back_and_the_last_one_nowhere_on(make_example: Make) -> None:
    for _ in range(4):
        make_example()
    first = page()
    assert first.next
    last = page(after=first.next.token)

    assert (first.previous, last.next) == (None, None)
    assert last.previous


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("task=other", {"task": "other"}),
        ("provider=openai", {"provider": "openai"}),
        ("model=large", {"model_name": "large"}),
        ("cut_short=yes", {"finish_reason": "length"}),
        ("partial=yes", {"is_partial": True}),
        ("tools=yes", {"has_tools": True}),
        ("year=2025", {"created_at": NOON.replace(year=2025)}),
        ("task=other&model=large&tools=yes", {"task": "other", "model_name": "large", "has_tools": True}),
        ("provider=openai&cut_short=yes", {"provider": "openai", "finish_reason": "content_filter"}),
        ("partial=yes&cut_short=yes", {"is_partial": True, "finish_reason": "length"}),
    ],
)
def test_a_filter_lets_through_what_it_names(make_example: Make, text: str, values: dict[str, Any]) -> None:
    for _ in range(3):
        make_example()
    wanted = make_example(**values)
    name, value = next(iter(values.items()))
    if len(values) > 1:
        make_example(**{name: value})  # meets one of the conditions only

    assert ids(text) == [wanted.pk]


def test_judgments_are_filters(make_example: Make) -> None:
    good, bad, corrected, remarked, plain = (make_example() for _ in range(5))
    reviewed(good, verdict="good")
    reviewed(bad, verdict="bad")
    reviewed(corrected, correction="Thirteen")
    reviewed(remarked, comment="Hm")
    for score, example in ((0.2, good), (0.9, bad), (None, plain)):
        Feedback.objects.create(example=example, score=score, label="x", source="app", created_at=NOON)
    ExampleTag.objects.create(example=plain, tag="gold", tagged_by="ada", tagged_at=NOON)

    assert ids("review=good") == [good.pk]
    assert ids("review=bad") == [bad.pk]
    assert ids("review=corrected") == [corrected.pk]
    assert ids("review=none") == [plain.pk, remarked.pk]
    assert ids("rating=low") == [good.pk]
    assert ids("rating=high") == [bad.pk]
    assert ids("rating=any") == [bad.pk, good.pk]
    assert ids("tag=gold") == [plain.pk]
    assert ids("review=good&rating=low&task=shop") == [good.pk]
    assert ids("review=good&rating=high") == []


def test_judgments_of_many_are_filters_too(make_example: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.examples.conditions.FEW", 2)
    made = [make_example() for _ in range(8)]
    for example in made[::2]:
        reviewed(example, verdict="good")

    assert ids("review=good") == [each.pk for each in made[::2]][::-1]


def test_the_place_is_a_filter(make_example: Make) -> None:
    archived, live = make_example(generation="old"), make_example()
    chunk = ArchivedChunk.objects.create(
        name="chunk", rows=1, size=1, sha256="0", archived_at=NOON, last_created_at=archived.created_at
    )
    ArchivedGeneration.objects.create(generation="old", chunk=chunk)

    assert ids("place=live") == [live.pk]
    assert ids("place=archived") == [archived.pk]


# --- How far it looks ------------------------------------------------------------------------------------------------


@pytest.fixture
def look_at_four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STRETCH", 4)


@pytest.mark.usefixtures("look_at_four")
@pytest.mark.parametrize("text", ["provider=rare", "provider=rare&o=1", "provider=rare&task=shop"])
def test_a_look_ends_and_says_where(make_example: Make, text: str) -> None:
    is_oldest_first = "o=1" in text
    made = [make_example(provider="rare" if number in (0, 9) else "usual") for number in range(10)]
    first = page(text)

    assert [row.pk for row in first.rows] == [made[0 if is_oldest_first else 9].pk]
    assert first.looked_until == made[3 if is_oldest_first else 6].created_at
    assert first.next
    assert page(text, after=first.next.token).rows == []


@pytest.mark.usefixtures("look_at_four")
def test_looking_further_finds_all(make_example: Make) -> None:
    made = [make_example(provider="rare" if number % 3 == 0 else "usual") for number in range(20)]

    assert ids("provider=rare") == [each.pk for each in made[::3]][::-1]


@pytest.mark.usefixtures("look_at_four")
def test_a_full_page_does_not_say_that_it_ended(make_example: Make) -> None:
    for _ in range(5):
        make_example(provider="usual")
    found = page("provider=usual")

    assert (len(found.rows), found.looked_until) == (3, None)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="it reads SQLite's plans")
@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("", "example_time"),
        ("task=shop", "example_task"),
        ("model=small", "example_model"),
        ("tools=yes", "example_tools"),
        ("partial=yes", "example_partial"),
        ("cut_short=yes", "example_cut_short"),
        ("task=shop&model=small&provider=offline", "example_task"),
        ("provider=offline", "example_time"),
    ],
)
def test_an_index_leads(make_example: Make, text: str, index: str) -> None:
    place = make_example()
    wanted, _, _ = read(QueryDict(f"{text}&after={Place.of(place).token}"), may_read=True)
    with CaptureQueriesContext(connection) as queries:
        Listing(wanted, may_read=True).page()
    [walk] = [each["sql"] for each in queries if "LIMIT 51" in each["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + walk.replace("%", "%%"))
        plan = " / ".join(str(row[-1]) for row in cursor.fetchall())

    assert f"USING INDEX {index} " in plan
    assert "(created_at,id)" in plan or "created_at<" in plan
    assert "TEMP B-TREE" not in plan


# --- Searching -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "by"), [("pk", "id"), ("prompt_hash", "prompt"), ("conversation_id", "conversation")])
def test_what_names_an_example_finds_it(make_example: Make, name: str, by: str) -> None:
    for _ in range(3):
        make_example()
    wanted = make_example(conversation_id="lonely")
    found = page(f"q={getattr(wanted, name)}")

    assert ([row.pk for row in found.rows], found.found.by) == ([wanted.pk], by)


def test_a_name_can_be_a_word_as_well(make_example: Make) -> None:
    make_example(conversation_id="euros")
    make_example()
    enter_examples()

    assert len(page("q=euros").rows) == 1
    assert len(page("q=euros&look_in=previews").rows) == 2


@pytest.mark.parametrize("question", ["cost", "euros", "0" * 64])
def test_who_may_not_read_finds_nothing_by_words_or_by_hash(make_example: Make, question: str) -> None:
    example = make_example()
    enter_examples()

    assert page(f"q={question}", may_read=False).rows == []
    assert page(f"q={example.pk}", may_read=False).rows == [example]
    assert page(f"q={example.conversation_id}", may_read=False).rows == [example]


def test_a_search_meets_the_filters(make_example: Make) -> None:
    wanted = make_example(task="other")
    make_example()
    make_example(task="other", prompt_preview="-")
    make_example(task="other", created_at=NOON - timedelta(days=400))
    enter_examples()

    assert ids("q=cost&task=other&year=2026") == [wanted.pk]


def test_all_that_is_wanted_is_what_the_pages_show(make_example: Make) -> None:
    for number in range(7):
        example = make_example(task=f"task-{number % 2}", provider=f"provider-{number % 3}")
        if number % 2:
            reviewed(example, verdict="good")
    enter_examples()
    for text in ("", "task=task-1", "provider=provider-1", "review=good", "review=none", "q=cost", "q=cost&year=2026"):
        wanted, _, _ = read(QueryDict(text), may_read=True)
        found: Callable[..., Any] = Listing(wanted, may_read=True).examples
        assert [row.pk for row in found()] == ids(text), text
