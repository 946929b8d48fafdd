"""What is shown of the figures: refreshed days, and the newest as the index has them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.http import QueryDict

from capture_app.models import ExampleIndex
from console.figures import reading, refresh
from console.figures.reading import Figures, read_figures
from console.figures.refresh import refresh_figures
from console.figures.selection import Selection, read_selection
from console.models import DailyFigure, FiguredDay
from tests.unit.console.figures.rows import days_ago, index_some

pytestmark = pytest.mark.django_db


def chosen(query: str = "") -> Selection:
    return read_selection(QueryDict(query), datetime.now(UTC).date())


def read(query: str = "") -> Figures:
    return read_figures(chosen(query))


def names(series: list[reading.Series]) -> list[tuple[str | None, int]]:
    return [(each.name, each.sum.examples) for each in series]


@pytest.fixture
def no_live_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LIVE_ROWS_AT_MOST", 0)


def test_before_any_refresh_a_small_index_is_counted_at_once() -> None:
    index_some(2, created_at=days_ago(20))
    index_some(created_at=days_ago(0))

    figures = read()

    assert (figures.sum.examples, figures.is_live, figures.counted_at) == (3, True, None)
    assert not FiguredDay.objects.exists()


def test_a_large_one_waits_for_a_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LIVE_ROWS_AT_MOST", 2)
    index_some(3)

    assert (read().sum.examples, read().is_live) == (0, False)
    refresh_figures()

    assert read().sum.examples == 3


def test_the_newest_days_are_what_the_index_says_now() -> None:
    index_some(2, created_at=days_ago(1))
    index_some(3, created_at=days_ago(9))
    refresh_figures()
    index_some(created_at=days_ago(0))
    index_some(created_at=days_ago(1))

    figures = read()

    assert [figures.total[day].examples for day in sorted(figures.total)] == [3, 3, 1]


def test_days_since_the_last_refresh_are_counted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    refresh_figures()
    FiguredDay.objects.filter(day__gte=days_ago(5).date()).delete()
    index_some(created_at=days_ago(5))

    assert read().sum.examples == 1


def test_live_and_refreshed_figures_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LIVE_ROWS_AT_MOST", 0)
    for number, (task, model) in enumerate([("a", "m"), ("a", "n"), ("b", "m")]):
        index_some(number + 1, task=task, model_name=model, created_at=days_ago(1), latency_ms=10**number)
    refresh_figures()
    refreshed = {query: read(query) for query in ("", "task=a", "model=m", "task=a&model=m")}

    monkeypatch.setattr(reading, "LIVE_ROWS_AT_MOST", 100)

    for query, figures in refreshed.items():
        live = read(query)
        assert live.is_live
        assert not figures.is_live
        assert (live.sum, live.tasks, live.models) == (figures.sum, figures.tasks, figures.models)


def test_a_task_and_a_model_narrow_the_figures_down() -> None:
    index_some(1, task="a", model_name="m")
    index_some(2, task="a", model_name="n")
    index_some(4, task="b", model_name="m")
    refresh_figures()

    assert names(read().tasks) == [("b", 4), ("a", 3)]
    assert names(read("task=a").models) == [("n", 2), ("m", 1)]
    assert names(read("model=m").tasks) == [("b", 4), ("a", 1)]
    assert read("task=a&model=m").sum.examples == 1
    assert (read("task=a").tasks, read("model=m").models) == ([], [])


def test_only_the_days_that_were_chosen_count() -> None:
    index_some(1, created_at=days_ago(6))
    index_some(2, created_at=days_ago(7))
    refresh_figures()

    assert read("days=7").sum.examples == 1
    assert read("days=30").sum.examples == 3


@pytest.mark.parametrize("is_live", [True, False])
def test_of_many_names_eight_are_told_apart(monkeypatch: pytest.MonkeyPatch, is_live: bool) -> None:
    monkeypatch.setattr(reading, "LIVE_ROWS_AT_MOST", 5000 if is_live else 0)
    for number in range(12):
        index_some(number + 1, task=f"task {number}", latency_ms=1000 * (number < 4))
    refresh_figures()

    figures = read()

    assert names(figures.tasks)[:2] == [("task 11", 12), ("task 10", 11)]
    assert names(figures.tasks)[8:] == [(None, 1 + 2 + 3 + 4)]
    assert figures.tasks[8].sum.percentile(50) == pytest.approx(1000, rel=0.05)
    assert sum(each.sum.examples for each in figures.tasks) == figures.sum.examples


@pytest.mark.usefixtures("no_live_rows")
def test_names_that_were_not_counted_one_by_one_are_among_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "MOST_TASKS", 1)
    index_some(2, task="a")
    index_some(1, task="b")
    refresh_figures()

    assert names(read().tasks) == [("a", 2), (None, 1)]
    assert read().cut_days == 1


def test_ten_thousand_tasks_are_no_more_work_than_two_hundred() -> None:
    ExampleIndex.objects.bulk_create(
        ExampleIndex(id=str(number), created_at=days_ago(3), task=f"task {number}", model_name="m", generation="g")
        for number in range(10_000)
    )
    refresh_figures()

    figures = read()

    assert DailyFigure.objects.count() < 500
    assert names(figures.tasks)[-1] == (None, 9992)
    assert len(figures.suggested_tasks) == 50


@pytest.mark.parametrize("query", ["days=0", "days=-1", "days=x", "days=9999999999999999999999", "days=٣٠", "days=31"])
def test_days_that_are_not_on_offer_are_named_and_thirty_are_shown(query: str) -> None:
    assert chosen(query).days == 30
    assert chosen(query).ignored


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "%00", "'; DROP TABLE x; --", "\ud800"])
def test_a_hostile_name_selects_nothing(name: str) -> None:
    query = QueryDict(mutable=True)
    query["task"] = query["model"] = name

    figures = read_figures(read_selection(query, datetime.now(UTC).date()))

    assert figures.sum.examples == 0


def test_the_query_string_of_a_selection_selects_the_same() -> None:
    selection = chosen("days=7")

    again = chosen(selection.query(task="a&b=c ż<", model=None))

    assert (again.days, again.task, again.model) == (7, "a&b=c ż<", None)
    assert again.first_day == again.today - timedelta(days=6)
