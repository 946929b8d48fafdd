"""Budgets: what tasks may cost in a day and in a month, an alert when most of it is spent, and an end at all of it.

"BUDGETS": {"training_files.enrichment": {"DAY": 2}, "shop_*": {"MONTH": 40}, "*": {"MONTH": 500}}    # USD

A budget is that of one task, or of all together whose names begin as it does before its "*"; each that names a task
counts. Days and months are those of UTC. Spent is what captured calls cost, by the index and so as of the last drain,
and what `note_spend` was told of: money for what is no captured call, such as a training run.

The application's own calls are never stopped. Work that Gleaner does by itself asks `require_budget` before each step
that costs: training, enrichment, judges, memories.
"""

import logging
from datetime import UTC, datetime
from typing import Any, Final

from django.core.mail import mail_admins
from django.core.signals import setting_changed
from django.db import router, transaction
from django.dispatch import Signal

from capture_app.conf import SETTING, capture_settings
from capture_app.exceptions import BudgetSpent
from capture_app.jobs import describe
from capture_app.models import BudgetAlert
from capture_app.spending import BudgetState, budget_states, note_spend
from capture_app.wording import counted

__all__ = ["LEVELS", "BudgetState", "budget_alert", "budget_states", "check_budgets", "note_spend", "require_budget"]

LEVELS: Final = (80, 100)  # percent, at which there is an alert

budget_alert = Signal()  # a `state` (BudgetState) has reached a level (`percent`), once in each day or month

logger = logging.getLogger("capture_app")


def require_budget(task: str, purpose: str) -> None:
    """Raise BudgetSpent when a budget that names the task is spent. `purpose` says for what: "enrichment", "training".

    With no such budget nothing is asked of the database; else of sums that stand for some seconds.
    """
    states = budget_states(task=task)
    for state in states:
        _alert(state)
    for state in states:
        if state.is_spent:
            raise _refusal(state, task, purpose)


def check_budgets() -> list[BudgetState]:
    """Alert to each budget that has reached a level of LEVELS; all states.

    Asking for a budget alerts, too, but nobody may ask for one that the application's own calls use up.
    """
    states = budget_states()
    for state in states:
        _alert(state)
    return states


def _refusal(state: BudgetState, task: str, purpose: str) -> BudgetSpent:
    return BudgetSpent(
        f"The budget of {state.tasks!r} for this {state.period.lower()} is spent, {_spent_of(state)}, so {purpose} for "
        f"the task {task!r} was not begun. What was done is kept, and the application's own calls go on. It frees up "
        f"at {state.ends_at:%Y-%m-%d %H:%M} UTC; a higher {SETTING}['BUDGETS'][{state.tasks!r}][{state.period!r}] "
        "frees it now."
    )


def _spent_of(state: BudgetState) -> str:
    return f"{state.spending.usd:,.2f} of {state.limit_usd:,.2f} USD"


# --- Alerts ----------------------------------------------------------------------------------------------------------

_alerted: set[tuple[str, str, datetime, int]] = set()  # what this process knows to have been told


def _alert(state: BudgetState) -> None:
    """Once per level and period, whichever process finds it; of two levels at once, of the higher."""
    news = [percent for percent in LEVELS if state.percent >= percent and _is_news(state, percent)]
    if news:
        _tell(state, max(news))


def _is_news(state: BudgetState, percent: int) -> bool:
    key = (state.tasks, state.period, state.begins_at, percent)
    if key in _alerted:
        return False
    with transaction.atomic(using=router.db_for_write(BudgetAlert)):
        _, is_news = BudgetAlert.objects.get_or_create(
            tasks=state.tasks,
            period=state.period,
            begins_at=state.begins_at,
            percent=percent,
            defaults={
                "limit_usd": state.limit_usd,
                "spent_usd": state.spending.usd,
                "alerted_at": datetime.now(UTC),
            },
        )
    _alerted.add(key)
    return is_news


def _tell(state: BudgetState, percent: int) -> None:
    """In the log, to whoever listens to budget_alert, and by mail to ADMINS. Nothing of it stops who asked."""
    text = _alert_text(state)
    logger.warning("%s", text, extra={"budget": state.tasks, "period": state.period, "percent": percent})
    for receiver, outcome in budget_alert.send_robust(sender=BudgetState, state=state, percent=percent):
        if isinstance(outcome, Exception):
            logger.error("A receiver of budget_alert failed: %r (%s).", receiver, describe(outcome))
    if capture_settings().budget_mail:
        _mail(f"Gleaner: {percent} % of the budget of {state.tasks} is spent", text)


def _mail(subject: str, text: str) -> None:
    try:
        mail_admins(subject, text)
    except Exception as error:  # whatever the mail's backend raises: the alert itself is in the log
        logger.error("ADMINS could not be told %r: %s.", subject, describe(error))


def _alert_text(state: BudgetState) -> str:
    text = (
        f"Of the budget of {state.tasks!r} for this {state.period.lower()}, which ends at "
        f"{state.ends_at:%Y-%m-%d %H:%M} UTC, {_spent_of(state)} are spent."
    )
    if state.spending.uncosted_calls:
        text += (
            f" What {counted(state.spending.uncosted_calls, 'more call')} cost is not known, and counts as nothing: "
            "see PRICES."
        )
    if state.is_spent:
        return f"{text} Training and generation for it wait until then; the application's own calls go on."
    return f"{text} Once it is spent, training and generation for it stop; the application's own calls never do."


def _forget_alerts(*, setting: str, **kwargs: Any) -> None:
    if setting == SETTING:
        _alerted.clear()


setting_changed.connect(_forget_alerts, dispatch_uid="capture_app.budgets")
