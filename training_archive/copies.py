"""Copies of examples that other apps keep, as text of their own: `forget` erases them, too.

An app that makes a conversation, an index or anything else out of what examples say registers, in its module `lineage`
(see app_lineage), how that is erased. It says besides which other examples say the same again, such as the calls by
which it asked a model about them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from capture_app.put_aside import Wanted
from training_archive.app_lineage import load_lineage


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """What an app keeps. Both functions may be called again for the same: a run that was killed is done once more."""

    place: str  # what is erased, as the receipt calls it: "conversations"
    erase: Callable[[Wanted], int]  # how many it erased; raises when it could not, and the request stays pending
    said_again: Callable[[Wanted], Iterable[str]]  # ids of other examples that hold what those that are meant say


_kept: Final[list[Copies]] = []


def register_copies(copies: Copies) -> Copies:
    """Have them erased with the examples from now on."""
    _kept.append(copies)
    return copies


def said_again(wanted: Wanted) -> set[str]:
    """The ids of all other examples that hold what those that are meant say."""
    return {example_id for copies in _registered() for example_id in copies.said_again(wanted)}


def erase_copies(wanted: Wanted) -> dict[str, int]:
    """How many were erased in each place."""
    return {copies.place: copies.erase(wanted) for copies in _registered()}


def places() -> list[str]:
    return [copies.place for copies in _registered()]


def _registered() -> list[Copies]:
    load_lineage()
    return _kept
