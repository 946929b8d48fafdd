"""What an address can ask of the list, and what it cannot."""

import pytest
from django.http import QueryDict

from console.examples.places import Place
from console.examples.wanted import Wanted, read
from tests.unit.console.examples.conftest import NOON


def asked(text: str, *, may_read: bool = True) -> Wanted:
    wanted, _, left_out = read(QueryDict(text), may_read=may_read)
    assert not left_out
    return wanted


def refused(text: str, *, may_read: bool = True) -> list[str]:
    return read(QueryDict(text), may_read=may_read)[2]


def test_filters_are_read() -> None:
    wanted = asked("task=a%20b&review=bad&cut_short=yes&q=%20word%20&year=2026&month=3")

    assert (wanted.task, wanted.review, wanted.cut_short, wanted.question) == ("a b", "bad", "yes", "word")
    assert (wanted.year, wanted.month, wanted.day) == (2026, 3, 0)


def test_places_are_read() -> None:
    place = Place(NOON, "an id")

    assert asked(f"after={place.token}").after == place


@pytest.mark.parametrize(("text", "is_oldest_first"), [("o=1", True), ("o=-1", False), ("", False)])
def test_the_order_is_read(text: str, is_oldest_first: bool) -> None:
    assert asked(text).is_oldest_first is is_oldest_first


@pytest.mark.parametrize(
    "name",
    [
        "review__reviewed_by__startswith",
        "prompt_preview__startswith",
        "response_preview__icontains",
        "prompt_hash__startswith",
        "user_id",
        "user_id__startswith",
        "pk__in",
        "id__gt",
        "tags__tag__startswith",
        "feedback__comment__contains",
        "task__startswith",
        "task__exact",
        "p",
        "all",
        "_popup",
        "_to_field",
        "_facets",
        "question",
        "is_oldest_first",
    ],
)
def test_no_other_lookup_is(name: str) -> None:
    assert refused(f"{name}=x") == [name]


@pytest.mark.parametrize(
    "text",
    [
        "q=%00",
        "task=a%00b",
        f"task={'x' * 501}",
        "review=excellent",
        "rating=1",
        "cut_short=no",
        "place=nowhere",
        "look_in=answers",
        "after=x",
        "before=%F0%9F%92%A9",
        "o=99.-1.x",
        "o=x",
        "year=x",
        "year=99999999999",
        "year=%D9%A2",
        "month=3",
        "day=3",
    ],
)
def test_no_other_value_is(text: str) -> None:
    assert refused(text) == [text.partition("=")[0]]


@pytest.mark.parametrize("text", ["year=2026&month=13", "year=2026&month=2&day=30", "year=2026&day=3", "year=9999"])
def test_dates_that_do_not_exist_are_left_out_together(text: str) -> None:
    assert set(refused(text)) == {part.partition("=")[0] for part in text.split("&")}


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("year=2026", "2026-01-01", "2027-01-01"),
        ("year=2026&month=12", "2026-12-01", "2027-01-01"),
        ("year=2024&month=2", "2024-02-01", "2024-03-01"),
        ("year=2024&month=2&day=29", "2024-02-29", "2024-03-01"),
        ("year=9998&month=12&day=31", "9998-12-31", "9999-01-01"),
    ],
)
def test_dates_name_a_span_in_utc(text: str, begin: str, end: str) -> None:
    span = asked(text).span

    assert span
    assert [f"{each:%Y-%m-%d %z}" for each in span] == [f"{begin} +0000", f"{end} +0000"]


@pytest.mark.parametrize("text", ["tag=gold", "look_in=previews"])
def test_who_may_not_read_cannot_ask_for_words(text: str) -> None:
    assert refused(text, may_read=False) == [text.partition("=")[0]]


def test_what_is_kept_says_just_what_is_wanted() -> None:
    _, kept, left_out = read(QueryDict("task=a&nonsense=1&task=b&provider=&year=x"), may_read=True)

    assert kept.urlencode() == "task=b"
    assert left_out == ["nonsense", "year"]
