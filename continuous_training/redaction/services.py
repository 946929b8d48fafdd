"""Redaction by the settings: of a text, and of an example as the hook of capture."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from django.core.signals import setting_changed

from capture_app.example import RESERVED_KEY, Example, prompt_hash
from continuous_training.conf import SETTING
from continuous_training.redaction.redactor import Redactor
from continuous_training.redaction.settings import redaction_settings
from continuous_training.redaction.spans import Redacted

if TYPE_CHECKING:
    from continuous_training.redaction.engine import Engine

# By these others find the example, its conversation or its user again; none is a text that anybody wrote.
_KEPT: Final = frozenset(
    (
        *("conversation_id", "user_id", "session_id", "request_id", "response_id", "trace_id", "span_id", "example_id"),
        *("task", "blobs", "requested_model", "finish_reason"),
    )
)
_TEXTS: Final = ("system_prompt", "prompt_text", "response_strong", "slot_specs", "metadata")


def new_redactor() -> Redactor:
    """A Redactor by the settings, for the texts of one example."""
    return Redactor(_engine())


def redact_text(text: str) -> Redacted:
    """`text` by itself, by the settings. For several texts of one example, take `new_redactor()`."""
    return new_redactor().redact(text)


def redact_example(example: Example) -> Example:
    """The example with all its texts redacted, the same value by the same placeholder in all of them.

    Texts are prompt, system prompt, answer, slot_specs, and what metadata holds: the conversation, tool calls, tools,
    the caller's own values. Ids of metadata stay, and so do keys and numbers. For TRAINING_CAPTURE["REDACT"].
    """
    redactor = new_redactor()
    texts = [getattr(example, name) for name in _TEXTS]
    redactor.reserve_value(texts)
    system, prompt, answer, slot_specs, metadata = (
        *(redactor.redact_value(text) for text in texts[:-1]),
        _redacted_metadata(redactor, example.metadata),
    )
    return example._replace(
        system_prompt=system,
        prompt_text=prompt,
        response_strong=answer,
        slot_specs=slot_specs,
        metadata=metadata,
        prompt_hash=prompt_hash(system or "", prompt or ""),
    )


def _redacted_metadata(redactor: Redactor, metadata: Mapping[str, Any]) -> dict[str, Any]:
    redacted = {
        key: value if key in _KEPT else redactor.redact_value(value, key)
        for key, value in metadata.items()
        if key != RESERVED_KEY
    }
    reserved = metadata.get(RESERVED_KEY)
    if isinstance(reserved, Mapping):
        return {**redacted, RESERVED_KEY: _redacted_metadata(redactor, reserved)}
    return redacted if reserved is None else {**redacted, RESERVED_KEY: redactor.redact_value(reserved)}


@cache
def _engine() -> "Engine":
    from continuous_training.redaction.engine import make_engine  # a while to import, and most processes never redact

    conf = redaction_settings()
    return make_engine(
        rules=conf.rules,
        regions=conf.regions,
        allowed=conf.allow,
        allowed_patterns=conf.allow_patterns,
        names=conf.ner,
    )


def _forget_engine(*, setting: str, **kwargs: Any) -> None:
    if setting == SETTING:
        _engine.cache_clear()


setting_changed.connect(_forget_engine, dispatch_uid="continuous_training.redaction")
