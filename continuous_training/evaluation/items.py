"""What is asked in an evaluation: a gold set's items, wherever they come from."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from capture_app.example import storable
from capture_app.messages import Message, prompt_text
from continuous_training.models import EvaluationItem
from training_archive.exports.words import words

FILE: Final = "file"
HELD_OUT: Final = "held out"

# What shapes an answer besides the messages: keys of a captured call, and of a gold file's lines.
SETTINGS: Final = ("parameters", "tools", "response_format")


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldItem:
    """A question, and the answer that it should have."""

    messages: Sequence[Message]
    expected: str
    category: str = ""
    slot_specs: Mapping[str, Any] = field(default_factory=dict)  # see scorers.fields
    settings: Mapping[str, Any] = field(default_factory=dict)  # keys of SETTINGS
    example_id: str = ""  # of an item that is an example

    @property
    def prompt(self) -> str:
        """As the column prompt_text would have it."""
        return prompt_text(self.messages)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldSet:
    """All items of one evaluation."""

    kind: str  # FILE or HELD_OUT
    name: str  # the file's
    items: Sequence[GoldItem]
    left_out: Mapping[str, int] = field(default_factory=dict)  # by reason

    @property
    def has_specs(self) -> bool:
        return any(item.slot_specs for item in self.items)

    def sha256(self) -> str:
        """Of all items: the same set asks the same."""
        digest = hashlib.sha256()
        for item in self.items:
            said = (item.messages, item.expected, item.category, item.slot_specs, item.settings, item.example_id)
            digest.update(orjson.dumps(storable(said), option=orjson.OPT_SORT_KEYS))
        return digest.hexdigest()


def content_hash(prompt: str) -> str:
    """SHA-256 in hex of a prompt's words: case, spacing and punctuation do not count."""
    return hashlib.sha256(" ".join(words(prompt) or [prompt.strip()]).encode("utf-8", "surrogatepass")).hexdigest()


def is_text(messages: Iterable[Message]) -> bool:
    """Whether the messages hold nothing but text: of an image, its prompt says only that there is one."""
    contents = [content for message in messages if isinstance(content := message.get("content"), list)]
    parts = [part for content in contents for part in content]
    return all(isinstance(part, Mapping) and part.get("type") == "text" for part in parts)


def keepable(value: Any) -> Any:
    """The value as every database can keep it: in JSON, PostgreSQL takes no NUL."""
    return _without_nuls(storable(value))


def _without_nuls(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", " ")
    if isinstance(value, dict):
        return {_without_nuls(key): _without_nuls(each) for key, each in value.items()}
    return [_without_nuls(each) for each in value] if isinstance(value, list) else value


def columns_of(item: GoldItem) -> dict[str, Any]:
    """What HeldOutExample and EvaluationItem both have."""
    return {
        "messages": keepable(item.messages),
        "expected": keepable(item.expected),
        "category": keepable(item.category),
        "slot_specs": keepable(item.slot_specs),
        "settings": keepable(item.settings),
    }


def item_of(row: EvaluationItem) -> GoldItem:
    return GoldItem(
        messages=row.messages,
        expected=row.expected,
        category=row.category,
        slot_specs=row.slot_specs,
        settings=row.settings,
        example_id=row.example_id,
    )
