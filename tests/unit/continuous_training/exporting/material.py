"""Calls to export, and what exports wrote."""

from pathlib import Path
from typing import Any

import orjson

from capture_app.example import RESERVED_KEY
from capture_app.recorder import record_example
from continuous_training.exporting.pairs import Candidate
from tests.unit.training_archive.material import row

QUESTION = "What does the red lamp cost?"
ANSWER = "It costs five pounds."


def said(question: str = QUESTION, answer: str = ANSWER, *, task: str = "shop", **metadata: Any) -> str:
    """A call that was made; its example's id."""
    example_id = record_example(
        provider="offline",
        model="small",
        prompt=question,
        response=answer,
        task=task,
        training_metadata=metadata,
    )
    assert example_id
    return example_id


def several(count: int, *, task: str = "shop", **metadata: Any) -> list[str]:
    """Calls that differ."""
    return [
        said(f"What does lamp {n} cost?", f"It costs {n} pounds, no more.", task=task, **metadata) for n in range(count)
    ]


def candidate(*, task: str = "shop", rating: float | None = None, corrected: str = "", **columns: Any) -> Candidate:
    """An example with columns of its own; `gleaner` is what stands under the reserved key."""
    reserved, metadata = columns.pop("gleaner", {}), columns.pop("metadata", {})
    own = {**metadata, RESERVED_KEY: reserved, **({"correction": corrected} if corrected else {})}
    values = {"prompt_text": QUESTION, "response_strong": ANSWER, "system_prompt": "", "metadata": own, **columns}
    return Candidate("a", task, rating, bool(corrected), row("a", task=task, **values))


def lines_in(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def pairs_in(path: Path) -> list[tuple[str, str]]:
    """(question, answer) of each line."""
    return [(line["messages"][-2]["content"], line["messages"][-1]["content"]) for line in lines_in(path)]


def answers_in(path: Path) -> list[str]:
    return [answer for _, answer in pairs_in(path)]


def files_in(folder: Path) -> set[str]:
    """The files below the folder, hidden ones among them."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
