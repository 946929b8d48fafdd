"""Who asked to be forgotten is in no data set, even when the erasure runs at the same time as the export."""

from capture_app.duckdb_files import scalar
from training_archive.exports.exceptions import ExportError
from training_archive.exports.registry import forgotten_ids
from training_archive.exports.workspace import ALIAS, Workspace


def leave_out_forgotten(workspace: Workspace) -> None:
    """Take what was erased out of `keys`: it counts nowhere, and no file names it."""
    workspace.execute(f"CREATE TABLE {ALIAS}.forgotten (id VARCHAR)")
    _read(workspace)
    workspace.execute(f"DELETE FROM {ALIAS}.keys WHERE id IN (SELECT id FROM {ALIAS}.forgotten)")


def check_none_was_forgotten(workspace: Workspace) -> None:
    """Raise ExportError when an example of the finished export has been erased since it was read."""
    _read(workspace)
    found = scalar(
        workspace.connection,
        f"SELECT count(*) FROM {ALIAS}.lineage WHERE id IN (SELECT id FROM {ALIAS}.forgotten)",
    )
    if found:
        raise ExportError(
            "Examples were erased on request while they were exported. Nothing was written; run the export again."
        )


def _read(workspace: Workspace) -> None:
    workspace.insert("forgotten", ("VARCHAR",), ((example_id,) for example_id in forgotten_ids()))
