"""Read the whole archive and say whether it is sound; save what is readable of it if asked."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from capture_app.progress import Progress
from capture_app.wording import counted
from training_archive.management.archive_command import ArchiveCommand
from training_archive.services import VerifyReport, verify_archive
from training_archive.services.repair import RepairedZip, RepairReport, repair_archive


class Command(ArchiveCommand):
    help = (
        "Read every member of every ZIP: CRC, size, SHA-256, sidecar, and whether DuckDB opens it and finds its rows. "
        "Exit status 1 when something is damaged, with the name of each damaged member. With --repair, whatever is "
        "readable of a damaged ZIP is saved into a new one beside it, and the damaged one is not touched; exit status "
        "0 when there was nothing to repair or everything was saved, 1 when something could not be."
    )

    requires_migrations_checks = False  # a training host may have no database

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--repair",
            action="store_true",
            help="save what is readable of each damaged ZIP as NAME.repaired.zip, name what is not, and print the "
            "commands that put the new ZIP in its place",
        )
        parser.add_argument(
            "--output",
            type=Path,
            help="with --repair: the folder for the new ZIPs, or the file, when one is damaged; never overwritten",
        )

    def call(self, progress: Progress, options: dict[str, Any]) -> VerifyReport | RepairReport:
        if options["repair"]:
            return repair_archive(zip_path=options["zip_path"], output=options["output"], progress=progress)
        if options["output"] is not None:
            raise CommandError("--output is for --repair; nothing else writes a ZIP.")
        return verify_archive(zip_path=options["zip_path"], progress=progress)

    def show(self, result: VerifyReport | RepairReport) -> None:
        if isinstance(result, VerifyReport):
            self._show_verified(result)
            return
        if not result.repaired:
            self.stdout.write(f"{result.zip_path}: {counted(len(result.sound), 'ZIP')}, nothing to repair.")
        for repaired in result.repaired:
            self._show_repaired(repaired)

    def _show_verified(self, result: VerifyReport) -> None:
        rows = sum(chunk.rows for chunk in result.chunks)
        others = f" and {counted(len(result.zips) - 1, 'dated ZIP')}" if len(result.zips) > 1 else ""
        self.stdout.write(
            f"{result.zip_path}{others}: {counted(len(result.chunks), 'sound chunk')}, {counted(rows, 'example')}."
        )

    def _show_repaired(self, result: RepairedZip) -> None:
        found = "\n".join(f"  {problem}" for problem in result.problems)
        self.stdout.write(f"{result.damaged}: {counted(len(result.problems), 'problem')}\n{found}")
        if result.repaired is None:
            self.stdout.write("Nothing in it can be saved; take it from a copy.")
        else:
            saved = f"{counted(len(result.chunks), 'chunk')}, {counted(result.rows, 'example')}"
            self.stdout.write(f"Saved and verified: {result.repaired}: {saved}.")
        for mended in result.mended:
            self.stdout.write(f"  mended: {mended.member}: {mended.what}")
        commands = "\n".join(f"  {command}" for command in result.commands)
        self.stdout.write(
            f"The damaged ZIP was not touched. Next, before the archive runs again:\n{commands}\n"
            "If a run came in between, repair again: it appended to the damaged ZIP."
        )

    def finish(self, result: VerifyReport | RepairReport, options: dict[str, Any]) -> None:
        if isinstance(result, RepairReport):
            _refuse_loss(result)
        elif result.problems:
            lines = "\n".join(f"  {problem}" for problem in result.problems)
            raise CommandError(f"{counted(len(result.problems), 'problem')}; nothing was changed:\n{lines}")


def _refuse_loss(result: RepairReport) -> None:
    lost = [
        f"  {': '.join(filter(None, [repaired.damaged.name, loss.member, loss.reason]))} ({_rows(loss.rows)})"
        for repaired in result.repaired
        for loss in repaired.lost
    ]
    if lost:
        lines = "\n".join(lost)
        raise CommandError(f"Not everything could be saved; a copy may still have it:\n{lines}")


def _rows(rows: int | None) -> str:
    return "nobody knows how many examples" if rows is None else counted(rows, "example")
