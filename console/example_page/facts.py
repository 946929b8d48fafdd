"""What is known of a call beside what was said."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from capture_app.models import ExampleIndex
from capture_app.shown import Budget, Text, short
from console.example_page.contents import Contents

# Keys under the reserved one that have a place of their own on the page.
_ELSEWHERE: Final = frozenset(("messages", "tool_calls", "blobs"))
_FOLDED: Final = {"parameters": "Parameters", "tools": "Tools that it could call", "response_format": "Response format"}
_NAMED: Final = {
    "requested_model": "Model asked for",
    "response_id": "Response id",
    "request_id": "Request id",
    "retries": "Retries",
    "cached_input_tokens": "Cached input tokens",
    "reasoning_tokens": "Reasoning tokens",
    "time_to_first_token_ms": "First token after (ms)",
}
_IN_INDEX: Final = frozenset(("conversation_id", "user_id", "finish_reason", "partial", "cost_usd"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One line of the table of facts."""

    label: str
    value: str  # fit to be shown; "" is not shown
    is_code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """JSON that is opened on request."""

    label: str
    text: Text


def figures(row: ExampleIndex) -> list[Fact]:
    """What the index knows, and who may see no text may see."""
    facts = [
        Fact(label="Made at (UTC)", value=f"{row.created_at:%Y-%m-%d %H:%M:%S}"),
        Fact(label="Task", value=short(row.task)),
        Fact(label="Provider", value=short(row.provider)),
        Fact(label="Model", value=short(row.model_name)),
        Fact(label="Input tokens", value=_number(row.input_tokens)),
        Fact(label="Output tokens", value=_number(row.output_tokens)),
        Fact(label="Cost", value="" if row.cost_usd is None else f"${row.cost_usd:,.6f}"),
        Fact(label="Latency", value="" if row.latency_ms is None else f"{row.latency_ms:,} ms"),
        Fact(label="Finish reason", value=short(row.finish_reason)),
        Fact(label="Partial", value="yes: the answer was cut off" if row.is_partial else ""),
        Fact(label="Could call tools", value="yes" if row.has_tools else ""),
    ]
    return [fact for fact in facts if fact.value]


def identity(row: ExampleIndex) -> list[Fact]:
    """What names the call, its user and its words."""
    facts = [
        Fact(label="User", value=short(row.user_id), is_code=True),
        Fact(label="Conversation", value=short(row.conversation_id), is_code=True),
        Fact(label="Prompt hash", value=short(row.prompt_hash), is_code=True),
    ]
    return [fact for fact in facts if fact.value]


def particulars(contents: Contents, budget: Budget) -> list[Fact]:
    """What only the example itself knows."""
    facts = [Fact(label="Signature", value=short(contents.text("llm_signature")), is_code=True)]
    for key, label in _NAMED.items():
        if (value := contents.gleaner.get(key)) is not None:
            facts.append(Fact(label=label, value=_value(value, budget), is_code=key.endswith("_id")))
    return [fact for fact in facts if fact.value]


def folded(contents: Contents, budget: Budget) -> list[Folded]:
    """The example's JSON, in parts: what was sent with the call, how the answer is scored, what the caller gave."""
    gleaner = contents.gleaner
    known = {*_FOLDED, *_NAMED, *_ELSEWHERE, *_IN_INDEX}
    found = [
        *((label, gleaner.get(key)) for key, label in _FOLDED.items()),
        ("Metadata given with the call", contents.own),
        ("How the answer is scored (slot_specs)", contents.slot_specs),
        ("Noted at capture", {key: value for key, value in gleaner.items() if key not in known}),
    ]
    parts = [Folded(label=label, text=budget.json_value(value)) for label, value in found if value]
    return [*parts, *_unreadable(contents, budget)]


def _unreadable(contents: Contents, budget: Budget) -> Iterator[Folded]:
    """JSON that cannot be read, or nests too deep, as it is."""
    if not contents.is_metadata_readable:
        yield Folded(label="Metadata, which is no readable JSON object", text=budget.text(contents.text("metadata")))
    if contents.slot_specs is None and contents.text("slot_specs"):
        yield Folded(label="slot_specs, which is no readable JSON", text=budget.text(contents.text("slot_specs")))


def _value(value: Any, budget: Budget) -> str:
    if isinstance(value, str):
        return short(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return short(_number(value))
    return short(budget.json_value(value).shown)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
