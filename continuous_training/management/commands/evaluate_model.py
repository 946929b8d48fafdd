"""Compare a candidate with what answers a task now, on the same items."""

import getpass
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from capture_app.exceptions import BudgetSpent, CaptureError, JobBusy
from capture_app.management.service_command import BUSY, ServiceCommand
from capture_app.progress import Progress
from capture_app.wording import counted
from continuous_training.evaluation.metrics import Metrics
from continuous_training.evaluation.report import report_context, report_path
from continuous_training.evaluation.scorers import SCORERS
from continuous_training.evaluation.service import evaluate, gold_set
from continuous_training.evaluation.targets import incumbent_of, parse_target
from continuous_training.exceptions import EvaluationStopped
from continuous_training.models import Evaluation
from training_archive.exceptions import ArchiveError


class Command(ServiceCommand):
    errors: ClassVar[tuple[type[Exception], ...]] = (CaptureError, ArchiveError)
    tables_of: ClassVar[tuple[str, ...]] = ("capture_app", "continuous_training")
    help = (
        "Ask a candidate and the incumbent the same items, score and compare the answers, and write a report. Answers "
        "are kept as they come: killed, or stopped because a model or a budget gave out (exit code 75), run the same "
        "command again and it goes on. By default the incumbent is what answers the task now, the items are the task's "
        "file in GOLD_SETS or else what is held out, and the scorer is json_fields where items have slot_specs, else "
        "token_f1."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("task")
        parser.add_argument("--candidate", required=True, metavar="PROVIDER/MODEL")
        parser.add_argument("--incumbent", metavar="PROVIDER/MODEL", help="default: what answers the task now")
        parser.add_argument("--alone", action="store_true", help="score the candidate by itself")
        items = parser.add_mutually_exclusive_group()
        items.add_argument(
            "--gold",
            type=Path,
            metavar="FILE",
            help="JSON lines of messages, expected_response, category and, if wanted, slot_specs",
        )
        items.add_argument("--held-out", action="store_true", help="what hold_out_examples has held out of the task")
        parser.add_argument(
            "--scorer",
            action="append",
            default=[],
            metavar="NAME",
            help=f"{', '.join(SCORERS)}, one of SCORERS, or a class's dotted path; repeat it, and the first decides",
        )
        parser.add_argument(
            "--count-errors", action="store_true", help="do not stop at a model that only errs: each error scores 0"
        )

    def call(self, progress: Progress, options: dict[str, Any]) -> Evaluation:
        task, incumbent = options["task"], None
        if not options["alone"]:
            incumbent = parse_target(options["incumbent"]) if options["incumbent"] else incumbent_of(task)
        return evaluate(
            task,
            candidate=parse_target(options["candidate"]),
            incumbent=incumbent,
            gold=gold_set(task, file=options["gold"], held_out=options["held_out"]),
            scorers=options["scorer"],
            requested_by=getpass.getuser(),
            count_errors=options["count_errors"],
            progress=progress,
        )

    def exit_code(self, error: Exception) -> int:
        return BUSY if isinstance(error, EvaluationStopped | BudgetSpent | JobBusy) else 1

    def as_json(self, result: Evaluation) -> dict[str, Any]:
        return {
            "id": result.pk,
            "state": result.state,
            "problem": result.problem,
            "gold": result.gold,
            "report": str(report_path(result.pk)),
            **result.metrics,
        }

    def show(self, result: Evaluation) -> None:
        if not result.metrics:
            self.stdout.write(result.problem)
            return
        found, said = Metrics.from_json(result.metrics), report_context(result, shown=0)
        self.stdout.write(f"{said.verdict} {counted(found.items, 'item')} by {said.scorers[0]}.")
        if found.gain:
            self.stdout.write(f"  gain {said.gain}, 95 % interval {said.interval}; {said.outcomes}")
        for figure in said.figures:
            beside = f", incumbent {figure.incumbent}" if figure.incumbent else ""
            self.stdout.write(f"  {figure.label}: {figure.candidate}{beside}")
        for line in said.categories:
            beside = f", incumbent {line.incumbent}, gain {line.gain} ({line.interval})" if line.gain else ""
            self.stdout.write(f"  category {line.name}, {line.items}: {line.candidate}{beside}")
        self.stdout.write(f"The report is {report_path(result.pk)}.")
