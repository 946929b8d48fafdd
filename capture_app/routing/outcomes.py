"""How the calls of stored routes ended, counted by target: an error rate is judged by it, and leaves no example."""

from hashlib import blake2b
from typing import Final

from capture_app.routing.board import get_board
from capture_app.routing.config import Target

ANSWERED: Final = "ok"
FAILED: Final = "failed"


def count_outcome(route: str, target: Target, outcome: str) -> None:
    """One more call of the route was answered by the target, or failed. Never raises."""
    get_board().count(counter(route, target, outcome))


def counter(route: str, target: Target, outcome: str) -> str:
    """The name of a count: short, whatever the route's and the model's names are."""
    digest = blake2b(f"{route}\0{target.provider}\0{target.model}".encode("utf-8", "replace"), digest_size=12)
    return f"{outcome} {digest.hexdigest()}"
