"""Stage 7 of an export: what is said of it. The manifest counts, the lineage names each example.

`lineage.parquet` has one row for each example that the filters let through: id, chunk (its name, `live` for what was in
the live database), split ("" when it was left out), reason (why; "" when it was not). `forget` reads it to know which
exports hold an example.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import orjson

from capture_app.duckdb_files import count_rows, quoted
from capture_app.example import SCHEMA_VERSION
from capture_app.files import fsync_file
from training_archive.chunks import sha256_of
from training_archive.exports.formats.base import Shard
from training_archive.exports.options import SPLITS, ExportOptions
from training_archive.exports.sources import Source, rows_taken
from training_archive.exports.workspace import ALIAS, Workspace
from training_archive.exports.writing import Written

MANIFEST: Final = "manifest.json"
LINEAGE: Final = "lineage.parquet"
KIND: Final = "gleaner-export"  # under "kind": by this, a folder is known to be an export
VERSION: Final = 1


def make_lineage(workspace: Workspace) -> None:
    """The table `lineage`: what became of each example. One that is in a pair that was written was not left out."""
    workspace.execute(
        f"CREATE TABLE {ALIAS}.lineage AS WITH outcomes AS ("
        f"SELECT unnest([i.row, i.rejected]) AS row, CASE WHEN r.n IS NULL THEN s.split ELSE '' END AS split, "
        f"coalesce(r.reason, '') AS reason FROM {ALIAS}.items AS i JOIN {ALIAS}.splits AS s USING (unit) "
        f"LEFT JOIN {ALIAS}.refused AS r USING (n) "
        f"UNION ALL SELECT row, '', reason FROM {ALIAS}.left_out), "
        "decided AS (SELECT row, max(split) AS split, min(reason) FILTER (WHERE split = '') AS reason FROM outcomes "
        "WHERE row IS NOT NULL GROUP BY row) "
        "SELECT k.id, sources.name AS chunk, d.split, CASE WHEN d.split = '' THEN d.reason ELSE '' END AS reason "
        f"FROM decided AS d JOIN {ALIAS}.keys AS k USING (row) JOIN {ALIAS}.sources ON sources.number = k.source"
    )


def left_out(workspace: Workspace) -> dict[str, int]:
    """Examples by the reason for which they were left out."""
    query = (
        f"SELECT reason, count(*) AS n FROM {ALIAS}.lineage WHERE split = '' GROUP BY reason ORDER BY n DESC, reason"
    )
    return dict(workspace.rows(query))


def tasks_by_split(workspace: Workspace) -> dict[str, dict[str, int]]:
    """Records that were written, by split and task."""
    counts: dict[str, dict[str, int]] = {}
    query = (
        f"SELECT split, task, count(*) AS written FROM {ALIAS}.items JOIN {ALIAS}.splits USING (unit) "
        f"WHERE n NOT IN (SELECT n FROM {ALIAS}.refused) GROUP BY split, task ORDER BY written DESC, task"
    )
    for split, task, rows in workspace.rows(query):
        counts.setdefault(split, {})[task] = rows
    return {split: counts[split] for split in SPLITS if split in counts}


def write_lineage(workspace: Workspace, path: Path, *, table: str = "lineage") -> None:
    workspace.execute(
        f"COPY (FROM {ALIAS}.{table} ORDER BY id) TO {quoted(str(path))} (FORMAT parquet, COMPRESSION zstd)"
    )
    fsync_file(path)


def manifest_of(
    workspace: Workspace,
    options: ExportOptions,
    sources: Sequence[Source],
    written: Written,
    folder: Path,
) -> dict[str, Any]:
    """All that the manifest says, but for the files that are written after it is made. Times are ISO 8601 in UTC."""
    taken = rows_taken(workspace)
    tasks = tasks_by_split(workspace)
    return {
        "kind": KIND,
        "version": VERSION,
        "format": options.format,
        "created_at": datetime.now(UTC).isoformat(),
        "example_schema_version": SCHEMA_VERSION,
        "duckdb_version": duckdb.__version__,
        "options": options.as_json(),
        "held_out": [{"name": path.name, "sha256": sha256_of(path)} for path in options.held_out],
        "examples": count_rows(workspace.connection, f"{ALIAS}.keys"),
        "rows": sum(sum(counts.values()) for counts in tasks.values()),
        "splits": {split: _split(tasks[split], written.shards.get(split, ()), folder) for split in tasks},
        "left_out": left_out(workspace),
        "changes": dict(written.changes),
        "sources": [_source(source, taken.get(source.number, 0)) for source in sources],
    }


def _split(tasks: Mapping[str, int], shards: Sequence[Shard], folder: Path) -> dict[str, Any]:
    return {
        "rows": sum(tasks.values()),
        "tasks": tasks,
        "shards": [
            {
                "name": shard.path.relative_to(folder).as_posix(),
                "rows": shard.rows,
                "bytes": shard.bytes,
                "sha256": shard.sha256,
            }
            for shard in shards
        ],
    }


def _source(source: Source, rows: int) -> dict[str, Any]:
    return {"name": source.name, "sha256": source.sha256, "generations": list(source.generations), "rows": rows}


def to_json(manifest: Mapping[str, Any]) -> bytes:
    return orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest of an export, None when the file is missing or something else."""
    try:
        manifest = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return manifest if isinstance(manifest, dict) and manifest.get("kind") == KIND else None
