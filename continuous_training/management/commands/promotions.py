"""Say which candidates were proposed, and what became of them."""

from typing import Any

from django.core.management.base import CommandParser

from capture_app.management.service_command import ServiceCommand
from capture_app.progress import Progress
from continuous_training.models import Promotion
from continuous_training.promotion.describing import describe_promotion, list_promotions


class Command(ServiceCommand):
    help = "Say which candidates were held against the gate, what it found, who decided, and who answers now."
    tables_of = ("capture_app", "continuous_training")

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--task", default="", help="those of one task")
        parser.add_argument("--promotion", type=int, metavar="ID", help="this one, with every threshold")

    def call(self, progress: Progress, options: dict[str, Any]) -> list[Promotion]:
        return list_promotions(task=options["task"], promotion_id=options["promotion"])

    def as_json(self, result: list[Promotion]) -> Any:
        return {"promotions": [describe_promotion(promotion) for promotion in result]}

    def show(self, result: list[Promotion]) -> None:
        if not result:
            self.stdout.write(
                "Nothing was proposed. `manage.py propose_promotion` holds an evaluation against the gate."
            )
        for promotion in result:
            by = f", by {promotion.ended_by or promotion.decided_by}" if promotion.decided_by else ""
            share = f", {promotion.share:g} % of the calls" if promotion.share else ""
            self.stdout.write(f"{promotion.pk}  {promotion}  {promotion.state}{by}{share}")
            for check in promotion.gate if len(result) == 1 else []:
                mark = "holds" if check["holds"] else "FAILS"
                self.stdout.write(f"  {mark}  {check['name']}: {check['found']}; asked: {check['asked']}")
