"""What waits in front of the list: calls that were made and are not drained yet."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from capture_app.exceptions import CaptureError
from capture_app.inbox import get_inbox
from capture_app.jobs import describe

_COUNTED_BYTES: Final = 8 * 2**20  # a larger inbox is not counted for a page


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """In the inbox."""

    bytes: int = 0
    calls: int | None = None  # None: too many to count them here
    since: datetime | None = None
    problem: str = ""  # why it is not known

    @property
    def calls_text(self) -> str:
        return "" if self.calls is None else f"{self.calls:,}"


def waiting() -> Waiting:
    """Costs the same however much waits."""
    try:
        inbox = get_inbox()
        depth = inbox.depth()
        calls = inbox.count_rows() if depth.bytes <= _COUNTED_BYTES else None
    except (CaptureError, OSError) as error:
        return Waiting(problem=describe(error))
    return Waiting(bytes=depth.bytes, calls=calls, since=depth.oldest_at)
