"""Examples to export, and what an export wrote of them."""

from pathlib import Path
from typing import Any

import duckdb
import orjson

from capture_app.example import RESERVED_KEY, prompt_hash
from tests.unit.training_archive.material import row

SYSTEM = "You read shop pages."


def example(example_id: str, prompt: str = "", *, conversation: str = "", **values: Any) -> dict[str, Any]:
    """A whole example whose prompt is its own; what is no column goes into its metadata."""
    prompt = prompt or f"What does {example_id} cost?"
    plain = row(example_id)
    columns = {name: value for name, value in values.items() if name in plain}
    metadata = {name: value for name, value in values.items() if name not in plain}
    if conversation:
        metadata[RESERVED_KEY] = {**metadata.get(RESERVED_KEY, {}), "conversation_id": conversation}
    return {
        **plain,
        "prompt_text": prompt,
        "prompt_hash": prompt_hash(SYSTEM, prompt),
        "metadata": metadata,
        **columns,
    }


def records(out: Path, split: str = "train") -> list[dict[str, Any]]:
    """What the export of the format `extraction`, or of another one of JSON lines, wrote."""
    paths = sorted(path for path in out.glob("*.jsonl") if path.name.split(".")[0].split("-")[0] == split)
    return [orjson.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def written_ids(out: Path, split: str = "train") -> list[str]:
    return [record["id"] for record in records(out, split)]


def lineage(out: Path) -> dict[str, tuple[str, str, str]]:
    """Chunk, split and reason by id."""
    with duckdb.connect(":memory:") as connection:
        found = connection.execute(
            "SELECT id, chunk, split, reason FROM read_parquet(?)", [str(out / "lineage.parquet")]
        ).fetchall()
    return {example_id: (chunk, split, reason) for example_id, chunk, split, reason in found}


def manifest(out: Path, name: str = "manifest.json") -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((out / name).read_bytes())
    return found
