"""The trail of who did what. Writing it is part of the act: what cannot be written down is not done."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from console.models import AuditEvent

SAW: Final = "saw"
SEARCHED: Final = "searched text"
REVIEWED: Final = "reviewed"
TAGGED: Final = "tagged"
EXPORTED: Final = "exported"
FORGOT: Final = "forgot"
REPLAYED: Final = "replayed"
RAN: Final = "ran"


def note(
    user: AbstractBaseUser | AnonymousUser,
    action: str,
    *,
    example: str = "",
    examples: int = 1,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write down that the user did this, to one example or to several. `details` must hold no text of an example."""
    AuditEvent.objects.create(
        at=datetime.now(UTC),
        user=user.get_username(),
        action=action,
        example=example,
        examples=examples,
        details=dict(details or {}),
    )
