"""Erase the examples of a user or a conversation, or single ones, everywhere, and sign a receipt."""

import getpass
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from capture_app.exceptions import JobBusy
from capture_app.management.service_command import BUSY
from capture_app.progress import Progress
from capture_app.wording import counted
from training_archive.exceptions import ArchiveBusy
from training_archive.made_from import UNTOLD
from training_archive.management.archive_command import ArchiveCommand
from training_archive.receipts import Receipt, read_receipt
from training_archive.services import ForgetReport, forget


class Command(ArchiveCommand):
    help = (
        "Erase examples from inbox, live database, every chunk of every ZIP, quarantine, index, blobs and shipped "
        "copies, with all that was said of them, and leave a signed receipt that names the exports, training files and "
        "models that were made from them. Killed or failed at any point, run it again: it finishes. With no option it "
        "only finishes what was left."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        who = parser.add_mutually_exclusive_group()
        who.add_argument("--user", help="the user_id of their examples; examples under its pseudonym are found, too")
        who.add_argument("--conversation", help="the conversation_id of the examples")
        who.add_argument("--id", action="append", dest="ids", default=[], help="an example's id; may be repeated")
        who.add_argument("--verify", type=Path, metavar="RECEIPT", help="say whether a receipt is as it was signed")
        parser.add_argument("--dry-run", action="store_true", help="only count what would be erased")
        parser.add_argument("--by", default="", help="who asks, for the receipt; default: the user of this shell")

    def call(self, progress: Progress, options: dict[str, Any]) -> ForgetReport:
        if options["verify"]:
            return ForgetReport(receipts=[read_receipt(options["verify"])], paths=[options["verify"]])
        try:
            return forget(
                user=options["user"],
                conversation=options["conversation"],
                ids=options["ids"],
                by=options["by"] or _shell_user(),
                zip_path=options["zip_path"],
                dry_run=options["dry_run"],
                progress=progress,
            )
        except ValueError as error:
            raise CommandError(str(error)) from error

    def exit_code(self, error: Exception) -> int:
        return BUSY if isinstance(error, ArchiveBusy | JobBusy) else 1

    def show(self, result: ForgetReport) -> None:
        if result.found is not None:
            self.stdout.write(f"Would erase {counted(result.found, 'example')}. Nothing was changed.")
        elif not result.receipts:
            self.stdout.write("No request was left to finish. Name a --user, a --conversation or an --id to forget.")
        for receipt, path in zip(result.receipts, result.paths, strict=True):
            self._show(receipt, path)

    def _show(self, receipt: Receipt, path: Path) -> None:
        put_aside = receipt.removed["quarantine"] + receipt.removed["withheld"]
        searched = f"{counted(receipt.searched['chunks'], 'chunk')} in {counted(receipt.searched['zips'], 'ZIP')}"
        judgments = receipt.removed.get("judgments", 0)  # a receipt from before there were any names none
        if receipt.examples or put_aside or judgments:
            self.stdout.write(
                f"Forgot {counted(receipt.examples, 'example')} ({receipt.kind}, asked for by {receipt.requested_by} "
                f"at {receipt.requested_at}): {counted(len(receipt.chunks), 'chunk')} rewritten, "
                f"{counted(put_aside, 'record')} erased from quarantine, {counted(judgments, 'judgment')} erased, "
                f"{counted(receipt.removed['blobs'], 'blob')} removed. Searched {searched}."
            )
        else:
            self.stdout.write(f"No example matches ({receipt.kind}); nothing had to be erased. Searched {searched}.")
        if receipt.shipped_to:
            self.stdout.write(f"The copies in the storage {receipt.shipped_to!r} are up to date.")
        for made in receipt.made_from_them:
            self.stdout.write(_still_there(made))
        self.stdout.write(f"Receipt: {path}")


def _still_there(made: dict[str, Any]) -> str:
    if made["kind"] == UNTOLD:
        return f"What else was made from them {UNTOLD}: {made['name']} failed, as the log says. Ask whose app it is."
    number = "an unknown number" if made["examples"] is None else f"{made['examples']:,}"
    return f"Still holds {number} of them: {made['kind']} {made['name']}. Make it anew."


def _shell_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        return "unknown"
