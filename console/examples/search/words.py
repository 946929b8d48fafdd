"""What a person asks for, as words: each must be there; "several in quotes" one after the other; wor* begins one."""

import re
from typing import Final, NamedTuple

_MOST_TERMS: Final = 10
_SHORTEST_BEGINNING: Final = 3  # characters; beginnings of fewer have too many ends
_MOST_CHARACTERS: Final = 200  # of a question

_PARTS: Final = re.compile(r'"([^"]*)"?|(\S+)')
_SIGNS: Final = re.compile(r"[\0-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+")  # that part words; see schema
# Scripts that put no blanks between words: a word of theirs cannot be told from its neighbours.
_UNPARTED: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


class Term(NamedTuple):
    """Words that follow one another; the last one may be the beginning of a word."""

    words: tuple[str, ...]
    is_beginning: bool = False


def terms_of(question: str) -> list[Term]:
    """What to look for; nothing, when the question holds no word."""
    terms = []
    for quoted, plain in _PARTS.findall(question[:_MOST_CHARACTERS]):
        words = tuple(word for word in _SIGNS.split(quoted or plain) if word)
        if words:
            is_beginning = plain.endswith("*") and len(words[-1]) >= _SHORTEST_BEGINNING
            terms.append(Term(words, is_beginning))
    return terms[:_MOST_TERMS]


def has_parted_words(question: str) -> bool:
    """Whether its words can be told apart at all."""
    return not _UNPARTED.search(question)


def for_fts5(terms: list[Term]) -> str:
    """In FTS5's language. No word holds a quote."""
    return " ".join(f'"{" ".join(term.words)}"{"*" if term.is_beginning else ""}' for term in terms)


def for_tsquery(terms: list[Term]) -> str:
    """In the language of PostgreSQL's to_tsquery. No word holds a quote or a backslash."""
    return " & ".join("(" + " <-> ".join(_quoted(term)) + ")" for term in terms)


def _quoted(term: Term) -> list[str]:
    words = [f"'{word}'" for word in term.words]
    return [*words[:-1], words[-1] + (":*" if term.is_beginning else "")]
