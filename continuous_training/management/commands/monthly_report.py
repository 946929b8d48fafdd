"""Write the report of a month."""

from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from capture_app.management.service_command import ServiceCommand
from capture_app.progress import Progress
from capture_app.wording import counted
from continuous_training.housekeeping.report.service import MonthlyReport, monthly_report
from continuous_training.housekeeping.report.words import money


class Command(ServiceCommand):
    help = (
        "Write what a month brought, as a page that needs nothing beside it and as JSON: calls, tokens, cost, latency, "
        "quality by evaluations, ratings and verdicts, savings of trained models, budgets, runs and promotions. Months "
        "are those of UTC. Celery writes the last one on the 1st at 04:00, Chicago time."
    )
    tables_of: ClassVar[tuple[str, ...]] = ("capture_app", "continuous_training")

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--month", default="", metavar="2026-10", help="default: the last one that is over")
        parser.add_argument("--output", type=Path, metavar="DIR", help="default: REPORTS_FOLDER, in the data directory")

    def call(self, progress: Progress, options: dict[str, Any]) -> MonthlyReport:
        return monthly_report(month=options["month"], folder=options["output"], progress=progress)

    def as_json(self, result: MonthlyReport) -> Any:
        return {"html": str(result.html), "json": str(result.json), **result.facts.as_json()}

    def show(self, result: MonthlyReport) -> None:
        facts = result.facts
        if facts.is_empty:
            self.stdout.write(f"There is nothing to tell of {facts.month.name}.")
        else:
            total = facts.calls.total()
            self.stdout.write(
                f"{facts.month.name}: {counted(total.calls, 'call')}, {money(total.cost_usd)}, "
                f"{money(facts.savings.net_usd)} saved."
            )
        self.stdout.write(f"{result.html}\n{result.json}")
