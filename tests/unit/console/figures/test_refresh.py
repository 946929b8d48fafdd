"""Figures are those of the index, whatever happened to it."""

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import Count, Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from capture_app import call_llm
from capture_app.conf import capture_settings
from capture_app.exceptions import JobBusy
from capture_app.jobs import only_run
from capture_app.live_database import lock_live_database
from capture_app.models import ExampleIndex, Job
from capture_app.services import drain_captures
from console.figures import refresh
from console.figures.histogram import from_text
from console.figures.refresh import FIGURES, WINDOW, refresh_figures
from console.models import DailyFigure, FiguredDay
from console.tasks import refresh_figures as task
from tests.unit.console.figures.rows import days_ago, index, index_some, row
from training_archive.services import archive_training_data
from training_archive.services.forgetting import forget

Grouping = DailyFigure.Grouping
BY = {Grouping.ALL: (), Grouping.TASK: ("task",), Grouping.MODEL: ("model_name",)}
BY[Grouping.TASK_AND_MODEL] = ("task", "model_name")


def today() -> date:
    return datetime.now(UTC).date()


def by_sql(day: date, grouping: Grouping) -> dict[tuple[str, ...], tuple[Any, ...]]:
    """What the database itself says about a day."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    rows = ExampleIndex.objects.order_by().filter(created_at__gte=start, created_at__lt=start + timedelta(days=1))
    sums = [Sum("input_tokens"), Sum("output_tokens"), Sum("cost_usd")]
    figures = [Count("*"), *sums, Count("cost_usd"), Count("latency_ms")]
    named = {f"figure_{number}": figure for number, figure in enumerate(figures)}
    if not BY[grouping]:
        found = rows.aggregate(**named)
        return {(): tuple(value or 0 for value in found.values())} if found["figure_0"] else {}
    grouped = rows.values_list(*BY[grouping]).annotate(**named)
    width = len(BY[grouping])
    return {tuple(each[:width]): tuple(value or 0 for value in each[width:]) for each in grouped}


def by_figures(day: date, grouping: Grouping) -> dict[tuple[str, ...], tuple[Any, ...]]:
    return {
        tuple(getattr(each, name) for name in BY[grouping]): (
            each.examples,
            each.input_tokens,
            each.output_tokens,
            pytest.approx(each.cost_usd),
            each.priced,
            sum(from_text(each.latencies).values()),
        )
        for each in DailyFigure.objects.filter(day=day, grouping=grouping)
    }


def assert_right() -> None:
    days = DailyFigure.objects.values_list("day", flat=True)
    indexed = ExampleIndex.objects.values_list("created_at", flat=True)
    for day in {*days, *(each.astimezone(UTC).date() for each in indexed)}:
        for grouping in Grouping:
            assert by_sql(day, grouping) == by_figures(day, grouping)


ROWS: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    days=st.sampled_from([0, 1, 2, 6]),
    task=st.sampled_from(["a", "b", "", "<b>", "ż\u202e"]),
    model_name=st.sampled_from(["m", "n", ""]),
    input_tokens=st.none() | st.integers(0, 10**6),
    output_tokens=st.none() | st.integers(0, 10**6),
    cost_usd=st.none() | st.floats(0, 100),
    latency_ms=st.none() | st.integers(0, 10**7),
)


@pytest.fixture(autouse=True)
def short_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the sake of these tests' time."""
    monkeypatch.setattr(refresh, "WINDOW", 7)


class TestRandomData(TestCase):
    """Rows come and go between refreshes."""

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.tuples(st.lists(ROWS, max_size=12), st.floats(0, 1)), min_size=1, max_size=3))
    def test_figures_are_what_plain_sql_says_after_each_refresh(self, rounds: list[tuple[list[Any], float]]) -> None:
        for rows, share_that_goes in rounds:
            index(row(created_at=days_ago(fields.pop("days")), **fields) for fields in map(dict, rows))
            ids = list(ExampleIndex.objects.order_by("id").values_list("id", flat=True))
            ExampleIndex.objects.filter(id__in=ids[: int(len(ids) * share_that_goes)]).delete()

            refresh_figures()

            assert_right()


pytestmark = pytest.mark.django_db


def test_the_first_refresh_counts_every_day_of_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "WINDOW", WINDOW)
    index_some(3)

    report = refresh_figures()

    assert (report.days, report.examples) == (WINDOW, 3)
    assert FiguredDay.objects.count() == WINDOW


def test_the_next_one_counts_what_changed_and_the_day_that_was_counted_longest_ago() -> None:
    for ago in (1, 2, 3):
        index_some(ago, created_at=days_ago(ago))
    refresh_figures()
    index_some(created_at=days_ago(2))
    oldest = FiguredDay.objects.filter(examples__gt=0).exclude(day=today() - timedelta(days=2)).earliest("counted_at")

    report = refresh_figures()

    assert (report.days, report.examples) == (2, 3 + oldest.examples)
    assert FiguredDay.objects.get(day=oldest.day).counted_at > oldest.counted_at
    assert_right()


def test_a_day_without_changes_is_counted_anew_in_its_turn() -> None:
    """Other figures at the same times, as a rebuild with other prices leaves them, show in nothing else."""
    for ago in (1, 2, 3):
        index_some(created_at=days_ago(ago))
    refresh_figures()
    ExampleIndex.objects.update(cost_usd=7)

    for _ in range(3):
        refresh_figures()

    assert_right()


def test_as_many_rows_of_other_times_are_noticed() -> None:
    index_some(2, created_at=days_ago(1))
    index_some(created_at=days_ago(2))
    refresh_figures()
    ExampleIndex.objects.latest("created_at").delete()
    index_some(task="another", created_at=days_ago(1) + timedelta(minutes=7))

    refresh_figures()

    assert_right()


def test_a_late_row_of_an_old_day_is_counted() -> None:
    refresh_figures()
    index_some(created_at=days_ago(6))

    refresh_figures()

    assert_right()
    assert DailyFigure.objects.get(grouping=Grouping.ALL).day == today() - timedelta(days=6)


def test_days_begin_and_end_at_midnight_utc() -> None:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    for moment in (midnight - timedelta(microseconds=1), midnight, midnight + timedelta(hours=23, minutes=59)):
        index_some(created_at=moment)

    refresh_figures()

    counts = dict(DailyFigure.objects.filter(grouping=Grouping.ALL).values_list("day", "examples"))
    assert counts == {(midnight - timedelta(days=1)).date(): 1, midnight.date(): 2}


def test_days_that_left_the_window_are_dropped() -> None:
    index_some(created_at=days_ago(5))
    refresh_figures()
    gone = today() - timedelta(days=7)
    FiguredDay.objects.filter(day=today() - timedelta(days=5)).update(day=gone)
    DailyFigure.objects.update(day=gone)
    ExampleIndex.objects.all().delete()

    refresh_figures()

    assert not DailyFigure.objects.exists()
    assert FiguredDay.objects.count() == 7


def test_what_is_drained_archived_and_forgotten_is_followed() -> None:
    ids = [call_llm(f"Question {n}", task="shop", training_metadata={}).example_id for n in range(3)]
    drain_captures()
    refresh_figures()
    assert DailyFigure.objects.get(grouping=Grouping.ALL).examples == 3
    archive_training_data()

    forget(ids=[str(ids[0])], by="test")
    refresh_figures()

    assert DailyFigure.objects.get(grouping=Grouping.ALL).examples == 2
    assert_right()


def test_a_rebuild_of_the_index_is_followed() -> None:
    call_llm("Question", task="shop", training_metadata={})
    archive_training_data()
    ExampleIndex.objects.all().delete()
    refresh_figures()
    assert not DailyFigure.objects.exists()

    call_command("rebuild_example_index")
    refresh_figures()

    assert_right()
    assert DailyFigure.objects.get(grouping=Grouping.ALL).examples == 1


def test_only_the_most_frequent_names_have_figures_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "MOST_TASKS", 2)
    for number, task_name in enumerate("abc"):
        index_some(3 - number, task=task_name)

    refresh_figures()

    assert set(DailyFigure.objects.filter(grouping=Grouping.TASK).values_list("task", flat=True)) == {"a", "b"}
    assert DailyFigure.objects.get(grouping=Grouping.ALL).examples == 6
    assert FiguredDay.objects.get(examples=6).is_cut


def test_figures_that_no_database_can_hold_do_not_end_the_counting() -> None:
    index_some(2, input_tokens=2**63 - 1, output_tokens=-(2**63), latency_ms=2**63 - 1, cost_usd=math.inf)
    index_some(cost_usd=2.5)

    refresh_figures()

    found = DailyFigure.objects.get(grouping=Grouping.ALL)
    assert (found.examples, found.input_tokens, found.cost_usd, found.priced) == (3, 2**63 - 1, 2.5, 1)


def test_a_refresh_notes_how_many_rows_the_live_database_has() -> None:
    call_llm("Question", task="shop", training_metadata={})
    drain_captures()

    refresh_figures()

    assert Job.objects.get(name=FIGURES).notes["live_rows"] == 1


def test_a_live_database_that_is_held_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "_LOCK_TIMEOUT", 0.01)

    with lock_live_database(capture_settings().live_database):
        refresh_figures()

    assert Job.objects.get(name=FIGURES).notes == {}
    assert Job.objects.get(name=FIGURES).state == "ok"


def test_two_refreshes_of_one_host_do_not_meet(caplog: pytest.LogCaptureFixture) -> None:
    with only_run(FIGURES), caplog.at_level("INFO", "console"):
        with pytest.raises(JobBusy):
            refresh_figures()
        task()

    assert "Another run of the job 'figures' is at work" in caplog.text


def test_the_task_refreshes() -> None:
    index_some()

    task()

    assert DailyFigure.objects.exists()


def test_the_command_says_what_it_counted(capsys: pytest.CaptureFixture[str]) -> None:
    index_some(2)

    call_command("refresh_figures")

    assert "Counted 7 days with 2 examples in" in capsys.readouterr().out
