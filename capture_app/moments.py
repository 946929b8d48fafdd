"""Moments in UTC."""

from datetime import UTC, datetime, timedelta


def moment_ago(age: timedelta) -> datetime:
    """The moment that lies so far back; the calendar's first one for an age beyond it."""
    try:
        return datetime.now(UTC) - age
    except OverflowError:  # older than the calendar: nothing is
        return datetime.min.replace(tzinfo=UTC)
