"""What tasks may cost in a day and in a month, who is told, and who is stopped."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command

from capture_app import call_llm
from capture_app.budgets import (
    BudgetState,
    budget_alert,
    budget_states,
    check_budgets,
    note_spend,
    require_budget,
)
from capture_app.exceptions import BudgetSpent
from capture_app.exposition import render_metrics
from capture_app.models import BudgetAlert, ExampleIndex, Spend
from capture_app.services import drain_captures
from capture_app.spending import bounds, covers
from capture_app.tasks import check_budgets as check_budgets_task

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)


@pytest.fixture
def budgets(capture: Callable[..., None]) -> Callable[..., None]:
    """Set BUDGETS; sums that were known are forgotten."""
    return lambda found, **keys: capture(BUDGETS=found, **keys)


@pytest.fixture
def heard() -> Iterator[list[tuple[BudgetState, int]]]:
    """What receivers of budget_alert are given."""
    found: list[tuple[BudgetState, int]] = []

    def hear(state: BudgetState, percent: int, **kwargs: Any) -> None:
        found.append((state, percent))

    budget_alert.connect(hear)
    yield found
    budget_alert.disconnect(hear)


def spend(usd: float | None, *, task: str = "shop", at: datetime | None = None) -> None:
    """A captured call that cost so much, as the index has it."""
    ExampleIndex.objects.create(
        id=f"call {ExampleIndex.objects.count()}",
        created_at=at or datetime.now(UTC),
        task=task,
        provider="p",
        model_name="m",
        cost_usd=usd,
        prompt_hash="",
        prompt_preview="",
        response_preview="",
        generation="g",
    )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- What is stopped -------------------------------------------------------------------------------------------------


def test_what_is_not_spent_may_be_spent(budgets: Callable[..., None]) -> None:
    budgets({"shop": {"DAY": 1}})
    spend(0.5)

    require_budget("shop", "training")


def test_who_asks_when_all_is_spent_is_told_what_is_spent_when_it_frees_up_and_which_setting(
    budgets: Callable[..., None],
) -> None:
    budgets({"shop": {"MONTH": 2}})
    spend(1.5)
    note_spend("shop", 0.5, purpose="training", key="run 1")
    _, ends_at = bounds("MONTH", NOW)

    with pytest.raises(BudgetSpent) as raised:
        require_budget("shop", "training")

    text = str(raised.value)
    assert "The budget of 'shop' for this month is spent, 2.00 of 2.00 USD, so training for the task 'shop'" in text
    assert f"frees up at {ends_at:%Y-%m-01} 00:00 UTC" in text
    assert "TRAINING_CAPTURE['BUDGETS']['shop']['MONTH']" in text


def test_all_days_of_the_month_count(budgets: Callable[..., None]) -> None:
    budgets({"shop": {"MONTH": 99}})
    begins_at, ends_at = bounds("MONTH", NOW)
    for number in range((ends_at - begins_at).days):
        spend(1, at=begins_at + timedelta(days=number))

    [state] = budget_states()

    assert state.spending.usd == (ends_at - begins_at).days


def test_small_sums_add_up_without_an_error_of_rounding(budgets: Callable[..., None]) -> None:
    budgets({"shop": {"MONTH": 1}})
    for _ in range(10):
        spend(0.1)

    with pytest.raises(BudgetSpent):
        require_budget("shop", "training")


@pytest.mark.parametrize(
    ("tasks", "task", "is_covered"),
    [
        ("shop", "shop", True),
        ("shop", "shop_prices", False),
        ("shop_*", "shop_prices", True),
        ("shop_*", "Shop_prices", False),
        ("shop_*", "shop_", True),
        ("shop_*", "shop", False),
        ("*", "anything", True),
        ("s%*", "shop", False),
        ("sho_", "shop", False),
    ],
)
def test_a_budget_names_a_task_or_the_beginning_of_several(
    budgets: Callable[..., None], tasks: str, task: str, *, is_covered: bool
) -> None:
    budgets({tasks: {"DAY": 1}})
    spend(3, task=task)

    assert covers(tasks, task) is is_covered
    assert budget_states()[0].spending.usd == (3 if is_covered else 0)


def test_each_budget_that_names_the_task_counts(budgets: Callable[..., None]) -> None:
    budgets({"shop": {"DAY": 10}, "*": {"DAY": 1}})
    spend(1, task="another")

    with pytest.raises(BudgetSpent, match=r"The budget of '\*'"):
        require_budget("shop", "training")


def test_a_budget_of_nothing_is_spent_at_once(budgets: Callable[..., None]) -> None:
    budgets({"shop": {"DAY": 0}})

    with pytest.raises(BudgetSpent, match=r"0\.00 of 0\.00 USD"):
        require_budget("shop", "training")


def test_without_a_budget_of_the_task_the_database_is_not_asked(
    budgets: Callable[..., None], django_assert_num_queries: Any
) -> None:
    budgets({"another": {"DAY": 0}})

    with django_assert_num_queries(0):
        require_budget("shop", "training")


def test_asked_again_within_seconds_the_database_is_not(
    budgets: Callable[..., None], django_assert_num_queries: Any
) -> None:
    budgets({"shop": {"DAY": 1, "MONTH": 9}, "*": {"MONTH": 9}})
    require_budget("shop", "training")

    with django_assert_num_queries(0):
        require_budget("shop", "training")


def test_the_applications_own_calls_are_never_stopped(budgets: Callable[..., None]) -> None:
    budgets({"*": {"DAY": 0}})

    assert call_llm("What does it cost?", task="shop", training_metadata={}).example_id


# --- What is spent ---------------------------------------------------------------------------------------------------


def test_calls_count_with_what_they_cost_once_they_are_drained(budgets: Callable[..., None]) -> None:
    price = {"input": 1e6, "output": 0}
    budgets({"shop": {"DAY": 1}}, PRICES={"offline-extract": price, "offline": price})
    answered = call_llm("What does it cost?", task="shop", training_metadata={})
    drain_captures()

    [state] = budget_states()

    assert state.spending.usd == pytest.approx(answered.input_tokens)


@pytest.mark.parametrize(
    ("moment", "counts"),
    [
        ("2026-09-30T23:59:59.999999", False),
        ("2026-10-01T00:00:00", True),
        ("2026-10-31T23:59:59.999999", True),
        ("2026-11-01T00:00:00", False),
    ],
)
def test_a_month_is_that_of_utc(budgets: Callable[..., None], moment: str, *, counts: bool) -> None:
    budgets({"shop": {"MONTH": 5}})
    spend(2, at=at(moment))

    [state] = budget_states(at=at("2026-10-15T12:00:00"))

    assert (state.begins_at, state.ends_at) == (at("2026-10-01"), at("2026-11-01"))
    assert state.spending.usd == (2 if counts else 0)


@pytest.mark.parametrize(
    ("moment", "begins_at", "ends_at"),
    [
        ("2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
        ("2028-02-29T00:00:00", "2028-02-01", "2028-03-01"),
        ("2027-01-01T00:00:00", "2027-01-01", "2027-02-01"),
    ],
)
def test_a_month_ends_where_the_next_one_begins(moment: str, begins_at: str, ends_at: str) -> None:
    assert bounds("MONTH", at(moment)) == (at(begins_at), at(ends_at))


def test_a_day_is_that_of_utc_wherever_the_clock_stands() -> None:
    evening_in_chicago = datetime.fromisoformat("2026-10-31T20:00:00-05:00")

    assert bounds("DAY", evening_in_chicago) == (at("2026-11-01"), at("2026-11-02"))


def test_calls_of_unknown_cost_are_counted_and_said(budgets: Callable[..., None], capsys: Any) -> None:
    budgets({"shop": {"DAY": 1}})
    spend(None)
    spend(0.25)

    call_command("budgets")

    assert "0.25 of 1.00 USD (25 %)" in capsys.readouterr().out
    assert budget_states()[0].spending.uncosted_calls == 1


def test_what_is_noted_twice_under_a_key_counts_once_with_its_last_amount(budgets: Callable[..., None]) -> None:
    budgets({"shop": {"DAY": 1}})
    note_spend("shop", 0.5, purpose="training", key="run 1")
    noted_at = Spend.objects.get().spent_at

    note_spend("shop", 0.75, purpose="training", key="run 1")

    assert budget_states()[0].spending.noted_usd == 0.75
    assert Spend.objects.get().spent_at == noted_at


# --- Who is told -----------------------------------------------------------------------------------------------------


def test_below_the_first_level_nobody_is_told(budgets: Callable[..., None], heard: list[Any]) -> None:
    budgets({"shop": {"DAY": 1}})
    spend(0.79)

    check_budgets()

    assert (heard, mail.outbox) == ([], [])


def test_at_most_of_it_everybody_is_told_once(
    budgets: Callable[..., None], heard: list[Any], settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.ADMINS = [("Ann", "ann@example.org")]
    budgets({"shop": {"DAY": 1}})
    spend(0.8)
    spend(None)

    with caplog.at_level(logging.WARNING, logger="capture_app"):
        check_budgets_task()
        budgets({"shop": {"DAY": 1}})  # as another process would: it knows nothing of what this one told
        require_budget("shop", "training")

    assert [(state.tasks, percent) for state, percent in heard] == [("shop", 80)]
    [sent], [record] = mail.outbox, caplog.records
    assert "80 % of the budget of shop is spent" in sent.subject
    assert sent.body == record.getMessage()
    assert "0.80 of 1.00 USD are spent. What 1 more call cost is not known" in sent.body
    assert BudgetAlert.objects.count() == 1


def test_at_all_of_it_they_are_told_again(budgets: Callable[..., None], heard: list[Any]) -> None:
    budgets({"shop": {"DAY": 1}})
    spend(0.9)
    check_budgets()
    budgets({"shop": {"DAY": 1}})
    spend(0.9)

    check_budgets()

    assert [percent for _, percent in heard] == [80, 100]


def test_of_two_levels_at_once_the_higher_is_told(budgets: Callable[..., None], heard: list[Any]) -> None:
    budgets({"shop": {"DAY": 1}})
    spend(3)

    check_budgets()

    assert [percent for _, percent in heard] == [100]
    assert sorted(BudgetAlert.objects.values_list("percent", flat=True)) == [80, 100]


def test_a_day_that_begins_is_told_of_anew(budgets: Callable[..., None], heard: list[Any]) -> None:
    budgets({"shop": {"DAY": 1}})
    begins_at, _ = bounds("DAY", datetime.now(UTC))
    for percent in (80, 100):
        BudgetAlert.objects.create(
            tasks="shop",
            period="DAY",
            begins_at=begins_at - timedelta(days=1),
            percent=percent,
            limit_usd=1,
            spent_usd=1,
            alerted_at=begins_at,
        )
    spend(1)

    check_budgets()

    assert len(heard) == 1


def test_mail_can_be_turned_off(budgets: Callable[..., None], settings: Any) -> None:
    settings.ADMINS = [("Ann", "ann@example.org")]
    budgets({"shop": {"DAY": 0}}, BUDGET_MAIL=False)

    check_budgets()

    assert mail.outbox == []


def test_neither_a_receiver_nor_the_mail_that_fails_stops_who_asked(
    budgets: Callable[..., None], settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**kwargs: Any) -> None:
        raise ZeroDivisionError

    settings.ADMINS = [("Ann", "ann@example.org")]
    settings.EMAIL_BACKEND = "no.such.Backend"
    budgets({"shop": {"DAY": 1}})
    spend(0.9)
    budget_alert.connect(fail)

    require_budget("shop", "training")

    budget_alert.disconnect(fail)
    assert "A receiver of budget_alert failed" in caplog.text
    assert "ADMINS could not be told" in caplog.text


# --- Faces -----------------------------------------------------------------------------------------------------------


def test_the_command_gives_the_states_as_json(budgets: Callable[..., None], capsys: Any) -> None:
    budgets({"*": {"DAY": 4}})
    spend(1)

    call_command("budgets", "--json")

    [found] = json.loads(capsys.readouterr().out)["budgets"]
    assert (found["tasks"], found["period"], found["limit_usd"]) == ("*", "DAY", 4)
    assert (found["spent_usd"], found["percent"]) == (1, 25)


def test_the_command_says_when_there_are_none(capsys: Any) -> None:
    call_command("budgets")

    assert "There are no budgets" in capsys.readouterr().out


def test_the_figures_are_among_the_metrics(budgets: Callable[..., None]) -> None:
    budgets({"shop_*": {"DAY": 4}})
    spend(1, task="shop_prices")
    spend(None, task="shop_prices")

    found = render_metrics().decode()

    assert 'gleaner_budget_spent_usd{period="day",tasks="shop_*"} 1.0' in found
    assert 'gleaner_budget_limit_usd{period="day",tasks="shop_*"} 4.0' in found
    assert 'gleaner_budget_uncosted_calls{period="day",tasks="shop_*"} 1.0' in found
