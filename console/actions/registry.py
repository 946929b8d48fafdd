"""Actions that other apps bring: one that is not installed brings none, and leaves no hole.

    register_action(OfferedAction(name="add_to_training_file", label="Add to a training file", right=EXPORT, page=page))

No app below the console may import it: what the console knows of an optional app stands in a module of its own, which
is imported when that app is installed. A host project may register actions of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponseBase

from console.actions.selection import Selection

Page = Callable[[HttpRequest, Selection], HttpResponseBase]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedAction:
    """An action for picked examples. Whoever lacks the right is not offered it, and the page is never called."""

    name: str  # in the form: letters and _
    label: str  # in the list of actions, as "Export…"
    right: str  # one of console.access
    page: Page  # asks what is to be done, or does it; it notes in the trail what it does


_offered: dict[str, OfferedAction] = {}


def register_action(action: OfferedAction) -> OfferedAction:
    """Offer the action from now on. One of the same name takes the place of the other."""
    _offered[action.name] = action
    return action


def unregister_action(name: str) -> None:
    """Offer it no more."""
    _offered.pop(name, None)


def offered_actions() -> list[OfferedAction]:
    """In the order in which they were registered."""
    return list(_offered.values())
