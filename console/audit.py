"""The trail of who did what. Writing it is part of the act: what cannot be written down is not done."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from capture_app.example import storable
from console.models import AuditEvent

SAW: Final = "saw"
SEARCHED: Final = "searched text"
REVIEWED: Final = "reviewed"
TAGGED: Final = "tagged"
EXPORTED: Final = "exported"
DOWNLOADED: Final = "downloaded"
FORGOT: Final = "forgot"
REPLAYED: Final = "replayed"
RAN: Final = "ran"
CURATED: Final = "curated"  # made conversations of examples, or added these to a training file
ROUTED: Final = "routed"  # changed which model answers

ACTIONS: Final = (SAW, SEARCHED, REVIEWED, TAGGED, EXPORTED, DOWNLOADED, FORGOT, REPLAYED, RAN, CURATED, ROUTED)

_ID_CHARACTERS: Final = 200  # an index of PostgreSQL takes no key beyond 2,700 bytes; ids of ours have 36 characters


def note(
    user: AbstractBaseUser | AnonymousUser,
    action: str,
    *,
    example: str = "",
    examples: int = 1,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write down that the user did this, to one example or to several. `details` must hold no text of an example.

    Call it in the transaction of the act, so that neither is there without the other.
    """
    AuditEvent.objects.create(
        at=datetime.now(UTC),
        user=user.get_username(),
        action=action,
        example=_plain(example)[:_ID_CHARACTERS],
        examples=examples,
        details=_plain(dict(details or {})),
    )


def _plain(value: Any) -> Any:
    """What both databases can store: PostgreSQL takes no NUL, in a text or in JSON."""
    if isinstance(value, str):
        return str(storable(value)).replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return storable(value)
