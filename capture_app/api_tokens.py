"""Tokens that let programs in, each for what its scopes say.

An app that has an API calls `register_scope` when it is made ready, and `authenticate` in its views. Of a token only
the SHA-256 is kept: it is 32 random bytes, which nobody guesses, so neither salt nor slow hashing would add anything.
"""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from capture_app.exceptions import ApiTokenError, InvalidJudgment, NotAllowed, NotAuthenticated
from capture_app.feedback import APPLICATION
from capture_app.judged_values import checked_name
from capture_app.models import ApiToken

PREFIX: Final = "gln_"  # by which a leaked one is known; also to scanners of repositories
FEEDBACK: Final = "feedback"
MOST_DAYS: Final = 36_500

_RANDOM_BYTES: Final = 32
_MOST_CHARACTERS: Final = 200  # of what may be a token
_SCHEME: Final = "bearer"
_USE_IS_NOTED_EVERY: Final = timedelta(minutes=1)

_scopes: dict[str, str] = {FEEDBACK: "send feedback to POST /api/feedback"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token that was just made. This is the only time that it can be seen."""

    name: str
    token: str = field(repr=False)
    scopes: list[str]
    expires_at: datetime | None  # aware, in UTC


def register_scope(scope: str, about: str) -> None:
    """Let tokens have this scope. `about` says what it allows, after "may"."""
    _scopes[scope] = about


def known_scopes() -> dict[str, str]:
    """What each scope allows."""
    return dict(sorted(_scopes.items()))


def create_token(name: str, *, scopes: Iterable[str], days: int = 0) -> NewToken:
    """Make a token that is good for so many days, 0 for ever. Raises ApiTokenError."""
    try:
        name = checked_name("The name", name).strip()
    except InvalidJudgment as error:
        raise ApiTokenError(str(error)) from error
    kept = sorted({*scopes})
    _check(name, kept, days)
    token = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    now = datetime.now(UTC)
    expires_at = now + timedelta(days=days) if days else None
    try:
        with transaction.atomic():
            ApiToken.objects.create(
                name=name, digest=_digest(token), scopes=kept, created_at=now, expires_at=expires_at
            )
    except IntegrityError as error:
        raise ApiTokenError(
            f"There is, or was, a token {name!r}: feedback names its source by it. Nothing was changed; choose another."
        ) from error
    return NewToken(name=name, token=token, scopes=kept, expires_at=expires_at)


def _check(name: str, scopes: list[str], days: int) -> None:
    unknown = [scope for scope in scopes if scope not in _scopes]
    if unknown or not scopes:
        raise ApiTokenError(
            f"A token needs scopes among {', '.join(known_scopes())}; {', '.join(unknown) or 'none'} will not do. "
            "Nothing was changed."
        )
    if not 0 <= days <= MOST_DAYS:
        raise ApiTokenError(f"A token is good for 1 to {MOST_DAYS} days, 0 for ever. Nothing was changed.")
    if name == APPLICATION:
        raise ApiTokenError(f"{name!r} is what feedback of code is called. Nothing was changed; choose another name.")


def revoke_token(name: str) -> datetime:
    """Let nobody in with the token any more; since when. Raises ApiTokenError when there is none of that name."""
    ApiToken.objects.filter(name=name, revoked_at=None).update(revoked_at=datetime.now(UTC))
    revoked_at = ApiToken.objects.filter(name=name).values_list("revoked_at", flat=True).first()
    if revoked_at is None:
        raise ApiTokenError(f"There is no token {name!r}. Nothing was changed; the admin lists those that there are.")
    return revoked_at


def authenticate(request: HttpRequest, scope: str) -> ApiToken:
    """The token in the request's Authorization header.

    Raises NotAuthenticated without one that is known, NotAllowed when it was revoked, has expired or lacks the scope.
    """
    token = _find_good(request)
    if scope not in token.scopes:
        raise NotAllowed(f"The token {token.name!r} lacks the scope {scope!r}. Ask for one that has it.")
    _note_use(token, datetime.now(UTC))
    return token


def identify(request: HttpRequest) -> ApiToken:
    """The token in the request's Authorization header, whatever its scopes are.

    Raises NotAuthenticated without one that is known, NotAllowed when it was revoked or has expired.
    """
    token = _find_good(request)
    _note_use(token, datetime.now(UTC))
    return token


def _find_good(request: HttpRequest) -> ApiToken:
    token = _find(request.headers.get("Authorization", ""))
    if token.revoked_at is not None:
        raise NotAllowed(f"The token {token.name!r} was revoked. Ask for another one.")
    if token.expires_at is not None and token.expires_at <= datetime.now(UTC):
        raise NotAllowed(f"The token {token.name!r} has expired. Ask for another one.")
    return token


def _find(header: str) -> ApiToken:
    scheme, _, value = header.strip().partition(" ")
    sent = value.strip()
    if scheme.lower() != _SCHEME or not sent.startswith(PREFIX) or len(sent) > _MOST_CHARACTERS:
        raise NotAuthenticated(f"Send a token: `Authorization: Bearer {PREFIX}...`.")
    digest = _digest(sent)
    token = ApiToken.objects.filter(digest=digest).first()
    if token is None or not constant_time_compare(token.digest, digest):
        raise NotAuthenticated("The token is not known here.")
    return token


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _note_use(token: ApiToken, now: datetime) -> None:
    """At most once in a while, whatever many processes do at once."""
    noted_before = now - _USE_IS_NOTED_EVERY
    if token.last_used_at is None or token.last_used_at < noted_before:
        old = Q(last_used_at=None) | Q(last_used_at__lt=noted_before)
        ApiToken.objects.filter(old, pk=token.pk).update(last_used_at=now)
