"""What a rule finds in a text, and what redaction gives back."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

PLACEHOLDER: Final = re.compile(r"\[([A-Z][A-Z_]{1,30})_([0-9]{1,6})\]")


class Found(NamedTuple):
    """A stretch of text that a rule takes for private."""

    start: int
    end: int  # exclusive
    kind: str  # EMAIL, PHONE, ...: what the placeholder is named after
    value: str  # normalised: the same value in two spellings is one


class Span(NamedTuple):
    """A stretch of the original text that was replaced."""

    start: int
    end: int  # exclusive
    kind: str
    placeholder: str  # "[EMAIL_1]"


@dataclass(frozen=True)
class Redacted:
    """A text without what the rules found, and where in the original that was."""

    text: str
    spans: tuple[Span, ...]  # in the order of the original; they never overlap

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """How many stretches of each kind were replaced."""
        return Counter(span.kind for span in self.spans)
