"""How long work tells how far it is: a callable that is given a stage, what is done of it, and how much there is."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""
