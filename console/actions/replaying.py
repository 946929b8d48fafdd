"""A recorded call, sent again over another route, and the two answers beside each other.

What is sent is what was stored: after redaction, if the project has one. Tools are offered to the model as they were;
nothing here ever runs one. Nothing is kept of the new answer unless it is captured.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from capture_app import acall_llm
from capture_app.conf import capture_settings
from capture_app.example import RESERVED_KEY
from capture_app.exceptions import CaptureConfigurationError
from capture_app.messages import Message, build_messages, content_text, to_json_text
from capture_app.responses import LLMResponse
from capture_app.routes import resolve_route
from console.actions.exceptions import CannotReplay
from training_archive.exports.formats.base import Refused
from training_archive.exports.formats.blob_content import BlobContent
from training_archive.exports.formats.conversation import facts_of_blobs
from training_archive.exports.formats.messages import checked_messages, checked_tools

SECONDS: Final = 60  # that a page waits for an answer
BY_TASK: Final = "task"  # choices of a route
DEFAULT: Final = "default"
ALIAS: Final = "alias:"

# What shapes an answer. Others say who asks, or go to the HTTP client; a record that came from elsewhere may hold any.
_PARAMETERS: Final = {
    *("temperature", "top_p", "top_k", "seed", "stop", "max_tokens", "max_completion_tokens", "reasoning_effort"),
    *("frequency_penalty", "presence_penalty", "logit_bias", "verbosity", "tool_choice", "parallel_tool_calls"),
}
_WORDS_OF_AN_ERROR: Final = 500  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCall:
    """What was sent, as it can be sent again, and what came."""

    example_id: str
    task: str
    messages: Sequence[Message]
    answer: str
    tools: Sequence[Message]
    response_format: Mapping[str, Any] | None
    parameters: Mapping[str, Any]
    not_sent: tuple[str, ...]  # names of parameters that are left out
    is_partial: bool
    slot_specs: Mapping[str, Any]
    whose: Mapping[str, Any] = field(default_factory=dict)  # conversation_id and user_id

    @property
    def turns(self) -> list[tuple[str, str]]:
        """Role and text of each message, to look at. Images and files are named in brackets."""
        return [(str(message.get("role", "")), content_text(message)) for message in self.messages]


def recorded_call(example: Mapping[str, Any]) -> RecordedCall:
    """The call that an example holds: its columns, JSON as text. Raises CannotReplay when it cannot be sent again."""
    metadata = _object(example.get("metadata"))
    reserved = _object(metadata.get(RESERVED_KEY))
    parameters = _object(reserved.get("parameters"))
    try:
        messages = _messages(example, metadata, reserved)
        tools = checked_tools(reserved.get("tools"))
    except (Refused, ValueError) as error:
        raise CannotReplay(f"This call cannot be sent again: {error}. Nothing was sent.") from error
    response_format = reserved.get("response_format")
    return RecordedCall(
        example_id=str(example["id"]),
        task=str(example.get("task") or ""),
        messages=messages,
        answer=str(example.get("response_strong") or ""),
        tools=tools,
        response_format=response_format if isinstance(response_format, dict) else None,
        parameters={name: value for name, value in parameters.items() if name in _PARAMETERS},
        not_sent=tuple(sorted(set(parameters) - _PARAMETERS)),
        is_partial=bool(reserved.get("partial")),
        slot_specs=_object(example.get("slot_specs")),
        whose={name: reserved[name] for name in ("conversation_id", "user_id") if reserved.get(name)},
    )


def _messages(example: Mapping[str, Any], metadata: Mapping[str, Any], reserved: Mapping[str, Any]) -> list[Message]:
    given = reserved.get("messages")
    if given is None:
        return build_messages(str(example.get("prompt_text") or ""), None, str(example.get("system_prompt") or ""))
    blobs = BlobContent(capture_settings().data_dir, facts_of_blobs({"metadata": metadata}))
    return [*blobs.put_into(checked_messages(given))]


def _object(value: Any) -> dict[str, Any]:
    """What is no object says nothing: the record may come from elsewhere."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return {}
    return value if isinstance(value, dict) else {}


def route_choices(task: str) -> list[tuple[str, str]]:
    """What can be asked, each with provider and model; for a form."""
    conf = capture_settings()
    choices = [(BY_TASK, f"as its task is routed now: {_route(task=task, model=None)}")]
    if conf.default_model:
        choices.append((DEFAULT, f"the default: {_route(task=None, model=conf.default_model)}"))
    return choices + [(ALIAS + name, f"{name}: {_route(task=None, model=name)}") for name in sorted(conf.routes)]


def _route(*, task: str | None, model: str | None) -> str:
    try:
        route = resolve_route(task=task, model=model)
    except CaptureConfigurationError:
        return "its provider is not configured"
    return f"{route.provider}, {route.model or 'its own default model'}"


def model_of(choice: str, model: str) -> str | None:
    """What `call_llm` is to be given as `model` for the form's choice of a route, or a model's name that was typed."""
    if model:
        return model
    if choice == DEFAULT:
        return capture_settings().default_model
    return choice.removeprefix(ALIAS) if choice.startswith(ALIAS) else None


def replay(call: RecordedCall, *, model: str | None, captured: bool) -> LLMResponse:
    """The answer to the same call over another route. Raises CannotReplay, also when none comes within SECONDS.

    A captured one has `replay_of` in its metadata, and the conversation and user of the first: whoever is forgotten is
    forgotten in both.
    """
    metadata = {"replay_of": call.example_id, "slot_specs": call.slot_specs, **call.whose} if captured else None

    async def ask() -> LLMResponse:
        async with asyncio.timeout(SECONDS):
            return await acall_llm(
                messages=call.messages,
                task=call.task or None,
                model=model,
                tools=call.tools,
                response_format=call.response_format,
                parameters=call.parameters,
                training_metadata=metadata,
            )

    try:
        # A context of its own: what the project's middleware says of this request is not said of the call.
        return Context().run(asyncio.run, ask())
    except TimeoutError as error:
        raise CannotReplay(f"No answer came within {SECONDS} seconds, and the call was given up.") from error
    except Exception as error:  # a provider may raise anything; the page says what, and goes on
        raise CannotReplay(f"{type(error).__name__}: {str(error)[:_WORDS_OF_AN_ERROR]}") from error


def answer_of(response: LLMResponse) -> str:
    """As response_strong would have it."""
    return response.text or (to_json_text(response.tool_calls) if response.tool_calls else "")
