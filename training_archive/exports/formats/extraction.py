"""What a fine-tuner of data extraction reads: an example a line, its answer decoded, and how to score each field.

`slot_specs` says that: exact, substring, numeric_tol, set_match, date_norm, llm_similarity.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from capture_app.example import DEFAULT_TASK
from training_archive.exports.formats.base import Example, Refused
from training_archive.exports.formats.columns import checked_columns
from training_archive.exports.formats.conversation import answer_text
from training_archive.exports.formats.json_lines import JsonLinesFormat, parse_json


class Extraction(JsonLinesFormat):
    """The fifteen columns; `response_strong` is JSON where it parses, and `task` is never empty."""

    name = "extraction"
    about = "The fifteen columns, the answer decoded."
    features = ""

    def fields(self, item: Example) -> dict[str, Any]:
        columns = checked_columns(item)
        if not (columns["prompt_text"] or "").strip():
            raise Refused("the prompt is empty")
        answer = answer_text(item)
        if not answer.strip():
            raise Refused("the answer is empty")
        return {**columns, "task": _task(item), "response_strong": _decoded(answer)}

    def finish(self, folder: Path, summary: Mapping[str, Any]) -> list[Path]:
        return []  # its consumer knows these files by their names, and keeps the folder


def _task(example: Example) -> str:
    """The task as this consumer has always found it: older files have it in one of these places."""
    metadata = example["metadata"] if isinstance(example.get("metadata"), Mapping) else {}
    places = (example.get("task"), metadata.get("task"), example.get("page_type"), metadata.get("page_type"))
    return next((place for place in places if isinstance(place, str) and place), DEFAULT_TASK)


def _decoded(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        return text
