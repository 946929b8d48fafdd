"""From an answered call to a line in the inbox. Nothing here may raise into the code that made the call."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from capture_app import example as examples
from capture_app.example import DEFAULT_TASK, RESERVED_KEY, Example
from capture_app.inbox import get_inbox
from capture_app.messages import Message, build_messages, prompt_text, system_text, to_json_text
from capture_app.metrics import count_capture_failure, note_capture_success
from capture_app.providers.base import Completion, CompletionRequest

# Keys of training_metadata that have a place of their own; every other key is kept as it is.
_RESERVED_KEYS = ("conversation_id", "user_id")
# What of a completion has no column; said only when there is something to say.
_COMPLETION_FACTS = ("tool_calls", "finish_reason", "response_id", "cached_input_tokens", "reasoning_tokens")


def record_example(
    *,
    provider: str,
    model: str,
    prompt: str | None = None,
    messages: Sequence[Message] | None = None,
    system_prompt: str | None = None,
    response: str = "",
    tool_calls: Sequence[Mapping[str, Any]] = (),
    task: str | None = None,
    tools: Sequence[Mapping[str, Any]] = (),
    response_format: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    latency_ms: int | None = None,
    finish_reason: str | None = None,
    training_metadata: Mapping[str, Any] | None = None,
) -> str | None:
    """Record a call that other code made with an SDK of its own.

    Returns the example's id once its record is in the inbox, or None when it could not be kept: that is logged and
    counted, and never raised.
    """
    try:
        request = CompletionRequest(
            model=model,
            messages=build_messages(prompt, messages, system_prompt),
            tools=tools,
            response_format=response_format,
            parameters=parameters or {},
            plain=None if prompt is None else (system_prompt or "", prompt),
        )
        completion = Completion(
            text=response,
            model=model,
            tool_calls=[dict(call) for call in tool_calls],
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            finish_reason=finish_reason,
        )
    except Exception as error:  # the caller's answer is already there; recording it must not take it away
        count_capture_failure(error)
        return None
    return record_answer(
        request,
        completion,
        provider=provider,
        task=task,
        latency_ms=latency_ms,
        training_metadata={} if training_metadata is None else training_metadata,
    )


def record_answer(
    request: CompletionRequest,
    completion: Completion,
    *,
    provider: str,
    task: str | None,
    latency_ms: int | None,
    training_metadata: Any,
    partial: bool = False,
) -> str | None:
    """Append the call to the inbox; its id, or None after a failure, which is logged and counted but never raised."""
    try:
        example = build_example(
            request,
            completion,
            provider=provider,
            task=task,
            latency_ms=latency_ms,
            training_metadata=training_metadata,
            partial=partial,
        )
        get_inbox().append(example.to_json_line())
    except Exception as error:  # a full disk, a hostile value, a wrong setting: none may break the call
        count_capture_failure(error)
        return None
    note_capture_success()
    return example.id


def build_example(
    request: CompletionRequest,
    completion: Completion,
    *,
    provider: str,
    task: str | None,
    latency_ms: int | None,
    training_metadata: Any,
    partial: bool,
) -> Example:
    """The Example of one answered call. Columns from request and answer, the rest under the reserved key."""
    system, prompt = request.plain or (system_text(request.messages), prompt_text(request.messages))
    settings = request.settings()
    own, reserved = _split_metadata(training_metadata)
    slot_specs = own.pop("slot_specs", None)
    if slot_specs is not None and not isinstance(slot_specs, Mapping):
        reserved["slot_specs"], slot_specs = slot_specs, None
    own_task = own.pop("task", None)
    model = completion.model or request.model
    _add_call_facts(reserved, request, completion, partial)
    reserved.update(settings)
    return Example(
        id=examples.new_example_id(),
        task=str(task or own_task or DEFAULT_TASK),
        prompt_text=prompt,
        system_prompt=system,
        response_strong=completion.text or (to_json_text(completion.tool_calls) if completion.tool_calls else ""),
        metadata={**own, RESERVED_KEY: reserved},
        slot_specs=slot_specs or {},
        llm_signature=examples.llm_signature(provider, model, settings),
        provider=provider,
        model_name=model,
        input_tokens=completion.input_tokens,
        output_tokens=completion.output_tokens,
        latency_ms=latency_ms,
        created_at=datetime.now(UTC),
        prompt_hash=examples.prompt_hash(system, prompt),
    )


def _split_metadata(training_metadata: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The caller's own keys, and those that go under the reserved key. What is no mapping is kept there whole."""
    if not isinstance(training_metadata, Mapping):
        return {}, {"training_metadata": training_metadata}
    own: dict[str, Any] = {}
    reserved: dict[str, Any] = {}
    for key, value in training_metadata.items():
        if key in _RESERVED_KEYS:
            reserved[key] = value
        else:
            own[key] = value
    if RESERVED_KEY in own:  # ours by contract; theirs is kept beside it
        reserved["training_metadata"] = {RESERVED_KEY: own.pop(RESERVED_KEY)}
    return own, reserved


def _add_call_facts(facts: dict[str, Any], request: CompletionRequest, completion: Completion, partial: bool) -> None:
    """What the columns cannot hold. A plain prompt is not stored twice."""
    for name in _COMPLETION_FACTS:
        fact = getattr(completion, name)
        if fact:
            facts[name] = fact
    if request.model and completion.model != request.model:
        facts["requested_model"] = request.model
    if not (request.plain or _are_plain(request.messages)):
        facts["messages"] = request.messages
    if partial:
        facts["partial"] = True


def _are_plain(messages: Sequence[Message]) -> bool:
    """Whether the columns system_prompt and prompt_text give these messages back."""
    return [*messages] == build_messages(prompt_text(messages), None, system_text(messages))
