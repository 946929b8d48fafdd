"""What the index database knows of exports and of who was forgotten; and hosts that have no such database.

A training host fetches the archive and may have no database at all. It can export the archive: whoever was forgotten is
gone from that. What it cannot do is to tell a later `forget`, which runs elsewhere, that this data set exists.
"""

import logging
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from capture_app.models import ForgottenExample
from training_archive.exports.exceptions import ExportError
from training_archive.exports.manifest import LINEAGE
from training_archive.exports.tables import has_table
from training_archive.models import DatasetExport

logger = logging.getLogger("training_archive")


def has_registry() -> bool:
    """Whether there is a database with our tables, or some of them. One that cannot be reached raises DatabaseError."""
    return any(has_table(model) for model in (DatasetExport, ForgottenExample))


def forgotten_ids() -> Iterator[str]:
    """The ids of all examples that were erased on request."""
    if has_registry():
        yield from ForgottenExample.objects.values_list("id", flat=True).iterator()


def register(out: Path, manifest_name: str, manifest: dict[str, Any]) -> None:
    """Remember that the folder holds an export, so that `forget` can name it."""
    DatasetExport.objects.update_or_create(
        path=str(out),
        defaults={
            "format": manifest["format"],
            "manifest": manifest_name,
            "lineage": LINEAGE,
            "rows": manifest["rows"],
            "created_at": datetime.fromisoformat(manifest["created_at"]),
        },
    )


def unregister_export(folder: Path) -> str:
    """Remember the export no more, for its folder was deleted; the path by which it was known.

    Raises ExportError when no export is known by it, or when it is still there.
    """
    path = folder.resolve()
    export = DatasetExport.objects.filter(path=str(path)).first() if has_registry() else None
    if export is None:
        raise ExportError(f"No export is registered at {path}. Nothing was changed; name its folder as it was written.")
    if any((path / name).exists() for name in (export.manifest, export.lineage)):
        raise ExportError(
            f"{path} still holds the export. Nothing was changed; delete the folder, and all copies of it, first."
        )
    export.delete()
    logger.info("The export at %s is registered no more.", path)
    return str(path)
