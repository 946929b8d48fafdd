"""How figures read."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from console.figures.numbers import NOT_KNOWN, age, duration, known, moment, money, short, size, whole


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (whole(1234567), "1,234,567"),
        (short(950), "950"),
        (short(999.6), "1,000"),
        (short(1_250_000), "1.25M"),
        (money(0), "$0.00"),
        (money(1234.5), "$1,234.50"),
        (money(0.25), "$0.25"),
        (money(0.00123), "$0.0012"),
        (money(0.000001), "$1e-06"),
        (duration(0), "0 ms"),
        (duration(350), "350 ms"),
        (duration(1234), "1.23 s"),
        (duration(180_000), "3 min"),
        (size(999), "999 B"),
        (size(1_500_000), "1.5 MB"),
        (size(10**19), "10,000 PB"),
        (age(1), "1 second"),
        (age(119), "119 seconds"),
        (age(180), "3 minutes"),
        (age(7200), "2 hours"),
        (age(86_400 * 3), "3 days"),
        (known(None, whole), NOT_KNOWN),
        (known(0, whole), "0"),
    ],
)
def test_numbers_are_short_and_tell_their_unit(found: str, expected: str) -> None:
    assert found == expected


def test_times_are_in_utc_and_say_so() -> None:
    elsewhere = datetime(2026, 3, 1, 5, tzinfo=timezone(timedelta(hours=-6)))

    assert moment(elsewhere) == moment(elsewhere.astimezone(UTC)) == "2026-03-01 11:00 UTC"
