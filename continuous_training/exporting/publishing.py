"""An export's files are put in place together with what the database knows of it, or not at all.

    1. A FinetuneExport says that something is written in this folder. All files go to its `.staging`, with a plan:
       which of them go where, and which old ones are removed. All is on the disk then.
    2. One transaction makes it `publishing`, and notes what became of each example. That decides.
    3. The files are renamed into place, manifests last; then old master files go, and `.staging`; the state is `done`.

Whoever comes next, another export or `forget`, finishes what a killed run left: it removes what was staged in 1, and
does what is left of the plan in 3. Each step may be repeated.

An erasure is decided before it comes here. It stages what is left of the files, and its plan alone says that they are
to be put in place, and that no row leads to the pairs any more.
"""

import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

import orjson
from django.db import transaction

from capture_app.files import fsync_directory, fsync_file
from continuous_training.exporting.layout import STAGING, File, make_private
from continuous_training.models import ExportedExample, FinetuneExport
from continuous_training.models.exports import FORGOTTEN

_PLAN: Final = "plan.json"
_IDS_AT_ONCE: Final = 900  # in one question; SQLite may be built to take 999 at most

logger = logging.getLogger("continuous_training")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done once the transaction is through; names are those in the exports folder."""

    export: str  # its id; "" for an erasure's
    files: Sequence[str]  # in the order in which they go from staging into place
    removed: Sequence[str]  # in place, and not any more
    changed: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)  # export -> its files from now on
    forgotten: Sequence[str] = ()  # ids of examples whose pairs are in no file any more


def write_plan(staging: Path, plan: Plan) -> None:
    """The last that is written before the transaction: whatever it names is on the disk then."""
    write_staged(staging, _PLAN, orjson.dumps(asdict(plan)))
    for folder in {staging, *((staging / name).parent for name in plan.files)}:
        fsync_directory(folder)


def to_json(facts: Mapping[str, Any]) -> bytes:
    return orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def write_staged(staging: Path, name: str, content: bytes) -> None:
    """A small file, for nobody else to read, on the disk when this returns."""
    path = staging / name
    make_private(path.parent)
    path.touch(mode=0o600)
    path.write_bytes(content)
    fsync_file(path)


def publish(export: FinetuneExport) -> None:
    """Put the export's files in place, or do what is left of that. Only while the exports' lock is held."""
    folder = Path(export.folder)
    plan = _read_plan(folder / STAGING)
    if plan is not None and plan.export == export.pk:
        _carry_out(folder, plan)
    elif not _are_there(folder, export):
        _take_back(export)
        return
    sweep_staging(folder)
    FinetuneExport.objects.filter(pk=export.pk).update(state=FinetuneExport.State.DONE)


def publish_erasure(folder: Path) -> None:
    """Put in place what an erasure has staged, if there is such a plan. Only while the exports' lock is held."""
    plan = _read_plan(folder / STAGING)
    if plan is None or plan.export:
        return
    with transaction.atomic():
        for export, files in plan.changed.items():
            FinetuneExport.objects.filter(pk=export).update(files=files)
        for start in range(0, len(plan.forgotten), _IDS_AT_ONCE):
            some = plan.forgotten[start : start + _IDS_AT_ONCE]
            ExportedExample.objects.filter(pk__in=some).update(
                left_out=FORGOTTEN, judged_at=None, user_key="", conversation_key=""
            )
    _carry_out(folder, plan)
    sweep_staging(folder)


def finish_killed() -> None:
    """Do what killed runs have left to be done. Only while the exports' lock is held."""
    for folder in export_folders():
        publish_erasure(folder)
    for export in FinetuneExport.objects.exclude(state=FinetuneExport.State.DONE):
        if not Path(export.folder).is_dir():
            logger.warning("The export %s waits to be finished, and %s is not there.", export.pk, export.folder)
        elif export.state == FinetuneExport.State.STAGING:
            discard(export)
        else:
            logger.info("The export %s was interrupted while files were put in place; it is finished now.", export.pk)
            publish(export)


def discard(export: FinetuneExport) -> None:
    """Remove what was staged for an export that is not decided, then the export."""
    sweep_staging(Path(export.folder))
    export.delete()


def export_folders() -> list[Path]:
    """The folders that exports were written to, those that are there."""
    names = FinetuneExport.objects.order_by().values_list("folder", flat=True).distinct()
    return [folder for folder in map(Path, sorted(names)) if folder.is_dir()]


def sweep_staging(folder: Path) -> None:
    """Remove what is staged in the folder. Nothing that an export still needs may be there."""
    if (folder / STAGING).exists():
        shutil.rmtree(folder / STAGING)
        fsync_directory(folder)


def _read_plan(staging: Path) -> Plan | None:
    try:
        return Plan(**orjson.loads((staging / _PLAN).read_bytes()))
    except (FileNotFoundError, orjson.JSONDecodeError, TypeError):
        return None


def _carry_out(folder: Path, plan: Plan) -> None:
    for name in plan.files:
        staged = folder / STAGING / name
        if staged.exists():
            make_private((folder / name).parent)
            staged.replace(folder / name)
    _fsync_folders(folder, plan.files)
    for name in plan.removed:
        (folder / name).unlink(missing_ok=True)
    _fsync_folders(folder, plan.removed)


def _fsync_folders(folder: Path, names: Iterable[str]) -> None:
    """Those that the names are in, and those that these are in, up to the exports folder."""
    parents = {folder / parent for name in names for parent in PurePosixPath(name).parents}
    for parent in parents:
        fsync_directory(parent)


def _are_there(folder: Path, export: FinetuneExport) -> bool:
    return all((folder / File.from_json(file).name).is_file() for file in export.files)


def _take_back(export: FinetuneExport) -> None:
    """What it was about to put in place is gone, so its examples were not exported."""
    logger.error(
        "What the export %s was about to put in place in %s is gone. No example is lost: those that it took are "
        "exported anew by the next run.",
        export.pk,
        export.folder,
    )
    export.delete()
