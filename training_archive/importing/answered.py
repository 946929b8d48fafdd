"""A call that another tool recorded, made into an example by the same rules as a captured one."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

from capture_app.blobs import BlobExtractor
from capture_app.example import storable
from capture_app.messages import content_text
from capture_app.providers.base import Completion, CompletionRequest
from capture_app.recorder import Answer, build_example
from training_archive.importing.identity import example_id, origin_of, with_origin
from training_archive.importing.reading import IdOf, Result, Source, Unreadable

UNKNOWN: Final = "unknown"  # a provider or a model that the source does not name

Message = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class AnsweredCall:
    """What the source says of one call. What it does not say is empty or None."""

    messages: Sequence[Message]  # all before the answer
    answer: Message  # the assistant's, in OpenAI's chat form
    provider: str = UNKNOWN
    model: str = ""
    source_id: str | None = None
    content: Any = None  # what an id is made from without a source_id
    created_at: datetime | None = None
    task: str = ""
    tools: Sequence[Mapping[str, Any]] = ()
    response_format: Mapping[str, Any] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    input_tokens: int | None = None  # includes cached ones
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    finish_reason: str | None = None
    response_id: str | None = None
    latency_ms: int | None = None
    time_to_first_token_ms: int | None = None
    cost_usd: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)  # the caller's own, conversation_id and user_id
    origin: Mapping[str, Any] = field(default_factory=dict)  # what else to note of where it came from


def result_of(place: str, call: AnsweredCall, source: Source) -> Result:
    """The call's example. Raises Unreadable when it has no prompt or no answer."""
    if not call.messages:
        raise Unreadable("it has no prompt")
    text, calls = answer_text(call.answer), tool_calls(call.answer)
    if not text and not calls:
        raise Unreadable("it has no answer")
    blobs = BlobExtractor(source.blob_bytes)
    example = build_example(_answer(call, text, calls, source), blobs)
    new_id = example_id(source.format, call.source_id, call.content)
    origin = origin_of(
        source,
        id=None if new_id == call.source_id else call.source_id,
        dated_by_file=None if call.created_at else True,
        **call.origin,
    )
    example = example._replace(
        id=new_id,
        created_at=call.created_at or source.dated,
        metadata=with_origin(storable(example.metadata), storable(origin)),
    )
    id_of = IdOf.NOBODY if call.source_id in (None, "") else IdOf.THEIRS
    return Result(place, example, [*blobs.blobs.values()], id_of=id_of)


def _answer(call: AnsweredCall, text: str, calls: list[Message], source: Source) -> Answer:
    model = call.model or UNKNOWN
    request = CompletionRequest(
        model=model,
        messages=call.messages,
        tools=call.tools,
        response_format=call.response_format,
        parameters=call.parameters,
    )
    completion = Completion(
        text=text,
        model=model,
        tool_calls=calls,
        input_tokens=call.input_tokens,
        output_tokens=call.output_tokens,
        cached_input_tokens=call.cached_input_tokens,
        reasoning_tokens=call.reasoning_tokens,
        finish_reason=call.finish_reason,
        response_id=call.response_id,
    )
    return Answer(
        request,
        completion,
        provider=call.provider,
        task=source.task or call.task or None,
        training_metadata=call.metadata,
        latency_ms=call.latency_ms,
        time_to_first_token_ms=call.time_to_first_token_ms,
        cost_usd=call.cost_usd,
    )


def answer_text(answer: Message) -> str:
    """What the assistant said; its refusal, when it only refused."""
    said = {name: value for name, value in answer.items() if name != "tool_calls"}
    refusal = answer.get("refusal")
    return content_text(said) or (refusal if isinstance(refusal, str) else "")


def tool_calls(answer: Message) -> list[Message]:
    """The calls that the assistant made. Raises Unreadable when they are no list of objects."""
    calls = answer.get("tool_calls")
    if not calls:
        return []
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise Unreadable("its tool calls are malformed")
    return calls


def checked_messages(messages: Any) -> list[Message]:
    """The messages as a list of objects with roles. Raises Unreadable."""
    if not isinstance(messages, list):
        raise Unreadable("its messages are no list")
    if not all(isinstance(message, dict) and isinstance(message.get("role"), str) for message in messages):
        raise Unreadable("a message is no object with a role")
    return messages


def checked_tools(tools: Any) -> list[dict[str, Any]]:
    """The tools of a call; a training set may have them as text. Raises Unreadable."""
    if isinstance(tools, str):
        tools = json_in(tools, "its tools are malformed")
    tools = tools or []
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise Unreadable("its tools are malformed")
    return tools


def json_in(text: str, problem: str) -> Any:
    """The value of the JSON; of a blank text, None. Raises Unreadable with the problem."""
    try:
        return orjson.loads(text) if text.strip() else None
    except orjson.JSONDecodeError as error:
        raise Unreadable(problem) from error


def count(value: Any) -> int | None:
    """A number of tokens, or None for what is none."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
        return int(value)
    is_whole = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**63
    return int(value) if is_whole and value == int(value) else None


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
