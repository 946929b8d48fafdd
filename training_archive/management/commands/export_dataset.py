"""Write captured examples as a data set to train on."""

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from capture_app.progress import Progress
from capture_app.wording import counted
from training_archive.exports.formats import FORMATS
from training_archive.exports.options import BOTH, DEDUPES, EXACT, SOURCES, ExportOptions, ExportReport, parse_split
from training_archive.exports.service import export_dataset
from training_archive.management.archive_command import ArchiveCommand


class Command(ArchiveCommand):
    help = (
        "Write the examples of archive and live database as a data set: filtered, without duplicates, without what an "
        "evaluation asks, split, and with a manifest that counts what was left out and why. Exit status 1: nothing was "
        "written, and the message says what to do."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--format", required=True, choices=FORMATS, help="what the data set is for")
        parser.add_argument("--out", type=Path, help="the folder to write; it must be missing or empty")
        parser.add_argument("--overwrite", action="store_true", help="replace an export that is in the folder")
        parser.add_argument("--dry-run", action="store_true", help="count only, write nothing")
        _add_selection(parser)
        _add_treatment(parser)
        _add_files(parser)

    def call(self, progress: Progress, options: dict[str, Any]) -> ExportReport:
        if options["out"] is None and not options["dry_run"]:
            raise CommandError("Name a folder with --out, or count only with --dry-run. Nothing was written.")
        return export_dataset(
            options=_export_options(options),
            out=options["out"],
            zip_path=options["zip_path"],
            overwrite=options["overwrite"],
            dry_run=options["dry_run"],
            progress=progress,
        )

    def show(self, result: ExportReport) -> None:
        verb, place = ("Would write", "") if result.dry_run else ("Wrote", f" to {result.out}")
        self.stdout.write(
            f"{verb} {counted(result.rows, 'record')}{place} ({result.format}), out of "
            f"{counted(result.matching, 'example')} that pass the filters, in {result.seconds:.1f} s."
        )
        for split, rows in result.splits.items():
            tasks = result.tasks[split]
            self.stdout.write(f"  {split}: {rows:,} in {counted(len(tasks), 'task')}")
        for reason, rows in result.left_out.items():
            self.stdout.write(f"  left out, {reason}: {rows:,}")


def _add_selection(parser: CommandParser) -> None:
    group = parser.add_argument_group("which examples")
    group.add_argument(
        "--from", dest="source", choices=SOURCES, default=BOTH, help="live includes what is not in the ZIP yet"
    )
    group.add_argument("--task", action="append", default=[], help="only this one; repeat it for several")
    group.add_argument("--model", action="append", default=[], help="as --task, by the model that answered")
    group.add_argument("--provider", action="append", default=[], help="as --task, by provider")
    group.add_argument("--since", type=_moment, metavar="TIME", help="2026-01-31, or a time with its zone; included")
    group.add_argument("--until", type=_moment, metavar="TIME", help="as --since; not included")
    group.add_argument("--tag", action="append", default=[], help="among metadata.tags; all that are given must be")
    group.add_argument(
        "--min-rating",
        type=float,
        help="of metadata.rating; what is not rated is left out. In a preference format the better answer needs it",
    )


def _add_treatment(parser: CommandParser) -> None:
    group = parser.add_argument_group("what becomes of them")
    group.add_argument(
        "--dedupe",
        choices=DEDUPES,
        default=EXACT,
        help="exact: of examples with one prompt and task, the best rated stays, then the latest. near: also of those "
        "whose prompts are nearly the same, the earliest",
    )
    group.add_argument(
        "--near-threshold", type=float, default=0.85, help="Jaccard similarity of word 5-grams; default .85"
    )
    group.add_argument(
        "--held-out",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="prompts to keep out: JSON lines in any format of this command, Parquet, CSV, or one a line",
    )
    group.add_argument(
        "--held-out-ngram", type=int, default=13, help="words in a row shared with one of those; default 13"
    )
    group.add_argument("--split", help="train/validation/test, by task and domain; default .8/.1/.1, 1 for no split")
    group.add_argument("--seed", type=int, default=42, help="of the split; default 42")


def _add_files(parser: CommandParser) -> None:
    group = parser.add_argument_group("files")
    group.add_argument("--shard-rows", type=int, help="begin another file after so many records")
    group.add_argument("--shard-bytes", type=int, help="begin another file after so many bytes")
    group.add_argument(
        "--slug", default="", help="with --format extraction: writes SLUG.SCHEMA.jsonl, SLUG_latest.jsonl"
    )
    group.add_argument("--schema", default="", help="with --slug, such as v1: also writes manifest.SCHEMA.json")


def _moment(text: str) -> datetime:
    """A day is its beginning in UTC. Whether a time has a zone is the service's to say."""
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        return datetime.fromisoformat(text)


def _export_options(options: dict[str, Any]) -> ExportOptions:
    return ExportOptions(
        format=options["format"],
        source=options["source"],
        tasks=tuple(options["task"]),
        models=tuple(options["model"]),
        providers=tuple(options["provider"]),
        since=options["since"],
        until=options["until"],
        tags=tuple(options["tag"]),
        min_rating=options["min_rating"],
        dedupe=options["dedupe"],
        near_threshold=options["near_threshold"],
        held_out=tuple(options["held_out"]),
        held_out_ngram=options["held_out_ngram"],
        split=None if options["split"] is None else parse_split(options["split"]),
        seed=options["seed"],
        shard_rows=options["shard_rows"],
        shard_bytes=options["shard_bytes"],
        slug=options["slug"],
        schema=options["schema"],
    )
