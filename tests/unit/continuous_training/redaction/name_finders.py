"""Functions for CONTINUOUS_TRAINING["REDACTION"]["NER"], as a library for named entities would stand behind them."""

import re
from collections.abc import Iterator

NOT_A_FUNCTION = 7


def known_people(text: str) -> Iterator[tuple[int, int, str]]:
    for found in re.finditer("ann lee|bob", text, re.IGNORECASE):
        yield found.start(), found.end(), "name"


def out_of_bounds(text: str) -> list[tuple[int, int, str]]:
    return [(-1, 3, "NAME"), (2, 2, "NAME"), (0, len(text) + 1, "NAME")]
