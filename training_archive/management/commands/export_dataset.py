"""Write captured examples as a data set to train on."""

from argparse import ArgumentTypeError
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from capture_app.management.service_command import BUSY
from capture_app.progress import Progress
from capture_app.wording import counted
from training_archive.exports.exceptions import ExportBusy
from training_archive.exports.formats import FORMATS
from training_archive.exports.options import (
    BOTH,
    DEDUPES,
    EXACT,
    NEAR,
    SOURCES,
    ExportOptions,
    ExportReport,
    parse_split,
)
from training_archive.exports.registry import has_registry, unregister_export
from training_archive.exports.service import export_dataset
from training_archive.management.archive_command import ArchiveCommand


@dataclass(frozen=True, slots=True)
class Unregistered:
    """What `--unregister` did."""

    unregistered: str  # the folder


class Command(ArchiveCommand):
    help = (
        "Write the examples of archive and live database as a data set: filtered, without duplicates, without what an "
        "evaluation asks, split, and with a manifest that counts what was left out and why. Exit status 1: nothing was "
        "written, and the message says what to do; 75: another export writes there, try again later."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--format", choices=FORMATS, help="what the data set is for")
        what.add_argument(
            "--unregister",
            type=Path,
            metavar="FOLDER",
            help="write nothing, but know no more of the export in this folder, which was deleted",
        )
        parser.add_argument("--out", type=Path, help="the folder to write; it must be missing or empty, but for --slug")
        parser.add_argument(
            "--overwrite", action="store_true", help="replace an export that is in the folder, or the file of --schema"
        )
        parser.add_argument("--dry-run", action="store_true", help="count only, write nothing")
        _add_selection(parser)
        _add_treatment(parser)
        _add_files(parser)

    def needs_tables(self) -> bool:
        return has_registry()  # a training host may have no database

    def call(self, progress: Progress, options: dict[str, Any]) -> ExportReport | Unregistered:
        if options["unregister"] is not None:
            return Unregistered(unregister_export(options["unregister"]))
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

    def exit_code(self, error: Exception) -> int:
        return BUSY if isinstance(error, ExportBusy) else 1

    def show(self, result: ExportReport | Unregistered) -> None:
        if isinstance(result, Unregistered):
            self.stdout.write(f"{result.unregistered} is registered no more, and no receipt will name it.")
            return
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
        "--from",
        dest="source",
        choices=SOURCES,
        default=BOTH,
        help="live includes what is not in the ZIP yet; default both",
    )
    group.add_argument("--task", action="append", default=[], help="only this one; repeat it for several")
    group.add_argument("--model", action="append", default=[], help="as --task, by the model that answered")
    group.add_argument("--provider", action="append", default=[], help="as --task, by provider")
    group.add_argument("--since", type=_moment, metavar="TIME", help="2026-01-31, or a time with its zone; included")
    group.add_argument("--until", type=_moment, metavar="TIME", help="as --since; not included")
    group.add_argument("--tag", action="append", default=[], help="among its tags; all that are given must be")
    group.add_argument(
        "--min-rating",
        type=float,
        help="of the verdict (good 1, bad 0), the newest feedback's score, or metadata.rating; what is not rated is "
        "left out. In a preference format the better answer needs it",
    )


def _add_treatment(parser: CommandParser) -> None:
    group = parser.add_argument_group("what becomes of them")
    group.add_argument(
        "--dedupe",
        choices=DEDUPES,
        default=EXACT,
        help="exact: of examples with one prompt and task, the best rated stays, then the latest. near: also of those "
        "whose prompts are nearly the same, the earliest. Default exact",
    )
    group.add_argument(
        "--near-threshold", type=float, help="with --dedupe near: Jaccard similarity of word 5-grams; default .85"
    )
    group.add_argument(
        "--with-shadows",
        action="store_true",
        help="also what a route's shadow answered, beside the answer that was used; without it only where corrected",
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
        "--held-out-ngram", type=int, help="with --held-out: words in a row shared with one of those; default 13"
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
    for read in (_day, datetime.fromisoformat):
        with suppress(ValueError):
            return read(text)
    raise ArgumentTypeError(f"{text!r} is no time; write 2026-01-31, or 2026-01-31T12:00:00+00:00")


def _day(text: str) -> datetime:
    return datetime.combine(date.fromisoformat(text), time(), UTC)


def _given(options: dict[str, Any], name: str, *, needs: str, is_there: bool) -> dict[str, Any]:
    """The option, when it was given. CommandError when it would do nothing."""
    if options[name] is None:
        return {}
    if not is_there:
        raise CommandError(f"--{name.replace('_', '-')} does nothing without {needs}. Nothing was written.")
    return {name: options[name]}


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
        **_given(options, "near_threshold", needs="--dedupe near", is_there=options["dedupe"] == NEAR),
        with_shadows=options["with_shadows"],
        held_out=tuple(options["held_out"]),
        **_given(options, "held_out_ngram", needs="--held-out", is_there=bool(options["held_out"])),
        split=None if options["split"] is None else parse_split(options["split"]),
        seed=options["seed"],
        shard_rows=options["shard_rows"],
        shard_bytes=options["shard_bytes"],
        slug=options["slug"],
        schema=options["schema"],
    )
