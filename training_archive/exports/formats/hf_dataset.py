"""A data set as the Hugging Face Hub shows it: a card, and Parquet files that load_dataset finds by their names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from capture_app.example import RESERVED_KEY
from training_archive.exports.formats.base import Example, Format, ShardLimits, ShardWriter
from training_archive.exports.formats.card import write_card
from training_archive.exports.formats.columns import checked_columns
from training_archive.exports.formats.conversation import conversation_of
from training_archive.exports.formats.json_lines import json_line, json_text
from training_archive.exports.formats.parquet import parquet_writer
from training_archive.exports.formats.shards import ShardNames
from training_archive.exports.formats.text_messages import text_messages

FOLDER: Final = "data"

_CALL: Final = 'STRUCT(id VARCHAR, type VARCHAR, "function" STRUCT(name VARCHAR, arguments VARCHAR))'
_MESSAGE: Final = f"STRUCT(role VARCHAR, content VARCHAR, name VARCHAR, tool_call_id VARCHAR, tool_calls {_CALL}[])"
_KEPT: Final = {
    "provider": "VARCHAR",
    "model_name": "VARCHAR",
    "created_at": "TIMESTAMP",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "prompt_hash": "VARCHAR",
}
COLUMNS: Final = {
    "id": "VARCHAR",
    "task": "VARCHAR",
    "messages": f"{_MESSAGE}[]",  # the answer is the last; arguments are JSON text
    "tools": "VARCHAR",  # JSON text
    **_KEPT,
    "slot_specs": "VARCHAR",  # JSON text
    "metadata": "VARCHAR",  # JSON text, without what the other columns hold
}
_HELD_ELSEWHERE: Final = ("messages", "tools", "tool_calls")


class HFDataset(Format):
    """README.md and data/train-00000-of-00001.parquet, with the columns of COLUMNS."""

    name = "hf-dataset"
    about = (
        "`messages` is the conversation in OpenAI's chat form, the answer to learn being its last message; `tools`, "
        "`slot_specs`, `metadata` and the `arguments` of tool calls are JSON text. `created_at` is in UTC."
    )

    def convert(self, item: Example) -> bytes:
        conversation = conversation_of(item)
        columns = checked_columns(item)
        return json_line(
            {
                "id": columns["id"],
                "task": columns["task"],
                "messages": text_messages([*conversation.messages, conversation.answer], item),
                "tools": json_text(conversation.tools) if conversation.tools else None,
                **{name: columns[name] for name in _KEPT},
                "slot_specs": json_text(columns["slot_specs"]),
                "metadata": json_text(_without_conversation(columns["metadata"])),
            }
        )

    def open(self, folder: Path, split: str, limits: ShardLimits, scratch: Path) -> ShardWriter:
        data = folder / FOLDER
        data.mkdir(mode=0o700, exist_ok=True)
        return parquet_writer(ShardNames(data, split, "parquet", always_numbered=True), limits, scratch, COLUMNS)

    def finish(self, folder: Path, summary: Mapping[str, Any]) -> list[Path]:
        return write_card(folder, summary, about=self.about)


def _without_conversation(metadata: Mapping[str, Any]) -> dict[str, Any]:
    reserved = metadata.get(RESERVED_KEY)
    if not isinstance(reserved, dict):
        return dict(metadata)
    return {**metadata, RESERVED_KEY: {key: item for key, item in reserved.items() if key not in _HELD_ELSEWHERE}}
