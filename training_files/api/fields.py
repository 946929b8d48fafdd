"""Fields that take exactly what the OpenAPI description says of them, and nothing that only looks like it."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from typing import Any, ClassVar, Final

from django.core.validators import MaxLengthValidator, MinLengthValidator
from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction
from rest_framework import serializers

from capture_app.judged_values import NAME_CHARACTERS
from training_files.conf import training_files_settings
from training_files.v4.validation import schema

# Neither control characters nor line breaks nor what turns the direction of text, and not only blanks.
_UNWANTED: Final = r"\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_LINE: Final = rf"^[^{_UNWANTED}]*[^\s{_UNWANTED}][^{_UNWANTED}]*$"
_NO_NUL: Final = r"^[^\u0000]*$"

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_WHOLE: Final = re.compile(r"-?\d{1,18}", re.ASCII)
_NUMBER: Final = re.compile(r"-?\d{1,18}(\.\d{1,18})?([eE][+-]?\d{1,3})?", re.ASCII)


class Text(serializers.CharField):
    """A text as it is, without NUL. No number is taken for one."""

    pattern = _NO_NUL

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **options})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if self.max_length is not None and len(data) > self.max_length:  # a pattern may take the square of it
            self.fail("max_length", max_length=self.max_length)
        if not re.search(self.pattern.removesuffix("$") + r"\Z", data):
            self.fail("invalid")
        return str(data)


class Line(Text):
    """A text on one line, such as a name."""

    pattern = _LINE
    default_error_messages = {"invalid": "Not a text on one line, without control characters and not blank."}


class ConversationId(Text):
    """As the format allows them."""

    pattern = schema("pair")["$defs"]["id"]["pattern"]
    default_error_messages = {"invalid": "Not an id: a text without control characters, and not blank."}


class ConversationIds(serializers.ListField):
    """From 1 conversation to as many as `most` says, by default as the setting allows at once; each once."""

    default_error_messages = {"twice": "Each conversation may be named once."}

    def __init__(self, *, most: int | Callable[[], int] | None = None, **options: Any) -> None:
        super().__init__(child=ConversationId(max_length=NAME_CHARACTERS), **options)
        # The setting is read when it is needed.
        self.validators += [MinLengthValidator(1), MaxLengthValidator(most or _most_conversations)]

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, list):
            self.run_validators(data)  # before it looks at each: a body has room for millions
        found: list[Any] = super().to_internal_value(data)
        if len(set(found)) < len(found):
            self.fail("twice")
        return found


def _most_conversations() -> int:
    return training_files_settings().conversations_per_request


class Flag(serializers.BooleanField):
    """true or false."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return bool(data)


class Score(serializers.FloatField):
    """A number, finite as all that JSON has."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return float(data)


class Choice(serializers.ChoiceField):
    """One of some texts."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or data not in self.choices:
            self.fail("invalid_choice", input=data)
        return data


# --- In a query, where everything is a text ----------------------------------------------------------------------


class WholeInQuery(serializers.IntegerField):
    """Digits."""

    def to_internal_value(self, data: Any) -> int:
        if not _WHOLE.fullmatch(data):
            self.fail("invalid")
        return int(data)


class NumberInQuery(serializers.FloatField):
    """A number as JSON writes it."""

    def to_internal_value(self, data: Any) -> float:
        if not _NUMBER.fullmatch(data) or not math.isfinite(float(data)):
            self.fail("invalid")
        return float(data)


class Since(serializers.CharField):
    """A date, or a time of RFC 3339; a date is its first moment in UTC."""

    default_error_messages = {"invalid": "Neither a date such as 2026-01-31 nor a time such as 2026-01-31T12:00:00Z."}

    def to_internal_value(self, data: Any) -> datetime:  # type: ignore[override]  # it takes a text and gives a time
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            if _DATE.fullmatch(data):
                return datetime.combine(date.fromisoformat(data), time.min, UTC)
            return _utc(datetime.fromisoformat(data))
        except ValueError:
            self.fail("invalid")


def _utc(moment: datetime) -> datetime:
    """ValueError for one without an offset. What UTC can no more express is as far away as time goes."""
    if moment.tzinfo is None:
        raise ValueError
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        edge = datetime.min if moment.year == 1 else datetime.max
        return edge.replace(tzinfo=UTC)


# --- In an answer ------------------------------------------------------------------------------------------------


class Moment(serializers.DateTimeField):
    """In UTC, whatever the project's time zone and formats are."""

    def to_representation(self, value: datetime) -> str:
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Number(serializers.FloatField):
    """As it is: 3 stays 3."""

    def to_representation(self, value: Any) -> Any:
        return value


class Counts(serializers.DictField):
    """How many by key."""

    child = serializers.IntegerField()

    def to_representation(self, value: Any) -> dict[str, int]:
        return dict(value)


# --- What takes a request ----------------------------------------------------------------------------------------


class Asked(serializers.Serializer[Any]):
    """The fields of a request. One that is not known is an error: it may be a misspelt one."""

    keywords: ClassVar[Mapping[str, Any]] = {}  # of its JSON Schema, beside those that its fields give
    may_be_missing: ClassVar[bool] = False  # a request without a body is as one with {}

    default_error_messages = {"not_an_object": "Must be a JSON object."}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise serializers.ValidationError({"": [self.error_messages["not_an_object"]]})
        unknown = sorted(set(data) - set(self.fields))
        if unknown:
            known = ", ".join(self.fields) or "none"
            raise serializers.ValidationError({unknown[0][:100]: [f"Is not known here; there are: {known}."]})
        return super().to_internal_value(data)


# --- How they are described --------------------------------------------------------------------------------------


class _AskedDescribed(OpenApiSerializerExtension):
    target_class = "training_files.api.fields.Asked"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        known = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return {**known, "additionalProperties": False, **self.target.keywords}


class _TextDescribed(OpenApiSerializerFieldExtension):
    target_class = "training_files.api.fields.Text"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        limits = {"minLength": 0 if self.target.allow_blank else 1, "maxLength": self.target.max_length}
        known = {name: value for name, value in limits.items() if value}
        described = {"type": "string", "pattern": self.target.pattern, **known}
        # Of a text that may be empty, drf-spectacular would make a choice of which "" fits both.
        return {"allOf": [described]} if self.target.allow_blank else described


class _IdsDescribed(OpenApiSerializerFieldExtension):
    target_class = "training_files.api.fields.ConversationIds"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        known = auto_schema._map_serializer_field(self.target, direction, bypass_extensions=True)
        return {**known, "uniqueItems": True}


class _SinceDescribed(OpenApiSerializerFieldExtension):
    target_class = "training_files.api.fields.Since"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]}
