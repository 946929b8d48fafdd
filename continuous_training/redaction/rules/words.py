"""Lists of words, written as text."""

from collections.abc import Iterable


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def any_of(words: Iterable[str]) -> str:
    """A pattern of the words, the longest first. They are letters, digits, hyphens and underscores."""
    return "|".join(sorted(words, key=lambda word: (-len(word), word)))
