"""What people said of an example: its tags, its rating, a corrected answer. The one place that knows where that stands.

All three are keys of `metadata`, given with the call or put there by an import: `tags` is a list of strings, `rating` a
number, `correction` the text that the answer should have been. What has another shape counts as not given.
"""

from collections.abc import Mapping
from typing import Any, Final

RATING: Final = "rating"
TAGS: Final = "tags"
CORRECTION: Final = "correction"

# SQL that is true of `metadata` when all tags, a bound list of text, are among the example's.
HAS_TAGS: Final = f"list_has_all(coalesce(try_cast(metadata->'$.{TAGS}' AS VARCHAR[]), []), ?)"


def rating(value: str) -> str:
    """SQL for the rating in `value`, SQL for JSON: a DOUBLE, or NULL when that is no finite number."""
    number = f"try_cast(({value})::VARCHAR AS DOUBLE)"  # the text of a JSON string has quotes, and is no number
    return f"CASE WHEN isfinite({number}) THEN {number} END"


def correction(value: str) -> str:
    """SQL for the corrected answer in `value`, SQL for JSON; NULL when that is no text."""
    return f"CASE WHEN json_type({value}) = 'VARCHAR' THEN ({value})->>'$' END"


def without_correction(example: Mapping[str, Any]) -> dict[str, Any]:
    """The example with the answer that the model gave."""
    metadata = {key: value for key, value in example["metadata"].items() if key != CORRECTION}
    return {**example, "metadata": metadata}
