"""A seeded task that a small model can learn in minutes: read an order out of a mail, and answer in JSON.

Every example is a chat as the export writes it, with what a gold set needs besides. The gold examples are never among
the training examples: no order is in both.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any, Final

TASK: Final = "order_extractor"
SYSTEM_PROMPT: Final = "Answer with JSON: product, quantity, unit, city, day."
SLOT_SPECS: Final[dict[str, Any]] = {
    "product": {"type": "exact"},
    "quantity": {"type": "numeric_tol", "tolerance": 0},
    "unit": {"type": "exact"},
    "city": {"type": "exact"},
    "day": {"type": "exact"},
}

_PRODUCTS: Final = ("apples", "bread", "cheese", "coffee", "honey", "lemons", "rice", "tea")
_UNITS: Final = ("bags", "boxes", "crates", "packs")
_CITIES: Final = ("Athens", "Berlin", "Cork", "Leeds", "Lyon", "Nantes", "Oslo", "Riga")
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
_NAMES: Final = ("Ana", "Ben", "Clara", "David")
_QUANTITIES: Final = range(2, 26)
_SHARE_IN_WORDS: Final = 0.5
_MOST_IN_JSON: Final = 2

# A category of the gold set, and how its mails are worded.
_WORDINGS: Final[dict[str, str]] = {
    "polite": "Please send {quantity} {unit} of {product} to {city} by {day}. Thanks, {name}",
    "terse": "{city}, {day}: {quantity} {unit} {product}. {name}",
    "changed": "{name} here. Not {other} but {quantity} {unit} of {product}, {city}, {day}.",
    "question": "Can {city} get {product} on {day}? We need {quantity} {unit}. {name}",
}


@dataclass(frozen=True, slots=True)
class Task:
    """Examples {messages, expected_response, category, slot_specs}; `messages` ends with the question."""

    train: list[dict[str, Any]]
    gold: list[dict[str, Any]]


def make_task(seed: int = 0, n_train: int = 600, n_gold: int = 60) -> Task:
    """The same seed gives the same task, on every machine."""
    chosen = list(islice(_examples(Random(seed)), n_train + n_gold))
    return Task(train=chosen[n_gold:], gold=chosen[:n_gold])


def training_line(example: dict[str, Any]) -> dict[str, Any]:
    """The example as a line of chat JSONL: the answer is the last message."""
    answer = {"role": "assistant", "content": example["expected_response"]}
    return {"messages": [*example["messages"], answer]}


def warm_up_chats(seed: int = 0, count: int = 3_200) -> list[list[dict[str, str]]]:
    """Chats in the same words about lesser tasks: some facts of an order in words, or one of them in JSON.

    They are what a model reads before it is anybody's base: they teach the language, and not the task.
    """
    random = Random(f"warm-up {seed}")
    return [_warm_up_chat(random) for _ in range(count)]


def _warm_up_chat(random: Random) -> list[dict[str, str]]:
    order = _order(random)
    in_words = random.random() < _SHARE_IN_WORDS
    asked = random.sample(tuple(SLOT_SPECS), random.randint(1, len(SLOT_SPECS) if in_words else _MOST_IN_JSON))
    mail = random.choice(tuple(_WORDINGS.values())).format(**order)
    answer = ", ".join(f"{field}: {order[field]}" for field in asked) if in_words else _as_json(order, asked)
    return [
        {"role": "system", "content": f"Answer {'in words' if in_words else 'with JSON'}: {', '.join(asked)}."},
        {"role": "user", "content": mail},
        {"role": "assistant", "content": answer},
    ]


def _as_json(order: dict[str, Any], fields: Iterable[str]) -> str:
    return json.dumps({field: order[field] for field in fields}, separators=(",", ":"))


def _examples(random: Random) -> Iterator[dict[str, Any]]:
    """Examples without end, no two of them about the same order."""
    seen = set()
    while True:
        category = random.choice(tuple(_WORDINGS))
        order = _order(random)
        answer = _as_json(order, SLOT_SPECS)
        if answer in seen:
            continue
        seen.add(answer)
        yield {
            "messages": [
                {"role": "system", "content": SYSTEM_PROMPT},
                {"role": "user", "content": _WORDINGS[category].format(**order)},
            ],
            "expected_response": answer,
            "category": category,
            "slot_specs": SLOT_SPECS,
        }


def _order(random: Random) -> dict[str, Any]:
    quantity, other = random.sample(_QUANTITIES, 2)
    return {
        "product": random.choice(_PRODUCTS),
        "quantity": quantity,
        "other": other,
        "unit": random.choice(_UNITS),
        "city": random.choice(_CITIES),
        "day": random.choice(_DAYS),
        "name": random.choice(_NAMES),
    }
