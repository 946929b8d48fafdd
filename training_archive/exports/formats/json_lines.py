"""Formats of one JSON object a line."""

import json
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import orjson

from capture_app.example import storable
from training_archive.exports.formats.base import Format, ShardLimits, ShardWriter
from training_archive.exports.formats.card import write_card
from training_archive.exports.formats.shards import LineShardWriter, ShardNames


def json_line(value: Any) -> bytes:
    """`value` as one line of JSON, non-ASCII kept. Never fails: what JSON cannot hold is replaced (see `storable`)."""
    try:
        return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return orjson.dumps(storable(value), option=orjson.OPT_APPEND_NEWLINE)


def json_text(value: Any) -> str:
    """As `json_line`, for a field that holds JSON as text."""
    return json_line(value)[:-1].decode()


def parse_json(text: str) -> Any:
    """The value of the text, integers of any size whole. Raises ValueError, also for NaN and what nests too deep."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("The JSON nests too deep.") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON.")


class JsonLinesFormat(Format):
    """The records of `convert` are lines, so that a value which JSON cannot hold is met there and not while writing."""

    features: ClassVar[str]  # YAML: the columns, as Hugging Face's `datasets` declares them in a card

    def convert(self, item: Any) -> bytes:
        return json_line(self.fields(item))

    @abstractmethod
    def fields(self, item: Any) -> dict[str, Any]:
        """The fields of the line, of an example or a `Pair`. Raises Refused."""

    def open(self, folder: Path, split: str, limits: ShardLimits, scratch: Path) -> ShardWriter:
        return LineShardWriter(ShardNames(folder, split, "jsonl"), limits)

    def finish(self, folder: Path, summary: Mapping[str, Any]) -> list[Path]:
        return write_card(folder, summary, about=self.about, features=self.features)
