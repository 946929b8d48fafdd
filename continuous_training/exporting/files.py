"""All files of one export, staged: the day's, the master's, for all tasks together and for each task, and manifests."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from capture_app.progress import Progress
from continuous_training.exceptions import ExportRefused
from continuous_training.exporting import master as masters
from continuous_training.exporting.candidates import Narrowed
from continuous_training.exporting.counting import Counts
from continuous_training.exporting.layout import MANIFEST_SUFFIX, MASTER, MASTER_MANIFEST, SUFFIX, File, lane_of
from continuous_training.exporting.master import Master, Task, add_to_master, read_master, write_lines
from continuous_training.exporting.publishing import Plan, to_json, write_plan, write_staged
from continuous_training.exporting.rebuilding import exported_tasks, lines_exported
from continuous_training.models import FinetuneExport
from training_archive.exports.workspace import ALIAS, Workspace

KIND: Final = "gleaner-fine-tune-export"
VERSION: Final = 1

_LINES_AT_ONCE: Final = 1000  # lines that are put in order at once

# Chunks, and "live", with the examples that were looked at in each.
_SOURCES: Final = (
    f"SELECT name, count(*) FROM {ALIAS}.keys JOIN {ALIAS}.sources ON number = source GROUP BY name ORDER BY name"
)


@dataclass(frozen=True, slots=True)
class _Stage:
    """What the steps share."""

    workspace: Workspace
    folder: Path
    staging: Path
    export: FinetuneExport
    limit: int  # bytes of a file
    progress: Progress


def stage_export(
    workspace: Workspace,
    export: FinetuneExport,
    staging: Path,
    *,
    counts: Counts,
    narrowed: Narrowed,
    limit: int,
    progress: Progress,
) -> None:
    """Write everything to `staging`, and the plan of it; the export's files are noted in `export`, and not saved.

    Raises ExportRefused when the folder holds files that were not written here, or lacks some that were.
    """
    stage = _Stage(workspace, Path(export.folder), staging, export, limit, progress)
    old = _old_master(stage)
    days, new = _write_all(stage, old)
    names = new.names()
    _refuse_strangers(stage.folder, names - old.names())
    export.files = [file.as_json() for file in days]
    manifest = export.pk + MANIFEST_SUFFIX
    sources = dict(workspace.rows(_SOURCES))
    write_staged(staging, manifest, to_json({**_manifest(export, days, counts, narrowed), "sources": sources}))
    write_staged(staging, MASTER_MANIFEST, masters.manifest_of(new, updated_at=export.created_at))
    staged = [name for name in sorted(names) if (staging / name).exists()]
    files = [*(file.name for file in days), *staged, manifest, MASTER_MANIFEST]
    write_plan(staging, Plan(export.pk, files, sorted(old.names() - names)))


def _old_master(stage: _Stage) -> Master:
    """What is there. A master whose manifest was moved away is made anew from what the exports wrote."""
    found = read_master(stage.folder)
    if found is not None:
        return found
    _refuse_strangers(stage.folder, {f"{MASTER}{SUFFIX}"})
    return Master({})


def _refuse_strangers(folder: Path, names: set[str]) -> None:
    for name in sorted(names):
        if (folder / name).exists():
            raise ExportRefused(
                f"{folder / name} is there already, and no export wrote it. Nothing was changed, and no example is "
                "lost. Move it away, or choose another folder."
            )


def _write_all(stage: _Stage, old: Master) -> tuple[list[File], Master]:
    days: list[File] = []
    new, begins = old, not old.files
    for task in _tasks(stage, begins=begins):
        stage.progress("writing files", 0, 0)
        days += write_lines(stage.staging, lane_of(task), stage.export.pk, _lines(stage, task), stage.limit)
        without = _withdrawn(stage, task)
        before = lines_exported(stage.folder, task, without) if begins else iter(())
        files = add_to_master(
            stage.folder,
            stage.staging,
            task,
            old.files.get(task, ()),
            (line for lines in (before, _lines(stage, task)) for line in lines),
            without=without,
            limit=stage.limit,
        )
        new = new.with_files(task, files)
    return days, new


def _tasks(stage: _Stage, *, begins: bool) -> list[Task]:
    """Whose files change; None is for those of all tasks together."""
    changed = f"SELECT task FROM {ALIAS}.new UNION SELECT task FROM {ALIAS}.withdrawn WHERE task IS NOT NULL"
    tasks = {task for (task,) in stage.workspace.rows(changed)}
    if begins:
        tasks |= exported_tasks(stage.folder)
    return [None, *sorted(tasks)]


def _withdrawn(stage: _Stage, task: Task) -> set[str]:
    query = f"SELECT hash FROM {ALIAS}.withdrawn WHERE task IS NOT DISTINCT FROM ?"
    return {pair_hash for (pair_hash,) in stage.workspace.rows(query, [task])}


def _lines(stage: _Stage, task: Task) -> Iterator[bytes]:
    """The new lines, in order, some at a time: sorting all at once takes memory for all."""
    condition, values = ("is_first", []) if task is None else ("task = ?", [task])
    borders = stage.workspace.rows(
        f"SELECT min(n), max(n) FROM (SELECT n, (row_number() OVER (ORDER BY n) - 1) // {_LINES_AT_ONCE} AS part "
        f"FROM {ALIAS}.new WHERE {condition}) GROUP BY part ORDER BY part",
        values,
    )
    query = (
        f"SELECT line FROM {ALIAS}.lines WHERE n BETWEEN ? AND ? AND n IN "
        f"(SELECT n FROM {ALIAS}.new WHERE n BETWEEN ? AND ? AND {condition}) ORDER BY n"
    )
    for first, last in borders:
        yield from (line for (line,) in stage.workspace.rows(query, [first, last, first, last, *values]))


def _manifest(export: FinetuneExport, files: Sequence[File], counts: Counts, narrowed: Narrowed) -> dict[str, Any]:
    return {
        "kind": KIND,
        "version": VERSION,
        "export": export.pk,
        "created_at": export.created_at.isoformat(),
        "asked": {
            "since": narrowed.since.isoformat() if narrowed.since else None,
            "tasks": list(narrowed.tasks),
            "reconsider": narrowed.reconsider,
        },
        **asdict(counts),
        "folders": {task: lane_of(task) for task in counts.tasks},
        "files": [file.as_json() for file in files],
    }
