"""Import examples that other tools, or another Gleaner, have recorded."""

from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import CommandError, CommandParser

from capture_app.exceptions import CaptureError, JobBusy
from capture_app.management.service_command import BUSY, ServiceCommand
from capture_app.progress import Progress
from capture_app.wording import counted
from training_archive.exceptions import ArchiveBusy, ArchiveError
from training_archive.importing.formats import AUTO, NEEDED_KEYS, READERS
from training_archive.importing.service import ImportReport, import_examples

_SHOWN = 20  # problems on the terminal; --json has more


class Command(ServiceCommand):
    errors: ClassVar[tuple[type[Exception], ...]] = (CaptureError, ArchiveError)
    tables_of: ClassVar[tuple[str, ...]] = ("capture_app", "training_archive")

    help = (
        "Import examples through the same inbox as captured calls, redacted like them, each stored once however often "
        "it is imported. What was erased on request stays out, also where only its words tell it. Records that cannot "
        "be read are named, the others go in. Exit status 1: something was refused, or could not be stored; 75: "
        "another import, requeue or erasure is at work."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "paths",
            nargs="+",
            type=Path,
            metavar="PATH",
            help="files to import; gzip is unpacked. An archive's "
            "active ZIP brings the dated ones beside it; a dated one comes alone",
        )
        parser.add_argument(
            "--format",
            choices=(AUTO, *READERS),
            default=AUTO,
            help="default: told by each file's content. gleaner-jsonl: our columns as lines of JSON, JSON or CSV; "
            "parquet: our columns; gleaner-zip, gleaner-duckdb: another Gleaner's archive or chunk; openai-chat: "
            "fine-tuning data (also preferences, of which the preferred answer), stored completions, batch output; "
            "llm: logs.db of Simon Willison's llm; langfuse: exported observations; prompt-completion, sharegpt: "
            "training sets. Told by these keys: " + "; ".join(f"{name}: {keys}" for name, keys in NEEDED_KEYS.items()),
        )
        parser.add_argument("--task", default="", help="the task of all of them, in the place of their own")
        parser.add_argument(
            "--requests", type=Path, metavar="FILE", help="the input file of the OpenAI batch whose output is imported"
        )
        parser.add_argument("--strict", action="store_true", help="read everything first; import nothing if any is bad")
        parser.add_argument(
            "--keep-equal",
            action="store_true",
            help="import records without an id also where a stored example was asked the same and answers the same way",
        )
        parser.add_argument("--dry-run", action="store_true", help="read and count, and write nothing")

    def call(self, progress: Progress, options: dict[str, Any]) -> ImportReport:
        return import_examples(
            options["paths"],
            format=options["format"],
            task=options["task"],
            requests=options["requests"],
            strict=options["strict"],
            keep_equal=options["keep_equal"],
            dry_run=options["dry_run"],
            progress=progress,
        )

    def exit_code(self, error: Exception) -> int:
        return BUSY if isinstance(error, JobBusy | ArchiveBusy) else 1

    def as_json(self, result: ImportReport) -> dict[str, object]:
        return result.as_json()

    def show(self, result: ImportReport) -> None:
        for path, found in result.formats.items():
            self.stdout.write(f"{path}: {found}")
        counts = result.counts
        verb = "Would import" if result.dry_run else "Imported"
        self.stdout.write(f"{verb} {counted(counts.imported, 'example')} of {counted(result.read, 'record')}.")
        lines = [
            (counts.already_there, "were there already"),
            (counts.equal, "have no id, and equal what was there already (--keep-equal imports them)"),
            (counts.forgotten, "were erased on request before, and are left out"),
            (counts.withheld, "could not be redacted, and are sealed in quarantine/withheld/"),
            (counts.not_stored, "could not be stored, and are kept in quarantine/"),
            (counts.missing_blobs, "images or files that they refer to are not in this data directory"),
            *((number, f"left out: {reason}") for reason, number in result.skipped.most_common()),
        ]
        for number, text in lines:
            if number:
                self.stdout.write(f"  {number:,} {text}")

    def finish(self, result: ImportReport, options: dict[str, Any]) -> None:
        if result.refused_records:
            raise CommandError(_refusals(result))
        if result.counts.not_stored:
            raise CommandError(f"{counted(result.counts.not_stored, 'example')} could not be stored; see quarantine/.")


def _refusals(result: ImportReport) -> str:
    outcome = "nothing was imported (--strict)" if result.strict else "the others are not affected"
    lines = [f"  {found.file}, {found.place}: {found.reason}" for found in result.refusals[:_SHOWN]]
    rest = result.refused_records - len(lines)
    if rest > 0:
        lines.append(f"  and {rest:,} more: " + "; ".join(f"{n:,} x {r}" for r, n in result.refused.most_common(5)))
    return f"{counted(result.refused_records, 'record')} refused, {outcome}:\n" + "\n".join(lines)
