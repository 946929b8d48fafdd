"""Examples as `Format.convert` takes them, and what is in the files that a format writes."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from capture_app.blobs import Blob, blob_path, store_blobs
from training_archive.exports.formats import get_format
from training_archive.exports.formats.base import Shard, ShardLimits

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def example(**values: Any) -> dict[str, Any]:
    """A plain example; `values` replace columns, and `gleaner` is what stands under the reserved key."""
    gleaner = values.pop("gleaner", None)
    metadata = values.pop("metadata", {})
    return {
        "id": "01906b6e-8f5c-7000-8000-000000000000",
        "task": "shop",
        "prompt_text": "What does it cost?",
        "system_prompt": "You read shop pages.",
        "response_strong": '{"price": 5}',
        "metadata": metadata if gleaner is None else {**metadata, "gleaner": gleaner},
        "slot_specs": {"price": "exact"},
        "llm_signature": "0123456789abcdef",
        "provider": "offline",
        "model_name": "offline-extract",
        "input_tokens": 8,
        "output_tokens": 3,
        "latency_ms": 40,
        "created_at": datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
        "prompt_hash": "f" * 64,
        **values,
    }


def call(call_id: str, name: str = "weather", **arguments: Any) -> dict[str, Any]:
    text = orjson.dumps(arguments).decode()
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}


def answer_of_calls(*calls: dict[str, Any], **values: Any) -> dict[str, Any]:
    """An example whose answer is tool calls and no text, as the recorder keeps it."""
    gleaner = {"tools": [WEATHER], "tool_calls": list(calls), **values.pop("gleaner", {})}
    return example(response_strong=orjson.dumps(calls).decode(), gleaner=gleaner, **values)


def conversation(*messages: dict[str, Any], **values: Any) -> dict[str, Any]:
    """An example of several messages."""
    return example(gleaner={"messages": list(messages), **values.pop("gleaner", {})}, **values)


def said(role: Any, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def parallel_calls() -> dict[str, Any]:
    """A conversation in which two tools are called at once, answered, and then spoken of."""
    return conversation(
        said("system", "Be brief."),
        said("user", "Weather in Köln and 東京?"),
        said("assistant", None, tool_calls=[call("a", city="Köln"), call("b", city="東京")]),
        said("tool", "rain", tool_call_id="a"),
        said("tool", "sun", tool_call_id="b"),
        response_strong="Rain in Köln, sun in 東京.",
        gleaner={"tools": [WEATHER]},
    )


def with_image(data_dir: Path, **values: Any) -> dict[str, Any]:
    """A question about an image that is kept in `data_dir`."""
    blob = Blob(hashlib.sha256(PNG).hexdigest(), "image/png", PNG)
    store_blobs(data_dir, [blob])
    assert blob_path(data_dir, blob.sha256).exists()
    return asking_about(blob.reference, {blob.sha256: {"media_type": "image/png", "bytes": len(PNG)}}, **values)


def asking_about(url: str, facts: dict[str, Any], **values: Any) -> dict[str, Any]:
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    return conversation(said("user", parts), gleaner={"blobs": facts}, **values)


def write_export(
    name: str, folder: Path, items: Iterable[Any], *, data_dir: Path | None = None, limits: ShardLimits | None = None
) -> list[Shard]:
    """The items as the split `train` of an export, with its card."""
    kind = get_format(name, data_dir=data_dir or folder)
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder.with_name(f"{folder.name} scratch")
    scratch.mkdir(exist_ok=True)
    with kind.open(folder, "train", limits or ShardLimits(), scratch) as writer:
        for item in items:
            writer.write(kind.convert(item))
        shards = writer.close()
    kind.finish(folder, {"splits": {"train": summary_of(folder, shards)}})
    return shards


def summary_of(folder: Path, shards: list[Shard]) -> dict[str, Any]:
    names = [
        {"name": str(shard.path.relative_to(folder)), "rows": shard.rows, "bytes": shard.bytes} for shard in shards
    ]
    rows = sum(shard.rows for shard in shards)
    return {"rows": rows, "tasks": {"shop": rows}, "shards": names}


def converted(name: str, item: Any, *, data_dir: Path = Path("/nowhere")) -> Any:
    """The record of one item, decoded."""
    return orjson.loads(get_format(name, data_dir=data_dir).convert(item))
