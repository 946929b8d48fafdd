"""From an answered call to a line in the inbox. Nothing here may raise into the code that made the call."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple

from capture_app import example as examples
from capture_app.blobs import Blob, BlobExtractor, referenced_blobs
from capture_app.conf import capture_settings
from capture_app.context import current_context
from capture_app.example import DEFAULT_TASK, RESERVED_KEY, Example
from capture_app.inbox import get_inbox
from capture_app.messages import Message, build_messages, prompt_text, system_text, to_json_text
from capture_app.metrics import count_capture_failure, note_capture_success
from capture_app.pricing import cost_in_usd
from capture_app.providers.base import Completion, CompletionRequest
from capture_app.redaction import Withheld, redacted
from capture_app.withheld import withhold

logger = logging.getLogger("capture_app")

_MAPPINGS = (dict, Mapping)  # in this order: nearly all are dicts, and an abstract class is slow to ask
# Keys of training_metadata that have a place of their own; every other key is kept as it is.
_RESERVED_KEYS = ("conversation_id", "user_id")
# What of a completion has no column; said only when there is something to say.
_COMPLETION_FACTS = (
    "tool_calls",
    "finish_reason",
    "response_id",
    "request_id",
    "retries",
    "cached_input_tokens",
    "reasoning_tokens",
)
_facts_of = attrgetter(*_COMPLETION_FACTS)  # a loop over getattr costs a microsecond more


class Answer(NamedTuple):
    """An answered call: all that its example is made from."""

    request: CompletionRequest
    completion: Completion
    provider: str
    task: str | None
    training_metadata: Any
    context: Mapping[str, Any] = MappingProxyType({})  # of capture_context, as it was when the call was made
    latency_ms: int | None = None
    time_to_first_token_ms: int | None = None  # of a stream
    cost_usd: float | None = None
    partial: bool = False  # the caller stopped reading a stream, or it was cut off
    marks: Mapping[str, Any] | None = None  # how it came to be asked; see docs/formats.md


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
    cached_input_tokens: int | None = None,
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
            cached_input_tokens=cached_input_tokens,
            finish_reason=finish_reason,
        )
        answer = Answer(
            request,
            completion,
            provider=provider,
            task=task,
            training_metadata={} if training_metadata is None else training_metadata,
            context=current_context(),
            latency_ms=latency_ms,
            cost_usd=cost_in_usd(completion, model),
        )
    except Exception as error:  # the caller's answer is already there; recording it must not take it away
        count_capture_failure(error)
        return None
    return record_answer(answer)


def record_answer(answer: Answer) -> str | None:
    """Append the call to the inbox; its id, or None after a failure, which is logged and counted but never raised."""
    try:
        example_id = _keep(answer)
    except Exception as error:  # a full disk, a hostile value, a wrong setting: none may break the call
        count_capture_failure(error)
        return None
    note_capture_success()
    return example_id


def _keep(answer: Answer) -> str:
    conf = capture_settings()
    extractor = None if answer.request.plain else BlobExtractor(conf.blob_bytes)
    example = build_example(answer, extractor)
    if conf.redact:
        try:
            example = redacted(example, conf.redact)
        except Withheld as error:
            withhold(conf.data_dir, example, extractor.blobs.values() if extractor else (), str(error))
            return example.id
    line = example.to_json_line()
    get_inbox().append(line, _remaining(extractor, line) if extractor else ())
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug("Captured a call.", extra={"example_id": example.id, "task": example.task})
    return example.id


def _remaining(extractor: BlobExtractor, line: bytes) -> Sequence[Blob]:
    """The blobs that the record refers to: redaction may have taken some of them out."""
    if not extractor.blobs:
        return ()
    return [blob for key in referenced_blobs(line) if (blob := extractor.blobs.get(key))]


def build_example(answer: Answer, blobs: BlobExtractor | None) -> Example:
    """The Example of one answered call. Columns from request and answer, the rest under the reserved key.

    Images and files in the messages go to `blobs`, and the example refers to them; a plain prompt needs none.
    """
    request, completion = answer.request, answer.completion
    system, prompt = request.plain or (system_text(request.messages), prompt_text(request.messages))
    settings = request.settings()
    own, reserved = _split_metadata(answer.training_metadata, answer.context)
    slot_specs = own.pop("slot_specs", None)
    if slot_specs is not None and not isinstance(slot_specs, Mapping):
        reserved["slot_specs"], slot_specs = slot_specs, None
    own_task = own.pop("task", None)
    model = completion.model or request.model
    reserved.update(_call_facts(answer))
    if blobs is not None:
        reserved.update(_conversation(request, blobs))
    reserved.update(settings)
    return Example(
        id=examples.new_example_id(),
        task=str(answer.task or own_task or DEFAULT_TASK),
        prompt_text=prompt,
        system_prompt=system,
        response_strong=completion.text or (to_json_text(completion.tool_calls) if completion.tool_calls else ""),
        metadata={**own, RESERVED_KEY: reserved},
        slot_specs=slot_specs or {},
        llm_signature=examples.llm_signature(answer.provider, model, settings),
        provider=answer.provider,
        model_name=model,
        input_tokens=completion.input_tokens,
        output_tokens=completion.output_tokens,
        latency_ms=answer.latency_ms,
        created_at=datetime.now(UTC),
        prompt_hash=examples.prompt_hash(system, prompt),
    )


def _split_metadata(training_metadata: Any, context: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The caller's own keys, and those that go under the reserved key. What is no mapping is kept there whole.

    The context fills in what the call does not say.
    """
    own: dict[str, Any] = {}
    reserved: dict[str, Any] = {}
    if not isinstance(training_metadata, _MAPPINGS):
        reserved["training_metadata"], training_metadata = training_metadata, {}
    for key, value in ({**context, **training_metadata} if context else training_metadata).items():
        if key in _RESERVED_KEYS:
            reserved[key] = value
        else:
            own[key] = value
    if RESERVED_KEY in own:  # ours by contract; theirs is kept beside it
        reserved["training_metadata"] = {RESERVED_KEY: own.pop(RESERVED_KEY)}
    return own, reserved


def _call_facts(answer: Answer) -> dict[str, Any]:
    """What the columns cannot hold of the answer."""
    completion = answer.completion
    facts = {name: fact for name, fact in zip(_COMPLETION_FACTS, _facts_of(completion), strict=True) if fact}
    if answer.request.model and completion.model != answer.request.model:
        facts["requested_model"] = answer.request.model
    if answer.time_to_first_token_ms is not None:
        facts["time_to_first_token_ms"] = answer.time_to_first_token_ms
    if answer.cost_usd is not None:
        facts["cost_usd"] = answer.cost_usd
    if answer.partial:
        facts["partial"] = True
    if answer.marks:
        facts.update(answer.marks)
    return facts


def _conversation(request: CompletionRequest, blobs: BlobExtractor) -> dict[str, Any]:
    """What the columns cannot hold of the question. A plain prompt is not stored twice."""
    if _are_plain(request.messages):
        return {}
    messages = blobs.take_out_of(request.messages)
    return {"messages": messages, "blobs": blobs.facts} if blobs.facts else {"messages": messages}


def _are_plain(messages: Sequence[Message]) -> bool:
    """Whether the columns system_prompt and prompt_text give these messages back."""
    return [*messages] == build_messages(prompt_text(messages), None, system_text(messages))
