"""Places in the list: the time and the id of an example, and what lies beyond."""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Self

from django.db.models import BooleanField, DateTimeField, F, Func, TextField, Value

from capture_app.models import ExampleIndex

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MOST_CHARACTERS: Final = 1000


class Place(NamedTuple):
    """Examples are in the order of their places."""

    at: datetime  # aware
    id: str

    @classmethod
    def of(cls, example: ExampleIndex) -> Self:
        return cls(example.created_at, example.pk)

    @property
    def token(self) -> str:
        """The place, for an address."""
        name = base64.urlsafe_b64encode(self.id.encode("utf-8", "surrogatepass")).decode().rstrip("=")
        return f"{(self.at - _EPOCH) // _MICROSECOND}.{name}"

    @classmethod
    def from_token(cls, token: str) -> Self | None:
        """None for what is no token: addresses may say anything."""
        moment, _, name = token.partition(".")
        if len(token) > _MOST_CHARACTERS or not moment.lstrip("-").isdecimal() or not moment.isascii():
            return None
        try:
            at = _EPOCH + int(moment) * _MICROSECOND
            found = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()
        except (binascii.Error, ValueError, OverflowError):
            return None
        return None if "\0" in found else cls(at, found)


def beyond(place: Place, *, later: bool) -> Func:
    """A condition on ExampleIndex: after the place in time, or before it."""
    return _compared(place, ">" if later else "<")


def up_to(place: Place, *, later: bool) -> Func:
    """What lies on this side of a place that is later, or earlier, with the place itself."""
    return _compared(place, "<=" if later else ">=")


def _compared(place: Place, operator: str) -> Func:
    """`(created_at, id) < (…, …)`: one comparison, which an index serves whole; conditions joined by OR it does not."""
    values = Value(place.at, output_field=DateTimeField()), Value(place.id, output_field=TextField())
    sides = _Row(F("created_at"), F("id")), _Row(*values)
    return Func(*sides, template="%(expressions)s", arg_joiner=f" {operator} ", output_field=BooleanField())


class _Row(Func):
    """SQL's row of values."""

    template = "(%(expressions)s)"
    output_field = TextField()
