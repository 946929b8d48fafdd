"""Hold an evaluation's candidate against the gate."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from capture_app.management.service_command import ServiceCommand
from capture_app.progress import Progress
from continuous_training.models import Promotion
from continuous_training.promotion.describing import describe_promotion
from continuous_training.promotion.service import propose


class Command(ServiceCommand):
    help = (
        "Hold the candidate of an evaluation against the gate. What passes waits for a person with the right to "
        "decide, in the admin or by decide_promotion; nothing answers differently yet. Exits with 1 for what is "
        "refused."
    )
    tables_of = ("capture_app", "continuous_training")

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("evaluation", help="its id, as evaluate_model prints it")
        parser.add_argument("--by", required=True, help="who proposes it")

    def call(self, progress: Progress, options: dict[str, Any]) -> Promotion:
        return propose(options["evaluation"], by=options["by"])

    def as_json(self, result: Promotion) -> Any:
        return describe_promotion(result)

    def show(self, result: Promotion) -> None:
        for check in result.gate:
            mark = "holds" if check["holds"] else "FAILS"
            self.stdout.write(f"{mark}  {check['name']}: {check['found']}; asked: {check['asked']}")
        self.stdout.write(f"Promotion {result.pk} of {result} is {result.state}.")

    def finish(self, result: Promotion, options: dict[str, Any]) -> None:
        if result.state == Promotion.State.REFUSED:
            raise CommandError("The gate refused the candidate. The route is as it was.")
