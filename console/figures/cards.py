"""What a card of the dashboard says: one thing, how it is, and where one goes from there."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from capture_app.jobs import describe


class State(Enum):
    """How something is; the value is the end of a CSS class."""

    OK = "ok"
    WARNING = "warning"
    FAILING = "failing"
    UNKNOWN = "unknown"
    IDLE = "idle"

    @property
    def words(self) -> str:
        return _WORDS[self]

    @property
    def sign(self) -> str:
        """One character, for who does not see colours."""
        return _SIGNS[self]


_WORDS = {
    State.OK: "well",
    State.WARNING: "look at this",
    State.FAILING: "failing",
    State.UNKNOWN: "not known",
    State.IDLE: "nothing yet",
}
_SIGNS = {State.OK: "\u2713", State.WARNING: "!", State.FAILING: "\u2715", State.UNKNOWN: "?", State.IDLE: "\u2013"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One thing."""

    title: str
    figure: str  # what one reads first
    note: str = ""
    state: State = State.OK
    about: type[Model] | None = None  # whose list in the admin has more
    url: str = ""  # of that list; "" where it is not for this user

    @property
    def link(self) -> str:
        return f"All {self.about._meta.verbose_name_plural}" if self.about else ""


def safely(title: str, build: Callable[[], Card]) -> Card:
    """The card, or one that says why it is missing."""
    try:
        return build()
    except Exception as error:  # a Redis, a disk or a table may be away: the other cards are wanted all the more
        return Card(title=title, figure="not known", note=f"{describe(error)}.", state=State.UNKNOWN)


def list_url(request: HttpRequest, model: type[Model] | None) -> str:
    """The address of the model's list in the admin; "" when there is none that this user may open."""
    if model is None or not admin.site.is_registered(model):
        return ""
    if not admin.site.get_model_admin(model).has_view_permission(request):
        return ""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
