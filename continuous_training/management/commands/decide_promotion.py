"""Approve, reject or roll back a promotion, as a person with the right to."""

from typing import Any

from django.core.management.base import CommandParser

from capture_app.management.service_command import ServiceCommand
from capture_app.progress import Progress
from continuous_training.models import Promotion
from continuous_training.promotion.deciders import decider
from continuous_training.promotion.describing import describe_promotion
from continuous_training.promotion.service import approve, reject, undo


class Command(ServiceCommand):
    help = "Decide about a promotion, as the user in --by, who must have the right to. The admin has a page for it."
    tables_of = ("capture_app", "continuous_training")

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("promotion", type=int, help="its number, as promotions prints it")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--approve", action="store_true", help="have the model answer, or change its share")
        what.add_argument("--reject", action="store_true", help="say no")
        what.add_argument("--roll-back", action="store_true", help="take it off the route again")
        parser.add_argument("--share", type=float, default=100.0, help="percent of the calls; all by default")
        parser.add_argument("--by", required=True, metavar="USER", help="the name of a user")
        parser.add_argument("--reason", required=True, help="why; it is kept")

    def call(self, progress: Progress, options: dict[str, Any]) -> Promotion:
        said = {"by": decider(options["by"]), "reason": options["reason"]}
        if options["approve"]:
            return approve(options["promotion"], share=options["share"], **said)
        return (reject if options["reject"] else undo)(options["promotion"], **said)

    def as_json(self, result: Promotion) -> Any:
        return describe_promotion(result)

    def show(self, result: Promotion) -> None:
        share = f": it answers {result.share:g} % of the calls" if result.share else ""
        self.stdout.write(f"Promotion {result.pk} of {result} is {result.state}{share}.")
