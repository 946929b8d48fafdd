"""What a query string may ask of the queue."""

from datetime import UTC, date, datetime

import pytest
from django.http import QueryDict

from console.review.filters import NEWEST, SAMPLE, UNREVIEWED, Filters, read_filters
from tests.unit.console.hostile import HOSTILE


def test_nothing_asked_is_what_nobody_reviewed_newest_first() -> None:
    filters, left_out = read_filters(QueryDict(""))

    assert filters == Filters(state=UNREVIEWED, order=NEWEST)
    assert left_out == []
    assert filters.query() == ""


def test_filters_come_back_from_their_own_query_string() -> None:
    filters = Filters(
        task="a & b", model="m=1", state="bad", below=0.5, tag="ü", since=date(2026, 1, 2), order=SAMPLE, seed=7
    )

    assert read_filters(QueryDict(filters.query())) == (filters, [])


def test_a_place_stands_beside_the_filters() -> None:
    assert QueryDict(Filters(task="shop").query(at="an id")).dict() == {"task": "shop", "at": "an id"}


def test_a_sample_without_a_seed_gets_one() -> None:
    seeds = {read_filters(QueryDict("order=sample"))[0].seed for _ in range(5)}

    assert len(seeds) > 1


@pytest.mark.parametrize(
    "query",
    [
        "state=all",
        "below=low",
        "below=nan",
        "below=inf",
        "since=yesterday",
        "order=-id",
        "seed=-1",
        "seed=9e9",
        "task=%00",
    ],
)
def test_what_cannot_be_read_is_left_out_and_told(query: str) -> None:
    filters, left_out = read_filters(QueryDict(query))

    assert filters == Filters()
    assert len(left_out) == 1
    assert "was left out" in left_out[0]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_any_text_is_a_filter_or_left_out(text: str) -> None:
    query = QueryDict(mutable=True)
    for name in ("task", "model", "state", "below", "tag", "since", "order", "seed"):
        query[name] = text

    filters, left_out = read_filters(query)

    assert len(left_out) >= 4 or not text.strip()
    assert filters.task in ("", text.strip())


def test_a_day_begins_at_midnight_in_utc() -> None:
    assert Filters(since=date(2026, 1, 2)).since_moment == datetime(2026, 1, 2, tzinfo=UTC)


def test_a_queue_says_in_words_what_it_asks_for() -> None:
    filters = Filters(task="shop", state="bad", below=0.5, order=SAMPLE)

    assert filters.in_words == "bad, task shop, feedback below 0.5, random sample, each prompt once"
