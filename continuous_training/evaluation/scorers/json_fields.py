"""An answer that is a JSON object, field by field."""

from collections.abc import Mapping
from typing import Any

import orjson

from continuous_training.evaluation.items import GoldItem
from continuous_training.evaluation.scorers.base import Score, Scorer
from continuous_training.evaluation.scorers.fields import FieldSpec, compare_field, parse_specs
from continuous_training.evaluation.scorers.token_f1 import TokenF1

_EXACT = FieldSpec("exact")


class JsonFields(Scorer):
    """The mean over the fields of the item's `slot_specs`; without them over all fields that are expected, exactly.

    What stands around the object, such as ``` or a sentence, does not count. An answer without one is 0. An item whose
    expected answer is no JSON object is scored as token_f1 does.
    """

    asks_a_model = True  # where a field has llm_similarity

    def score(self, item: GoldItem, answer: str) -> Score:
        expected, answered = json_object(item.expected), json_object(answer)
        if expected is None:
            return TokenF1().score(item, answer)
        if answered is None:
            return Score(0.0, "no JSON object")
        specs = parse_specs(item.slot_specs) or dict.fromkeys(expected, _EXACT)
        found = {name: compare_field(spec, expected.get(name), answered.get(name)) for name, spec in specs.items()}
        value = sum(each.value for each in found.values()) / len(found) if found else float(expected == answered)
        return Score(value, _note(found), sum(each.cost_usd for each in found.values()))


def _note(found: Mapping[str, Score]) -> str:
    wrong = {name: each.note for name, each in found.items() if each.value < 1}
    told = ", ".join(f"{name} ({note})" if note else name for name, note in wrong.items())
    return f"not met: {told}" if told else ""


def json_object(text: str) -> Mapping[str, Any] | None:
    """The JSON object in a text, from its first brace to its last; None when that is none."""
    try:
        value = orjson.loads(text[text.find("{") : text.rfind("}") + 1] or "null")
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
