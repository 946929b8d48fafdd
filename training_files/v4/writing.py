"""The bytes of a training file. What one conversation adds never depends on the others, so files are joined of parts.

Full JSON: `json_head`, the conversations' `json_item`s joined by JSON_BETWEEN, `json_tail`. JSON Lines: `jsonl_head`,
then the conversations' `jsonl_lines`; joined by JSONL_BETWEEN, those that are empty left out; no newline at the end.
The rules reproduce the files of seed 004's own system byte for byte.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from training_files.v4.conversation import EnrichedConversation
from training_files.v4.figures import Figures

VERSION: Final = "4.0.0"  # of the format
FORMAT: Final = "brightrun-lora-v4"
JSON_BETWEEN: Final = b",\n"
JSONL_BETWEEN: Final = b"\n"

_FIELDS: Final = (  # of a line after its ids, in the seed's order
    *("turn_number", "conversation_metadata", "system_prompt", "conversation_history", "current_user_input"),
    *("emotional_context", "target_response", "training_metadata"),
)
_ID_CHARACTERS: Final = 8  # of the conversation's id, in a line's
_INDENT: Final = b"    "  # of a conversation in the list


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What a training file is called and when it was made."""

    file_name: str
    created_at: datetime  # aware
    updated_at: datetime
    vertical: str
    profile: Mapping[str, Any]


def json_item(conversation: EnrichedConversation) -> bytes:
    item = {"conversation_metadata": conversation.metadata, "training_pairs": conversation.pairs}
    return _INDENT + _pretty(item).replace(b"\n", b"\n" + _INDENT)  # no text holds a raw newline in JSON


def jsonl_lines(conversation: EnrichedConversation) -> bytes:
    """A line for each pair that has an answer."""
    return JSONL_BETWEEN.join(
        _line(conversation.id, pair) for pair in conversation.pairs if pair.get("target_response") is not None
    )


def _line(conversation_id: str, pair: Mapping[str, Any]) -> bytes:
    ids = {"id": f"{pair['id']}_{conversation_id[:_ID_CHARACTERS]}", "conversation_id": conversation_id}
    return orjson.dumps({**ids, **{name: pair[name] for name in _FIELDS if name in pair}})


def json_head(heading: Heading, figures: Figures) -> bytes:
    head = _pretty({"training_file_metadata": file_metadata(heading, figures), "consultant_profile": heading.profile})
    opening = b',\n  "conversations": ['
    return head.removesuffix(b"\n}") + opening + (b"\n" if figures.conversations else b"")


def json_tail(figures: Figures) -> bytes:
    return b"\n  ]\n}" if figures.conversations else b"]\n}"


def jsonl_head(heading: Heading, figures: Figures) -> bytes:
    meta = {"file_name": heading.file_name, "total_pairs": figures.pairs, "version": VERSION}
    return orjson.dumps({"_meta": meta})


def file_metadata(heading: Heading, figures: Figures) -> dict[str, Any]:
    """`training_file_metadata` of the full file."""
    return {
        "file_name": heading.file_name,
        "version": VERSION,
        "created_date": _iso(heading.created_at),
        "last_updated": _iso(heading.updated_at),
        "format_spec": FORMAT,
        "vertical": heading.vertical,
        "total_conversations": figures.conversations,
        "total_training_pairs": figures.pairs,
        "quality_summary": quality_summary(figures),
        "scaffolding_distribution": {
            "personas": _most_first(figures.personas),
            "emotional_arcs": _most_first(figures.arcs),
            "training_topics": _most_first(figures.topics),
        },
    }


def quality_summary(figures: Figures) -> dict[str, float]:
    """0 for what is not known, as the format has it."""
    share = 100 * figures.reviewed / figures.pairs if figures.pairs else 0
    return {
        "avg_quality_score": _number(figures.score_mean),
        "min_quality_score": _number(figures.score_min),
        "max_quality_score": _number(figures.score_max),
        "human_reviewed_count": figures.reviewed,
        "human_reviewed_percentage": _number(share),
    }


def _most_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _number(value: float | None) -> float:
    """With two digits, and without those where there is nothing behind the point, as JavaScript writes it."""
    rounded = round(value or 0, 2)
    return int(rounded) if rounded == int(rounded) else rounded


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _pretty(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2)
