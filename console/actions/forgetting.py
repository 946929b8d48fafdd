"""What a request to forget will reach, and that it is done."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from capture_app.conf import capture_settings
from capture_app.exceptions import CaptureError
from capture_app.models import ExampleIndex
from capture_app.progress import Progress
from console.actions.exceptions import ActionError
from console.actions.selection import Selection, batches
from console.models import ActionRun
from training_archive.conf import archive_settings
from training_archive.exceptions import ArchiveError
from training_archive.made_from import CONVERSATION, EXPORT, GONE_EXPORT, TRAINING_FILE, UNTOLD, MadeFrom, made_from
from training_archive.models import ArchivedGeneration, Erasure
from training_archive.receipts import FOLDER as RECEIPTS
from training_archive.receipts import Receipt
from training_archive.services import forget

_BY_HAND: Final = {
    EXPORT: "Delete the folder and its copies, run “manage.py export_dataset --unregister” on it, and export again.",
    GONE_EXPORT: "Find where it was moved, delete it, and run “manage.py export_dataset --unregister” on this path.",
    CONVERSATION: "Nothing: it is erased with them, and so is what the current versions of training files hold of it.",
    TRAINING_FILE: "Its current version loses them by itself, an older one keeps them: delete it, with what was "
    "downloaded of it, and make it anew.",
    UNTOLD: "This failed, as the log says, so what it knows of is missing here. Ask whose app it is.",
}
_MAKE_ANEW: Final = "Make it anew without them."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a request would reach."""

    found: int | None  # examples in live database, sealed files and archive; None: not counted, see `why_not`
    why_not: str
    chunks: tuple[tuple[str, int], ...]  # by the index: how many of them are in each chunk
    waiting: int  # by the index: how many are in no chunk yet
    made_from_them: tuple[MadeFrom, ...]
    shipped_to: str  # the storage's alias; "" when nothing is shipped


def reach_of(selection: Selection, *, count: bool) -> Reach:
    """What erasing the examples would reach. With `count` every chunk is searched, else the index only."""
    found, why_not = _counted(selection.ids) if count else (None, "The archive is large, and was not searched.")
    chunks = _chunks_of(selection.ids)
    return Reach(
        found=found,
        why_not=why_not,
        chunks=tuple(sorted(chunks.items())),
        waiting=len(selection) - sum(chunks.values()),
        made_from_them=tuple(made_from(selection.ids)),
        shipped_to=archive_settings().ship_to,
    )


def _counted(ids: Sequence[str]) -> tuple[int | None, str]:
    try:
        return forget(by="", ids=ids, dry_run=True).found, ""
    except (ArchiveError, CaptureError) as error:
        return None, str(error)


def _chunks_of(ids: Sequence[str]) -> dict[str, int]:
    generations: dict[str, int] = {}
    for some in batches(ids):
        for generation in ExampleIndex.objects.filter(pk__in=some).values_list("generation", flat=True):
            generations[generation] = generations.get(generation, 0) + 1
    chunks: dict[str, int] = {}
    for some in batches(list(generations)):
        for row in ArchivedGeneration.objects.filter(pk__in=some):
            chunks[row.chunk_id] = chunks.get(row.chunk_id, 0) + generations[row.pk]
    return chunks


def by_hand(kind: str) -> str:
    """What a person has to do with something of this kind that holds forgotten examples."""
    return _BY_HAND.get(kind, _MAKE_ANEW)


def do_forget(run: ActionRun, progress: Progress) -> dict[str, Any]:
    """Erase what the run names, after what killed runs had left. No ids: only the latter."""
    report = forget(by=run.requested_by, ids=run.ids, progress=progress)
    return {"receipts": [_summary(receipt) for receipt in report.receipts]}


def _summary(receipt: Receipt) -> dict[str, Any]:
    return {
        "id": receipt.id,
        "kind": receipt.kind,
        "requested_by": receipt.requested_by,
        "examples": receipt.examples,
        "removed": receipt.removed,
        "chunks": receipt.chunks,
        "searched": receipt.searched,
        "shipped_to": receipt.shipped_to,
        "made_from_them": receipt.made_from_them,
    }


def pending_erasures() -> list[Erasure]:
    """Requests that a killed or failed run left, oldest first. The next one finishes them."""
    return list(Erasure.objects.filter(finished_at=None).order_by("requested_at"))


def receipt_path(erasure_id: str) -> Path:
    """The file of a finished request's receipt. Raises ActionError when there is none."""
    erasure = Erasure.objects.filter(pk=erasure_id).exclude(receipt="").first()
    path = Path(erasure.receipt) if erasure else None
    if path is None or path.parent != capture_settings().data_dir / RECEIPTS or not path.is_file():
        raise ActionError("There is no receipt of this name (any more): it is in `receipts/` of the data directory.")
    return path
