"""Master files made anew from what single exports wrote, where somebody has moved them away."""

from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from continuous_training.exporting.layout import File, hash_of, lane_of
from continuous_training.exporting.master import Task, lines_of
from continuous_training.models import ExportedExample, FinetuneExport

_LINES_AT_ONCE: Final = 900  # whose hashes are in one question; SQLite may be built to take 999 at most


def exported_tasks(folder: Path) -> set[str]:
    """The tasks of which exports in this folder have written something."""
    rows = ExportedExample.objects.filter(export__folder=str(folder), left_out="")
    return set(rows.values_list("task", flat=True).distinct())


def lines_exported(folder: Path, task: Task, without: Collection[str] = ()) -> Iterator[bytes]:
    """Every line once that exports wrote, and that an example still stands for, in their order."""
    for export in FinetuneExport.objects.filter(folder=str(folder)).order_by("created_at"):
        for name in _names(export, task):
            if (folder / name).is_file():
                yield from _alive(lines_of(folder / name, without), task)


def _names(export: FinetuneExport, task: Task) -> list[str]:
    names = [File.from_json(file).name for file in export.files]
    return [name for name in names if str(Path(name).parent) == (lane_of(task) or ".")]


def _alive(lines: Iterator[bytes], task: Task) -> Iterator[bytes]:
    while some := list(islice(lines, _LINES_AT_ONCE)):
        rows = ExportedExample.objects.filter(left_out="", pair_hash__in=[hash_of(line) for line in some])
        if task is not None:
            rows = rows.filter(task=task)
        alive = set(rows.values_list("pair_hash", flat=True))
        yield from (line for line in some if hash_of(line) in alive)
