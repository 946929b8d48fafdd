"""Real text to ask about: this project's own documentation and source, or conversations that you bring."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from demo import ROOT

_SHORTEST = 80  # characters; shorter passages are headings
_INSTRUCTIONS = {
    ".md": ("summarise_docs", "Summarise this passage of documentation in one sentence."),
    ".py": ("explain_code", "Explain in one sentence what this Python code is for."),
}


@dataclass(frozen=True, slots=True)
class Request:
    """One call to make."""

    task: str
    messages: list[dict[str, Any]]
    metadata: dict[str, Any] = field(default_factory=dict)


def requests_from(path: Path | None) -> list[Request]:
    """Requests from the conversations in a file or folder, or from this project. SystemExit when there are none."""
    if path is None:
        own = list(_project_requests())
        Random(0).shuffle(own)  # docs and code mixed, the same for every process
        return own
    files = sorted(path.rglob("*.json*")) if path.is_dir() else [path]
    try:
        found = [request for file in files for request in _conversation_requests(file)]
    except ValueError as error:
        raise SystemExit(f"{path} is not readable as JSON: {error}") from error
    if not found:
        raise SystemExit(f"{path} holds no conversations: expected training pairs or lines with `messages`.")
    return found


def _project_requests() -> Iterator[Request]:
    files = [path for pattern in ("*.md", "*/*.md", "*/*.py", "*/*/*.py") for path in sorted(ROOT.glob(pattern))]
    for path in files:
        relative = path.relative_to(ROOT)
        if relative.parts[0].startswith("."):
            continue
        task, instruction = _INSTRUCTIONS[path.suffix]
        for number, passage in enumerate(_passages(path.read_text())):
            messages = [{"role": "system", "content": instruction}, {"role": "user", "content": passage}]
            yield Request(task, messages, {"file": str(relative), "passage": number})


def _passages(text: str) -> Iterator[str]:
    for passage in re.split(r"\n{2,}(?=\S)", text):
        if len(passage) >= _SHORTEST:
            yield passage.strip()


def _conversation_requests(path: Path) -> Iterator[Request]:
    for record in _records(path):
        if "messages" in record:
            yield Request("conversation", record["messages"])
        elif "current_user_input" in record:
            yield _training_pair(record)


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """JSON Lines, or one document with the pairs of `conversations`."""
    text = path.read_text()
    if path.suffix == ".jsonl":
        yield from (json.loads(line) for line in text.splitlines() if line.strip())
        return
    for conversation in json.loads(text).get("conversations", []):
        yield from conversation.get("training_pairs", [])


def _training_pair(pair: dict[str, Any]) -> Request:
    history = [{"role": turn["role"], "content": turn["content"]} for turn in pair.get("conversation_history", [])]
    system = [{"role": "system", "content": pair["system_prompt"]}] if pair.get("system_prompt") else []
    question = {"role": "user", "content": pair["current_user_input"]}
    metadata = {"conversation_id": pair.get("conversation_id"), "turn": pair.get("turn_number")}
    return Request("conversation", [*system, *history, question], metadata)
