"""Who may do what. One name for each right; the views and templates ask here."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from capture_app.csp import secure

VIEW_FIGURES: Final = "console.view_figures"
VIEW_TEXT: Final = "console.view_text"
REVIEW: Final = "console.review_examples"
EXPORT: Final = "console.export_examples"
FORGET: Final = "console.forget_examples"
RUN: Final = "console.run_archive"
CHANGE_ROUTES: Final = "console.change_routes"
REPLAY: Final = "console.replay_calls"
VIEW_AUDIT: Final = "console.view_audit"

RIGHTS: Final = (VIEW_FIGURES, VIEW_TEXT, REVIEW, EXPORT, FORGET, RUN, CHANGE_ROUTES, REPLAY, VIEW_AUDIT)

# Who has the key may do what its values say, too: one cannot judge what one may not read. To erase, to run and to look
# into the trail, nobody needs to read an example.
_INCLUDED: Final = {
    VIEW_TEXT: {VIEW_FIGURES},
    REVIEW: {VIEW_TEXT, VIEW_FIGURES},
    EXPORT: {VIEW_TEXT, VIEW_FIGURES},
    REPLAY: {VIEW_TEXT, VIEW_FIGURES},
    FORGET: {VIEW_FIGURES},
    RUN: {VIEW_FIGURES},
    CHANGE_ROUTES: {VIEW_FIGURES},
}

View = Callable[..., HttpResponseBase]


def may(user: AbstractBaseUser | AnonymousUser, right: str) -> bool:
    """Whether the user is active staff and has the right, by itself or within another one.

    Raises ValueError for what is no right: a misspelt name would be one that only superusers have.
    """
    if right not in RIGHTS:
        raise ValueError(f"{right!r} is no right of the console.")
    if not (user.is_active and getattr(user, "is_staff", False)):
        return False
    held = {right} | {holder for holder, included in _INCLUDED.items() if right in included}
    return any(user.has_perm(each) for each in held)  # type: ignore[attr-defined]  # every user that can log in has it


def may_list(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Whether the user may see the list of examples and their pages; the plain admin's own right is enough."""
    figures = may(user, VIEW_FIGURES)
    return figures or user.has_perm("capture_app.view_exampleindex")  # type: ignore[union-attr]  # every user has it


def needs(right: str) -> Callable[[View], View]:
    """For a view behind `admin_view`, a function or a method: 403 for who lacks the right, and csp's headers."""
    if right not in RIGHTS:
        raise ValueError(f"{right!r} is no right of the console.")

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> HttpResponseBase:
            request = next(argument for argument in args if isinstance(argument, HttpRequest))
            if not may(request.user, right):
                raise PermissionDenied
            return secure(view(*args, **kwargs))

        return guarded

    return decorate
