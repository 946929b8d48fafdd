"""Who is at the API, by a token or by a login to the admin, and what they may do there."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from training_files.actors import Actor

READ: Final = "training_files:read"
WRITE: Final = "training_files:write"
MANAGE: Final = "training_files:manage"

SCOPES: Final = {
    READ: "read training files and conversations, and download them",
    WRITE: "do that, make training files, change its own, and import and review conversations",
    MANAGE: "do that, and change the training files of others",
}

_INCLUDED: Final = {READ: {READ}, WRITE: {READ, WRITE}, MANAGE: {READ, WRITE, MANAGE}}

# What of Django's own rights, which an administrator gives to people, lets them do the same: all of an entry, for
# whatever the scope opens, so that nobody does here what the admin refuses them.
_READERS: Final = ("training_files.view_trainingfile", "training_files.view_conversation")
_WRITERS: Final = (
    *_READERS,
    *("training_files.add_trainingfile", "training_files.delete_trainingfile"),
    *("training_files.add_conversation", "training_files.change_conversation"),
)
_RIGHTS_OF_PEOPLE: Final = {
    READ: _READERS,
    WRITE: _WRITERS,
    MANAGE: (*_WRITERS, "training_files.change_trainingfile"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whoever sent a request."""

    name: str  # "token:ci", "user:ada"
    scopes: frozenset[str]  # those that others include are there, too

    @property
    def actor(self) -> Actor:
        return Actor(self.name, may_change_all=MANAGE in self.scopes)


def caller_of_token(name: str, scopes: list[str]) -> Caller:
    return Caller(name=f"token:{name}", scopes=_with_included(scope for scope in scopes if scope in _INCLUDED))


def caller_of_user(user: AbstractBaseUser | AnonymousUser) -> Caller:
    """Somebody who is logged in. Who may not use the admin may do nothing here."""
    is_staff = user.is_active and getattr(user, "is_staff", False)
    held = [
        scope
        for scope, needed in _RIGHTS_OF_PEOPLE.items()
        if is_staff and user.has_perms(needed)  # type: ignore[union-attr]  # every user that can log in has it
    ]
    return Caller(name=f"user:{user.get_username()}", scopes=_with_included(held))


def _with_included(scopes: Iterable[str]) -> frozenset[str]:
    return frozenset().union(*(_INCLUDED[scope] for scope in scopes))
