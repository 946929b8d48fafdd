"""What a month brought, added up and told; and what of it is not this month's."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.beat import ScheduleEntry
from django.core.management import CommandError, call_command

from capture_app.budgets import note_spend
from capture_app.models import BudgetAlert, ExampleIndex, Feedback, Review, RouteChange, Spend
from continuous_training.checks import check_continuous_training_settings
from continuous_training.housekeeping.report import calls as calls_module
from continuous_training.housekeeping.report.facts import MonthFacts, facts_of
from continuous_training.housekeeping.report.months import Month, NoSuchMonth
from continuous_training.housekeeping.report.service import monthly_report, render
from continuous_training.schedule import CONTINUOUS_TRAINING_SCHEDULE
from continuous_training.tasks import write_monthly_report
from tests.unit.continuous_training.housekeeping.material import call, evaluated, promoted, run_of, trained

pytestmark = pytest.mark.django_db

OCTOBER = Month.named("2026-10", now=datetime(2026, 11, 21, tzinfo=UTC))
NOON = datetime(2026, 10, 15, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\u202eevil"


def october() -> MonthFacts:
    return facts_of(OCTOBER)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def side(score: float, **values: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {"score": score, "scores": {"exact": score}, "errors": 0, "uncosted": 0}
    unknown = dict.fromkeys(("latency_ms_p50", "latency_ms_p95", "cost_usd_per_1000"))
    return {**facts, **unknown, "input_tokens": 0, "output_tokens": 0, **values}


def metrics(candidate: float, incumbent: float | None, gain: dict[str, float] | None) -> dict[str, Any]:
    return {
        "items": 200,
        "scorers": ["exact"],
        "candidate": side(candidate),
        "incumbent": None if incumbent is None else side(incumbent),
        "gain": gain,
        "outcomes": None,
        "categories": {},
        "judging_usd": 0.0,
    }


# --- Months ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "month"),
    [
        ("2026-11-01T00:00:00", "2026-10"),
        ("2026-10-31T23:59:59.999999", "2026-09"),
        ("2027-01-31T12:00:00", "2026-12"),
    ],
)
def test_without_a_name_it_is_the_last_month_that_is_over(now: str, month: str) -> None:
    assert Month.named("", now=at(now)).name == month


@pytest.mark.parametrize("name", ["2026-13", "2026-00", "26-10", "2026-1", "2026/10", "last", "2026-10\n", "9999-12"])
def test_what_is_no_month_is_refused(name: str) -> None:
    with pytest.raises(NoSuchMonth, match="is no month"):
        Month.named(name, now=NOON)


def test_a_month_that_has_not_begun_is_refused() -> None:
    with pytest.raises(NoSuchMonth, match="has not begun yet"):
        Month.named("2026-11", now=at("2026-10-31T23:59:59"))


def test_the_present_month_is_told_as_far_as_it_is() -> None:
    now = datetime.now(UTC)
    facts = facts_of(Month.named(f"{now:%Y-%m}", now=now))

    assert facts.is_over is False
    assert "The month is not over yet." in render(facts)


# --- Calls -----------------------------------------------------------------------------------------------------------


def test_calls_are_those_of_the_month_of_utc() -> None:
    for moment in ("2026-09-30T23:59:59.999999", "2026-11-01T00:00:00"):
        call(at(moment))
    for moment in ("2026-10-01T00:00:00", "2026-10-31T23:59:59.999999"):
        call(at(moment))

    facts = october()

    assert facts.calls.total().calls == 2
    days = facts.calls.calls_by_day["shop"]
    assert (len(days), days[0], days[30], sum(days)) == (31, 1, 1, 2)


def test_figures_are_added_up_by_who_answered() -> None:
    call(NOON, latency_ms=100)
    call(NOON, latency_ms=900, cost_usd=None, output_tokens=None)
    call(NOON, task="ads", model_name="small")

    found = {(who.task, who.model): each for who, each in october().calls.by_answerer.items()}

    shop = found["shop", "big"]
    assert (shop.calls, shop.input_tokens, shop.output_tokens, shop.untold) == (2, 2000, 100, 1)
    assert (shop.cost_usd, shop.uncosted) == (0.01, 1)
    assert shop.percentile(50) == pytest.approx(100, rel=0.03)
    assert shop.percentile(95) == pytest.approx(900, rel=0.03)
    assert set(found) == {("shop", "big"), ("ads", "small")}


def test_percentiles_of_many_latencies_are_within_three_percent() -> None:
    ExampleIndex.objects.bulk_create([_row(number, latency_ms=number) for number in range(1, 2001)])

    total = october().calls.total()

    assert total.percentile(50) == pytest.approx(1000, rel=0.03)
    assert total.percentile(95) == pytest.approx(1900, rel=0.03)


def _row(number: int, **values: Any) -> ExampleIndex:
    row = ExampleIndex(
        id=f"{number:05}",
        created_at=NOON,
        task="shop",
        provider="p",
        model_name="m",
        prompt_hash="",
        prompt_preview="",
        response_preview="",
        generation="g",
    )
    for name, value in values.items():
        setattr(row, name, value)
    return row


def test_pages_neither_repeat_nor_leave_out_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where many calls have the same time, and a page ends among them."""
    monkeypatch.setattr(calls_module, "_PAGE", 3)
    moments = [NOON, NOON, NOON, NOON, NOON + timedelta(microseconds=1), NOON + timedelta(seconds=1)]
    ExampleIndex.objects.bulk_create([_row(number, created_at=moment) for number, moment in enumerate(moments)])

    assert october().calls.total().calls == 6


def test_calls_of_a_shadow_are_told_apart() -> None:
    shadow = {"provider": "local", "model": "tuned"}
    routed = {"targets": [{"provider": "openai", "model": "big"}], "shadow": shadow}
    promoted_later = {"targets": [{"provider": "openai", "model": "big"}, {**shadow, "weight": 5}]}
    for version, (moment, after) in enumerate([(NOON, routed), (NOON + timedelta(days=2), promoted_later)], 1):
        RouteChange.objects.create(route="shop", version=version, after=after, changed_by="ann", changed_at=moment)
    for days in (-1, 1, 3):
        call(NOON + timedelta(days=days), provider="local", model_name="tuned")

    found = {who.is_shadow: each.calls for who, each in october().calls.by_answerer.items()}

    assert found == {False: 2, True: 1}


# --- Quality ---------------------------------------------------------------------------------------------------------


def test_evaluations_that_were_finished_in_the_month_are_told() -> None:
    model = trained("tuned")
    gain = {"mean": 0.08, "low": 0.02, "high": 0.14}
    evaluated(model, finished_at=NOON, metrics=metrics(0.91, 0.83, gain))
    evaluated(model, finished_at=NOON, metrics=metrics(0.5, None, None), incumbent_provider="")
    evaluated(model, finished_at=at("2026-11-01T00:00:00"), metrics=metrics(0.9, 0.8, gain))
    evaluated(model, finished_at=NOON, state="failed")

    first, second = october().comparisons

    assert (first.candidate, first.incumbent, first.candidate_score, first.gain) == (
        "local/tuned",
        "openai/big",
        0.91,
        gain,
    )
    assert (second.incumbent, second.incumbent_score, second.gain) == ("", None, None)


def test_ratings_and_verdicts_go_to_who_answered() -> None:
    rated, other = call(NOON), call(NOON, model_name="small")
    for score in (1.0, 0.5):
        Feedback.objects.create(example=rated, score=score, source="app", created_at=NOON)
    Feedback.objects.create(example=rated, score=None, comment="no score", source="app", created_at=NOON)
    Feedback.objects.create(example=rated, score=0.0, source="app", created_at=at("2026-09-30T23:59:59"))
    Review.objects.create(example=rated, verdict="good", reviewed_by="ann", reviewed_at=NOON)
    Review.objects.create(example=other, verdict="bad", reviewed_by="ann", reviewed_at=NOON)

    found = {each.model: (each.ratings, each.mean_rating, each.good, each.bad) for each in october().judgments}

    assert found == {"big": (2, 0.75, 1, 0), "small": (0, None, 0, 1)}


# --- Savings ---------------------------------------------------------------------------------------------------------

PRICES = {"big": {"input": 2.0, "output": 8.0}, "other": {"input": 20.0, "output": 80.0}}


@pytest.fixture
def prices(capture: Callable[..., None]) -> None:
    capture(PRICES=PRICES)


def answered_by(model: str, **values: Any) -> None:
    """A million tokens in, half a million out, at no cost."""
    facts = {"input_tokens": 1_000_000, "output_tokens": 500_000, "cost_usd": None}
    call(NOON, provider="local", model_name=model, **{**facts, **values})


@pytest.mark.usefixtures("prices")
def test_a_trained_model_saves_what_its_incumbent_would_have_cost() -> None:
    evaluated(trained("tuned"))
    answered_by("tuned")
    call(NOON)  # of no trained model
    Spend.objects.create(key="run", task="shop", purpose="training", usd=1.5, spent_at=NOON)
    Spend.objects.create(key="judge", task="shop", purpose="judging", usd=9, spent_at=NOON)
    Spend.objects.create(key="before", task="shop", purpose="training", usd=9, spent_at=at("2026-09-30T23:59:59"))

    savings = october().savings

    [saved] = savings.models
    assert (saved.instead_of, saved.calls, saved.uncosted) == ("big", 1, 1)
    assert (saved.would_have_cost_usd, saved.cost_usd, saved.saved_usd) == (6.0, 0.0, 6.0)
    assert (savings.saved_usd, savings.training_usd, savings.net_usd) == (6.0, 1.5, 4.5)


@pytest.mark.usefixtures("prices")
def test_what_its_calls_cost_is_taken_off() -> None:
    evaluated(trained("tuned"))
    answered_by("tuned", cost_usd=7.0)

    assert october().savings.saved_usd == -1.0


@pytest.mark.usefixtures("prices")
def test_the_setting_says_who_would_have_answered(settings: Any) -> None:
    settings.CONTINUOUS_TRAINING = {"INCUMBENTS": {"shop": "other"}}
    evaluated(trained("tuned"))
    answered_by("tuned")

    assert october().savings.models[0].would_have_cost_usd == 60.0


@pytest.mark.usefixtures("prices")
def test_the_second_generation_is_compared_with_what_the_first_replaced() -> None:
    first, second = trained("first"), trained("second")
    evaluated(first)
    evaluated(second, incumbent_provider="local", incumbent_model="first")
    answered_by("second")

    assert october().savings.models[0].instead_of == "big"


@pytest.mark.usefixtures("prices")
def test_a_model_that_was_never_compared_has_the_incumbent_of_its_route() -> None:
    model = trained("tuned")
    route: dict[str, Any] = {
        "targets": [{"provider": "openai", "model": "other", "weight": 1}, {"provider": "p", "model": "big"}]
    }
    route["targets"][1]["weight"] = 9
    promoted(
        model, "approved", evaluation=evaluated(model, incumbent_provider="", incumbent_model=""), route_from=route
    )
    answered_by("tuned")

    assert october().savings.models[0].instead_of == "big"


def test_without_a_price_or_an_incumbent_nothing_is_claimed() -> None:
    evaluated(trained("unpriced"))
    trained("alone")
    circle = trained("circle")
    evaluated(circle, incumbent_provider="local", incumbent_model="circle")
    for name in ("unpriced", "alone", "circle"):
        answered_by(name)

    found = {each.model: (each.instead_of, each.saved_usd) for each in october().savings.models}

    assert found == {"local/unpriced": ("big", None), "local/alone": ("", None), "local/circle": ("", None)}


@pytest.mark.usefixtures("prices")
def test_a_shadow_saves_nothing() -> None:
    evaluated(trained("tuned"))
    shadow = {"provider": "local", "model": "tuned"}
    RouteChange.objects.create(
        route="shop",
        version=1,
        after={"targets": [{"provider": "openai", "model": "big"}], "shadow": shadow},
        changed_by="ann",
        changed_at=at("2026-10-01T00:00:00"),
    )
    answered_by("tuned")

    assert october().savings.models == []


# --- Budgets, runs, promotions ---------------------------------------------------------------------------------------


def test_budgets_are_told_with_their_worst_day(capture: Callable[..., None]) -> None:
    capture(BUDGETS={"shop": {"DAY": 0.02, "MONTH": 1}, "ads": {"MONTH": 0}})
    for day in (1, 1, 2, 31):
        call(datetime(2026, 10, day, 23, 59, 59, tzinfo=UTC))
    call(at("2026-11-01T00:00:00"))
    Spend.objects.create(key="run", task="shop", purpose="training", usd=0.5, spent_at=NOON)
    BudgetAlert.objects.create(
        tasks="shop",
        period="DAY",
        begins_at=at("2026-10-01T00:00:00"),
        percent=100,
        limit_usd=0.02,
        spent_usd=0.02,
        alerted_at=NOON,
    )

    daily, monthly, nothing = october().budgets

    assert (daily.spent_usd, daily.times_spent, daily.alerts) == (0.5, 2, 1)
    assert monthly.spent_usd == pytest.approx(0.54)
    assert monthly.percent == pytest.approx(54)
    assert monthly.times_spent == 0
    assert (nothing.spent_usd, nothing.percent) == (0, 100)


def test_runs_and_promotions_of_the_month_are_told() -> None:
    run_of("asked", requested_at=NOON, started_at=NOON, finished_at=NOON + timedelta(hours=1), cost_usd=2, data={})
    run_of("ended", requested_at=at("2026-09-30T23:00:00"), finished_at=at("2026-10-01T00:00:00"))
    run_of("before", requested_at=at("2026-09-30T23:00:00"), finished_at=at("2026-09-30T23:59:59"))
    promoted(trained("tuned"), "rolled back", proposed_at=NOON, decided_by="ann", ended_by="watch", ended_why="errors")
    promoted(trained("later"), "proposed", proposed_at=at("2026-11-01T00:00:00"))

    facts = october()

    assert {run.id: run.seconds for run in facts.runs} == {"asked": 3600, "ended": None}
    assert [(each.model, each.state, each.decided_by, each.reason) for each in facts.promotions] == [
        ("local/tuned", "rolled back", "watch", "errors")
    ]


# --- The page --------------------------------------------------------------------------------------------------------


def test_an_empty_month_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    call_command("monthly_report", "--month", "2026-10", "--output", str(tmp_path))

    assert "There is nothing to tell of 2026-10." in capsys.readouterr().out
    page = (tmp_path / "gleaner-2026-10.html").read_text()
    assert "Nothing was captured, evaluated, trained or paid for in this month." in page
    assert "<table" not in page
    assert json.loads((tmp_path / "gleaner-2026-10.json").read_bytes())["is_empty"] is True


def test_whatever_a_name_holds_stays_text(capture: Callable[..., None]) -> None:
    capture(BUDGETS={HOSTILE: {"MONTH": 1}})
    call(NOON, task=HOSTILE, provider=HOSTILE, model_name=HOSTILE)
    model = trained("tuned", task=HOSTILE, provider=HOSTILE, model=HOSTILE)
    evaluated(model, finished_at=NOON, metrics={**metrics(1, 0, None), "scorers": [HOSTILE]}, incumbent_model=HOSTILE)
    promoted(model, "rejected", proposed_at=NOON, reason=HOSTILE, decided_by=HOSTILE, evaluation=evaluated(model))
    run_of("run", requested_at=NOON, task=HOSTILE, base_model=HOSTILE)
    Spend.objects.create(key="run", task=HOSTILE, purpose=HOSTILE, usd=1, spent_at=NOON)

    page = render(october())

    assert "<script" not in page
    assert "\u202e" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;⟦U+202E⟧evil") > 10


def test_the_page_needs_nothing_beside_it() -> None:
    call(NOON)

    page = render(october())

    assert re.findall(r"(?:src|href)=|url\(|@import", page) == []
    assert "default-src 'none'" in page


def test_a_project_that_parts_thousands_has_its_pictures_all_the_same(settings: Any) -> None:
    settings.USE_THOUSAND_SEPARATOR = True
    call(NOON)

    page = render(october())

    assert 'viewBox="0 0 1000 10"' in page


def test_more_rows_than_anybody_reads_are_in_the_json_alone(tmp_path: Path) -> None:
    for number in range(101):
        call(NOON, task=f"task {number:03}")

    report = monthly_report(month="2026-10", folder=tmp_path)

    assert "1 more row in the JSON beside this page." in report.html.read_text()
    assert len(json.loads(report.json.read_bytes())["calls"]["by_model"]) == 101


# --- Files and faces -------------------------------------------------------------------------------------------------


def test_the_task_writes_the_last_month_into_the_data_directory(data_dir: Path) -> None:
    write_monthly_report()

    name = Month.named("", now=datetime.now(UTC)).name
    assert {path.name for path in (data_dir / "reports").iterdir()} == {f"gleaner-{name}.html", f"gleaner-{name}.json"}


def test_the_command_gives_what_the_file_has(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    call(NOON)
    note_spend("shop", 1, purpose="training", key="run")

    call_command("monthly_report", "--month", "2026-10", "--output", str(tmp_path), "--json")

    told = json.loads(capsys.readouterr().out)
    kept = json.loads(Path(told["json"]).read_bytes())
    assert kept.items() <= told.items()
    assert (kept["calls"]["total"]["calls"], kept["month"], kept["is_over"]) == (1, "2026-10", True)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()

    with pytest.raises(CommandError, match="cannot hold the report"):
        call_command("monthly_report", "--month", "2026-10", "--output", str(in_the_way / "reports"))


@pytest.mark.parametrize(("month", "hour"), [(3, 10), (7, 9), (11, 10), (12, 10)])  # in UTC, through daylight saving
def test_beat_writes_it_on_the_first_at_four_in_chicago_when_the_month_of_utc_is_over(month: int, hour: int) -> None:
    entry = CONTINUOUS_TRAINING_SCHEDULE["monthly-report"]
    app = Celery("shop", timezone="UTC", set_as_current=False)
    last = datetime(2026, month, 1, tzinfo=UTC) - timedelta(hours=12)
    schedule = ScheduleEntry("monthly-report", app=app, last_run_at=last, **entry).schedule
    schedule.nowfun = lambda: last

    due = (last + schedule.remaining_estimate(last)).astimezone(UTC)

    assert due == datetime(2026, month, 1, hour, tzinfo=UTC)
    assert Month.named("", now=due).name == f"{last:%Y-%m}"


@pytest.mark.parametrize(
    "values",
    [
        {"KEEP_ROUTED_DAYS": -1},
        {"KEEP_ROUTED_DAYS": "90"},
        {"KEEP_ROUTED_DAYS": float("inf")},
        {"REPORTS_FOLDER": ""},
        {"INCUMBENTS": ["gpt"]},
        {"INCUMBENTS": {"shop": 7}},
    ],
    ids=str,
)
def test_settings_of_housekeeping_are_checked(settings: Any, values: dict[str, Any]) -> None:
    settings.CONTINUOUS_TRAINING = values

    assert [error.id for error in check_continuous_training_settings()] == ["continuous_training.E002"]
