"""Lists of words, written as text."""


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def any_of(text: str) -> str:
    """A pattern of the words, the longest first. They are letters, digits, hyphens and underscores."""
    return "|".join(sorted(words(text), key=lambda word: (-len(word), word)))
