"""Say what is spent of each budget."""

from dataclasses import asdict
from typing import Any

from capture_app.budgets import BudgetState, check_budgets
from capture_app.management.service_command import ServiceCommand
from capture_app.progress import Progress
from capture_app.wording import counted


class Command(ServiceCommand):
    help = (
        "Say what is spent of each budget in TRAINING_CAPTURE[BUDGETS], in this day and this month (UTC), as of the "
        "last drain, and when it frees up. Celery looks each ten minutes, and alerts at 80 and 100 %; so does this."
    )

    def call(self, progress: Progress, options: dict[str, Any]) -> list[BudgetState]:
        return check_budgets()

    def as_json(self, result: list[BudgetState]) -> Any:
        told = ({"spent_usd": state.spending.usd, "percent": state.percent} for state in result)
        return {"budgets": [{**asdict(state), **more} for state, more in zip(result, told, strict=True)]}

    def show(self, result: list[BudgetState]) -> None:
        if not result:
            self.stdout.write("There are no budgets: TRAINING_CAPTURE['BUDGETS'] is empty.")
        for state in result:
            line = (
                f"{state.tasks}, this {state.period.lower()}: {state.spending.usd:,.2f} of {state.limit_usd:,.2f} USD "
                f"({state.percent:.0f} %), frees up at {state.ends_at:%Y-%m-%d %H:%M} UTC"
            )
            if state.spending.uncosted_calls:
                line += f"; {counted(state.spending.uncosted_calls, 'call')} of unknown cost"
            self.stdout.write(line)
