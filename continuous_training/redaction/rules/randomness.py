"""Whether a token was drawn by chance: entropy, how often neighbours are of different classes, and no words.

Among letters of both cases and digits that are drawn evenly, two neighbours differ in class with a probability of 0.62,
and an eighth of the characters stand in what could be a word. An identifier consists of words.
"""

import re
from collections import Counter
from math import log2
from typing import Final

_SHORTEST: Final = 24
_LONGEST: Final = 128  # longer ones are data: images, weights
_FEWEST_BITS: Final = 3.5  # per character, of the token's own distribution
_FEWEST_CHANGES: Final = 0.25  # of neighbours
_FEWEST_OF_A_CASE: Final = 3
_MOST_IN_WORDS: Final = 0.45  # of the characters
_CLASSES: Final = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "A" * 26 + "a" * 26 + "0" * 10
)
_WORD: Final = re.compile(r"[A-Z]?[a-z]{3,}")
_VOWELS: Final = re.compile(r"[AEIOUYaeiouy]")
_DIGIT: Final = re.compile(r"[0-9]")
_HEX: Final = re.compile(r"[0-9a-f]+|[0-9A-F]+")


def is_random(token: str) -> bool:
    """Of `token` without its hyphens and underscores. Hashes and ids in hexadecimal digits are not."""
    plain = token.replace("-", "").replace("_", "")
    if not _SHORTEST <= len(plain) <= _LONGEST or not _DIGIT.search(plain) or _HEX.fullmatch(plain):
        return False
    classes = plain.translate(_CLASSES)
    if min(classes.count("A"), classes.count("a")) < _FEWEST_OF_A_CASE:
        return False
    changes = sum(map(str.__ne__, classes, classes[1:]))
    if changes < _FEWEST_CHANGES * (len(plain) - 1) or has_words(plain):
        return False
    return bits_per_character(plain) >= _FEWEST_BITS


def has_words(token: str) -> bool:
    """Whether much of it can be spoken, as the names in code can."""
    words = (word for word in _WORD.findall(token) if _VOWELS.search(word))
    return sum(map(len, words)) >= _MOST_IN_WORDS * len(token)


def bits_per_character(text: str) -> float:
    """Shannon's entropy of the characters' distribution in `text`."""
    return sum(count / len(text) * log2(len(text) / count) for count in Counter(text).values())
