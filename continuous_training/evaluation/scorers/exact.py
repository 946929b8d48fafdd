"""The same text, or the same JSON."""

import unicodedata
from typing import Any

import orjson

from continuous_training.evaluation.items import GoldItem
from continuous_training.evaluation.scorers.base import Score, Scorer


class Exact(Scorer):
    """1 for the expected answer, else 0. Blanks around it do not count, nor how a character or JSON is written."""

    def score(self, item: GoldItem, answer: str) -> Score:
        return Score(float(_canonical(answer) == _canonical(item.expected)))


def _canonical(text: str) -> Any:
    plain = unicodedata.normalize("NFC", text).replace("\r\n", "\n").strip()
    if not plain.startswith(("{", "[")):
        return plain
    try:
        return orjson.dumps(orjson.loads(plain), option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return plain
