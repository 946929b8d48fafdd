"""An example with its JSON read, once for all who look into it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from capture_app.example import RESERVED_KEY
from capture_app.shown import parsed
from console.example_page.finding import Example


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What an example holds. What is no object counts as {}: chunks come from elsewhere, too."""

    columns: Example  # as they are stored, JSON as text
    own: Mapping[str, Any]  # the caller's keys of metadata
    gleaner: Mapping[str, Any]  # what was noted at capture; see docs/formats.md
    slot_specs: Any  # None when it is no JSON
    is_metadata_readable: bool

    @classmethod
    def of(cls, example: Example) -> Self:
        metadata = parsed(example["metadata"])
        known = metadata if isinstance(metadata, dict) else {}
        return cls(
            columns=example,
            own={key: value for key, value in known.items() if key != RESERVED_KEY},
            gleaner=mapping(known.get(RESERVED_KEY)),
            slot_specs=parsed(example["slot_specs"]),
            is_metadata_readable=isinstance(metadata, dict) or not example["metadata"],
        )

    def text(self, column: str) -> str:
        """A column of text; "" when it is NULL."""
        return self.columns[column] or ""


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, or {}."""
    return value if isinstance(value, Mapping) else {}
