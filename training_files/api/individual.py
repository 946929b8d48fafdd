"""The JSON Schema of an individual enriched file as a part of the OpenAPI description."""

from typing import Any, Final

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction
from rest_framework import serializers

from training_files.v4.validation import schema

_NAME: Final = "IndividualFile"  # of the class below, and so of the component
_PAIR: Final = "urn:gleaner:training-files:v4:pair"
_EXAMPLE: Final = {
    "dataset_metadata": {"conversation_id": "first"},
    "training_pairs": [
        {
            "id": "turn1",
            "turn_number": 1,
            "conversation_history": [],
            "current_user_input": "Where do I begin?",
            "target_response": "With one small step.",
            "training_metadata": {"quality_score": 4},
        }
    ],
}
_OUTSIDE: Final = ("$schema", "$id", "$defs")


class IndividualFile(serializers.Serializer[Any]):
    """One enriched conversation. What it may hold is said by v4/schema, which also is what decides."""


class _IndividualFileDescribed(OpenApiSerializerExtension):
    target_class = "training_files.api.individual.IndividualFile"

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        whole, pair = schema("individual"), schema("pair")
        parts = {**pair["$defs"], "pair": _without(pair)}
        found: dict[str, Any] = _moved({**_without(whole), "$defs": parts, "examples": [_EXAMPLE]})
        return found


def _without(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in _OUTSIDE}


def _moved(value: Any) -> Any:
    """With references to where the parts are now."""
    if isinstance(value, dict):
        return {name: _place(inner) if name == "$ref" else _moved(inner) for name, inner in value.items()}
    return [_moved(inner) for inner in value] if isinstance(value, list) else value


def _place(reference: str) -> str:
    _, _, part = reference.rpartition("#/$defs/")
    return f"#/components/schemas/{_NAME}/$defs/{'pair' if reference == _PAIR else part}"
