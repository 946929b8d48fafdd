"""Months of UTC, as reports name them: `2026-10`."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from capture_app.spending import DAY, MONTH, bounds
from continuous_training.exceptions import LoopError

_NAME: Final = re.compile(r"([1-9]\d{3})-(0[1-9]|1[0-2])", re.ASCII)


class NoSuchMonth(LoopError):
    """What was asked for is no month that has begun. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Month:
    """From the first midnight on, until before the first midnight of the next one."""

    begins_at: datetime  # aware, UTC
    ends_at: datetime

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """The one that `moment` (aware) is in."""
        return cls(*bounds(MONTH, moment))

    @classmethod
    def named(cls, name: str, *, now: datetime) -> Self:
        """`2026-10`; "": the last one that is over. Raises NoSuchMonth, also for one that has not begun."""
        if not name:
            return cls.of(cls.of(now).begins_at - timedelta(days=1))
        found = _NAME.fullmatch(name)
        if not found or name == "9999-12":  # what follows that one has no name
            raise NoSuchMonth(f"{name!r} is no month; write 2026-10. Nothing was written.")
        month = cls.of(datetime(int(found[1]), int(found[2]), 1, tzinfo=UTC))
        if month.begins_at > now:
            raise NoSuchMonth(f"{name} has not begun yet (months are those of UTC). Nothing was written.")
        return month

    @property
    def name(self) -> str:
        return f"{self.begins_at:%Y-%m}"

    def days(self) -> list[datetime]:
        """The midnights at which its days begin."""
        return [self.begins_at + timedelta(days=number) for number in range((self.ends_at - self.begins_at).days)]

    def day_of(self, moment: datetime) -> int:
        """From 0 on."""
        return (bounds(DAY, moment)[0] - self.begins_at).days
