"""Pairs of examples that are forgotten leave every exported file.

Files and rows change together: see `publishing` for what a kill leaves. A pair that another example stands for as well
stays, for it is that one's too. The row of a forgotten example stays, with the hash of its redacted pair: by that one
knows which models learnt from it.

What was moved out of its folder cannot be erased: the rows of such an export stay as they are, and receipts name it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from capture_app.put_aside import Wanted
from continuous_training.exporting.layout import File
from continuous_training.exporting.locking import exports_locked
from continuous_training.exporting.master import Task
from continuous_training.exporting.owners import CONVERSATION, USER, possible_keys
from continuous_training.exporting.publishing import export_folders, finish_killed, publish_erasure, sweep_staging
from continuous_training.exporting.rewriting import stage_without
from continuous_training.models import ExportedExample, FinetuneExport
from training_archive.made_from import MadeFrom

PLACE: Final = "exported pairs"  # as a receipt calls it
EXPORT: Final = "fine-tune export"
GONE_EXPORT: Final = "fine-tune export (files of it are gone)"

_AT_ONCE: Final = 400  # values in one question; SQLite may be built to take 999 at most
_PATIENCE: Final = 600.0  # seconds for which an export at work is waited for


def erase_pairs(wanted: Wanted) -> int:
    """Erase the pairs of the examples that are meant from all exported files; how many.

    Also of examples that were pruned, by whose they were. Raises JobBusy when an export is at work for very long.
    """
    with exports_locked(wait_seconds=_PATIENCE):
        finish_killed()
        meant = {row.pk: row for row in _meant(wanted)}
        unwanted, reached = _unwanted(meant), _in_reach(meant.values())
        for folder in export_folders() if meant else ():
            sweep_staging(folder)
            stage_without(folder, unwanted, reached.get(folder, ()))
            publish_erasure(folder)
        _drop_left_out(wanted)
        return sum(map(len, reached.values()))


def made_from_exports(ids: Sequence[str]) -> Iterator[MadeFrom]:
    """The exports that hold pairs of the examples."""
    counts: Counter[str] = Counter()
    for some in _batches(ids):
        rows = ExportedExample.objects.filter(pk__in=some, left_out="").values_list("export_id", flat=True)
        counts.update(export_id for export_id in rows if export_id)
    for export in FinetuneExport.objects.filter(pk__in=counts):
        kind = EXPORT if _is_whole(export) else GONE_EXPORT
        yield MadeFrom(kind=kind, name=str(Path(export.folder) / export.pk), examples=counts[export.pk])


def _meant(wanted: Wanted) -> Iterator[ExportedExample]:
    """The rows of those that have a pair in some file."""
    exported = ExportedExample.objects.filter(left_out="")
    for some in _batches(wanted.ids):
        yield from exported.filter(pk__in=some)
    for some in _batches(key for user in wanted.users for key in possible_keys(USER, user)):
        yield from exported.filter(user_key__in=some)
    for some in _batches(key for each in wanted.conversations for key in possible_keys(CONVERSATION, each)):
        yield from exported.filter(conversation_key__in=some)


def _unwanted(meant: Mapping[str, ExportedExample]) -> dict[Task, set[str]]:
    """The hashes of pairs that no other example stands for, for each task and for all together."""
    unwanted: dict[Task, set[str]] = defaultdict(set)
    for row in meant.values():
        unwanted[row.task].add(row.pair_hash)
        unwanted[None].add(row.pair_hash)
    for some in _batches(unwanted[None] if meant else ()):
        others = ExportedExample.objects.filter(left_out="", pair_hash__in=some).values_list("pk", "pair_hash", "task")
        for key, pair_hash, task in others:
            if key not in meant:
                unwanted[None].discard(pair_hash)
                unwanted[task].discard(pair_hash)
    return {task: hashes for task, hashes in unwanted.items() if hashes}


def _in_reach(rows: Iterable[ExportedExample]) -> dict[Path, list[str]]:
    """The examples by the folder of their export, without those of which files were moved away."""
    by_export: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        by_export[row.export_id or ""].append(row.pk)
    reached: dict[Path, list[str]] = defaultdict(list)
    for export in FinetuneExport.objects.filter(pk__in=by_export):
        if _is_whole(export):
            reached[Path(export.folder)] += by_export[export.pk]
    return reached


def _drop_left_out(wanted: Wanted) -> None:
    for some in _batches(wanted.ids):
        ExportedExample.objects.filter(pk__in=some, pair_hash="").delete()


def _is_whole(export: FinetuneExport) -> bool:
    """Whether all its files are where they were put."""
    return all((Path(export.folder) / File.from_json(file).name).is_file() for file in export.files)


def _batches(values: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(values)
    while some := list(islice(remaining, _AT_ONCE)):
        yield some
