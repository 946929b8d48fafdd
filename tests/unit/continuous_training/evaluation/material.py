"""Gold sets and evaluations to test with."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from capture_app.routing.config import Target
from continuous_training.evaluation.gold_files import read_gold_file
from continuous_training.evaluation.items import FILE, GoldItem, GoldSet
from continuous_training.evaluation.service import evaluate
from continuous_training.models import Evaluation

TASK = "shop"
GOOD, BAD = Target("stub", "good"), Target("stub", "bad")


def item(asked: str = "What is 1 + 1?", expected: str = "two", **values: Any) -> GoldItem:
    return GoldItem(messages=[{"role": "user", "content": asked}], expected=expected, **values)


def gold(*items: GoldItem) -> GoldSet:
    return GoldSet(kind=FILE, name="gold.jsonl", items=items)


def questions(count: int, **values: Any) -> list[GoldItem]:
    """Each with a question and an answer of its own, in two categories."""
    return [item(asked_of(n), answer_of(n), category="even" if n % 2 == 0 else "odd", **values) for n in range(count)]


def asked_of(number: int) -> str:
    return f"What is the name of number {number}?"


def answer_of(number: int) -> str:
    return f"Its name is n{number}."


def right(count: int) -> dict[str, str]:
    return {asked_of(n): answer_of(n) for n in range(count)}


def write_gold(path: Path, *records: Any) -> Path:
    """A file of such lines; bytes are lines as they are."""
    lines = [each if isinstance(each, bytes) else orjson.dumps(each) for each in records]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def record(asked: str = "What is it?", expected: str = "A shoe.", **values: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": asked}], "expected_response": expected, **values}


def faults_of(path: Path) -> Sequence[str]:
    from continuous_training.exceptions import GoldSetInvalid

    try:
        read_gold_file(path)
    except GoldSetInvalid as error:
        return error.faults
    return []


def compare(items: Iterable[GoldItem], **values: Any) -> Evaluation:
    """An evaluation of GOOD beside BAD, unless something else is said."""
    asked = {"candidate": GOOD, "incumbent": BAD, "gold": gold(*items), "requested_by": "anna", **values}
    return evaluate(asked.pop("task", TASK), **asked)
