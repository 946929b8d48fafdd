"""How figures read on the dashboard: short on an axis, whole in a table."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from capture_app.wording import counted

Format = Callable[[float], str]

NOT_KNOWN: Final = "not known"


def whole(number: float) -> str:
    """`1,234,567`."""
    return f"{number:,.0f}"


def short(number: float) -> str:
    """`1.2M`."""
    return _scaled(number, ("", "k", "M", "G", "T", "P"))


def money(dollars: float) -> str:
    """`$1,234.50`, and of small amounts two digits that say something: `$0.0012`."""
    if dollars == 0 or abs(dollars) >= 0.1:
        return f"${dollars:,.2f}"
    return f"${dollars:.2g}"


def duration(milliseconds: float) -> str:
    """`350 ms`, `1.2 s`, `3.5 min`."""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    return f"{_digits(seconds)} s" if seconds < 100 else f"{_digits(seconds / 60)} min"


def size(count: float) -> str:
    """`1.2 MB`, in powers of 1,000."""
    return _scaled(count, (" B", " kB", " MB", " GB", " TB", " PB"))


def age(seconds: float) -> str:
    """`40 seconds`, `12 minutes`, `3 hours`, `2 days`."""
    for unit, length, until in (("second", 1, 120), ("minute", 60, 7200), ("hour", 3600, 172_800)):
        if seconds < until:
            return counted(int(seconds / length), unit)
    return counted(int(seconds / 86_400), "day")


def moment(time: datetime) -> str:
    """`2026-11-21 05:00 UTC`."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def known(number: float | None, form: Format) -> str:
    return NOT_KNOWN if number is None else form(number)


def _scaled(number: float, units: tuple[str, ...]) -> str:
    for unit in units[:-1]:
        if abs(number) < 1000:
            return f"{_digits(number)}{unit}"
        number /= 1000
    return f"{_digits(number)}{units[-1]}"


def _digits(number: float) -> str:
    """Three that say something, and never an exponent."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
