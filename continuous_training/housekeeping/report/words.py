"""How figures read in a report."""

from datetime import UTC, datetime
from typing import Final

UNKNOWN: Final = "not known"


def money(dollars: float | None) -> str:
    """`$1,234.50`, and of small amounts two digits that say something: `$0.0012`."""
    if dollars is None:
        return UNKNOWN
    sign, amount = ("\N{MINUS SIGN}" if dollars < 0 else ""), abs(dollars)
    return f"{sign}${amount:,.2f}" if amount == 0 or amount >= 0.1 else f"{sign}${amount:.2g}"


def duration(milliseconds: float | None) -> str:
    if milliseconds is None:
        return UNKNOWN
    return f"{milliseconds:,.0f} ms" if milliseconds < 10_000 else f"{milliseconds / 1000:,.0f} s"


def moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def score(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def compact(number: float) -> str:
    """`950`, `17.8 million`."""
    for name, size in (("billion", 1e9), ("million", 1e6)):
        if number >= size:
            return f"{number / size:,.1f} {name}"
    return f"{number:,.0f}"
