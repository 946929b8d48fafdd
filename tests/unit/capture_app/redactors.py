"""Redactors, good and bad, for TRAINING_CAPTURE["REDACT"]."""

from typing import Any

from capture_app.example import Example

SECRET = "ann@example.org"


def clear(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(SECRET, "[mail]")
    if isinstance(value, dict):
        return {clear(key): clear(item) for key, item in value.items()}
    return [clear(item) for item in value] if isinstance(value, list) else value


def everywhere(example: Example) -> Example:
    return Example(*(clear(field) for field in example))


def in_place(example: Example) -> Example:
    """Changes what it is given, as careless code does."""
    for message in example.metadata["gleaner"].get("messages", ()):
        message["content"] = "[gone]"
        message.pop("name", None)
    example.metadata["gleaner"].pop("parameters", None)
    example.slot_specs.clear()  # type: ignore[attr-defined]  # a redactor that does wrong
    return example._replace(prompt_text="[gone]")


def without_messages(example: Example) -> Example:
    reserved = {key: item for key, item in example.metadata["gleaner"].items() if key not in ("messages", "blobs")}
    return example._replace(metadata={**example.metadata, "gleaner": reserved})


def new_id(example: Example) -> Example:
    return example._replace(id="mine", prompt_hash="mine")


def fails(example: Example) -> Example:
    raise ValueError(f"cannot read {example.prompt_text} nor {example.response_strong}")


def fails_with_a_chain(example: Example) -> Example:
    try:
        raise KeyError(example.prompt_text)
    except KeyError as error:
        raise RuntimeError(example.prompt_text) from error


def gives_none(example: Example) -> Any:
    return None


def gives_a_tuple(example: Example) -> Any:
    return tuple(example)


def gives_the_text(example: Example) -> Any:
    return example.prompt_text


def odd_fields(example: Example) -> Any:
    return example._replace(prompt_text=None, metadata=None, created_at="x")  # type: ignore[arg-type]  # likewise


async def awaits(example: Example) -> Example:
    return example


def exits(example: Example) -> Example:
    raise SystemExit(example.prompt_text)
