"""What was made from examples: asked by whoever erases them, answered by every app that makes something.

An app registers its answer in its module `lineage`, see app_lineage.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from capture_app.conf import capture_settings
from capture_app.duckdb_files import scalar
from training_archive.app_lineage import load_lineage
from training_archive.models import DatasetExport
from training_archive.reader import reading_session

EXPORT: Final = "export"
GONE_EXPORT: Final = "export (its folder is gone)"
CONVERSATION: Final = "conversation"
TRAINING_FILE: Final = "training file"
UNTOLD: Final = "could not be told"

logger = logging.getLogger("training_archive")


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeFrom:
    """Something that holds, or was trained on, some of the examples."""

    kind: str  # EXPORT, GONE_EXPORT, CONVERSATION, TRAINING_FILE, UNTOLD, "model", ...
    name: str  # how its owner finds it; of UNTOLD, the function that failed
    examples: int | None  # how many of them; None: it cannot be told any more


Answer = Callable[[Sequence[str]], Iterable[MadeFrom]]

_answers: list[Answer] = []


def register_made_from(answer: Answer) -> Answer:
    """Register a function that is given ids of examples and says what was made from them. Usable as a decorator."""
    _answers.append(answer)
    return answer


def made_from(ids: Sequence[str]) -> list[MadeFrom]:
    """Everything that any installed app has made from some of the examples; UNTOLD stands for one that fails to say."""
    if not ids:
        return []
    load_lineage()
    return [found for answer in _answers for found in _answered(answer, ids)]


def _answered(answer: Answer, ids: Sequence[str]) -> list[MadeFrom]:
    try:
        return list(answer(ids))
    except Exception:  # any app may answer, and fail in its own way: that hides no other's answer, and stops no erasure
        name = f"{answer.__module__}.{answer.__qualname__}"
        logger.warning("%s failed to say what was made from some examples.", name, exc_info=True)
        return [MadeFrom(kind=UNTOLD, name=name, examples=None)]


@register_made_from
def exports(ids: Sequence[str]) -> Iterator[MadeFrom]:
    """The data sets that `export_dataset` wrote, by the lineage file in each one's folder.

    One whose folder is gone may have been moved, and is named until `export_dataset --unregister` says it was deleted.
    """
    for export in DatasetExport.objects.all():
        folder = Path(export.path)
        count = _count(folder / export.lineage, ids)
        if count != 0:
            kind = EXPORT if folder.is_dir() else GONE_EXPORT
            yield MadeFrom(kind=kind, name=export.path, examples=count)


def _count(lineage: Path, ids: Sequence[str]) -> int | None:
    """How many of the ids are in the export; None when its lineage cannot be read, or is gone with the folder."""
    if not lineage.is_file():
        return None
    query = "SELECT count(DISTINCT id) FROM read_parquet(?) WHERE split <> '' AND id IN (SELECT unnest(?))"
    try:
        with reading_session(capture_settings().data_dir) as (connection, _):
            return int(scalar(connection, query, [str(lineage), list(ids)]))
    except duckdb.Error:
        return None
