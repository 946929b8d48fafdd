"""The Responses API, told in the terms of chat: one form for everything downstream."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Unpack

from capture_app.exceptions import UnexpectedAnswer
from capture_app.messages import Message
from capture_app.openai_api.facts import HTTPFacts, Usage
from capture_app.providers.base import Completion, CompletionRequest, StreamDelta, ToolCallDelta

_APART: Final = ("model", "input", "instructions", "tools", "stream", "stream_options")
_TEXT_PARTS: Final = ("input_text", "output_text", "text")
# Why an answer stopped short, in chat's words.
_REASONS: Final = {"max_output_tokens": "length"}
_ANSWERED: Final = ("completed", "incomplete")
_ENDED: Final = ("response.completed", "response.incomplete")
_CALLS: Final = ("function_call", "custom_tool_call")
_CALL_DELTAS: Final = ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta")
_FAILED: Final = ("response.failed", "error")


def request_from(body: Mapping[str, Any]) -> CompletionRequest:
    """The request that was sent as `body`. A `previous_response_id` stays among its parameters."""
    text = body.get("text")
    response_format = text.get("format") if isinstance(text, Mapping) else None
    return CompletionRequest(
        model=str(body.get("model") or ""),
        messages=[*_instructions(body.get("instructions")), *_messages(body.get("input"))],
        tools=[_tool(tool) for tool in body.get("tools") or ()],
        response_format=_response_format(response_format) if response_format else None,
        parameters={key: value for key, value in body.items() if key not in _APART and value is not None},
    )


def completion_from(answer: Any) -> Completion:
    """A Response as a completion; raises UnexpectedAnswer when it failed, or has not been answered yet."""
    status = getattr(answer, "status", None) or "completed"
    if status not in _ANSWERED or getattr(answer, "output", None) is None:
        raise UnexpectedAnswer(f"The provider answered with a response that is {status}. There is no example.")
    calls = [_tool_call(item) for item in answer.output if item.type in _CALLS]
    return Completion(
        text="".join(_texts(answer.output)),
        tool_calls=calls,
        model=answer.model or "",
        finish_reason=_finish_reason(answer, bool(calls)),
        response_id=answer.id,
        **_usage(answer.usage),
    )


def delta_from(event: Any, **facts: Unpack[HTTPFacts]) -> StreamDelta:
    """What one event of a stream adds. The last one brings the figures, and what HTTP told of the stream."""
    kind = event.type
    if kind in ("response.output_text.delta", "response.refusal.delta"):
        return StreamDelta(text=event.delta or "")
    if kind in _CALL_DELTAS:
        return StreamDelta(tool_calls=[ToolCallDelta(index=event.output_index, arguments=event.delta or "")])
    if kind == "response.output_item.added" and event.item.type in _CALLS:
        return StreamDelta(tool_calls=[_call_begun(event)])
    if kind == "response.created":
        return StreamDelta(model=event.response.model or None, response_id=event.response.id or None, **facts)
    if kind in _FAILED:
        raise UnexpectedAnswer(f"The provider ended the stream with {kind}. There is no example.")
    if kind in _ENDED:
        return _last_delta(event.response, facts)
    return StreamDelta()


def _call_begun(event: Any) -> ToolCallDelta:
    item = event.item
    is_custom = item.type == "custom_tool_call"
    return ToolCallDelta(index=event.output_index, id=item.call_id, name=item.name, is_custom=is_custom)


def _last_delta(answer: Any, facts: HTTPFacts) -> StreamDelta:
    has_calls = any(item.type in _CALLS for item in answer.output or ())
    return StreamDelta(
        model=answer.model or None,
        response_id=answer.id or None,
        finish_reason=_finish_reason(answer, has_calls),
        **_usage(answer.usage),
        **facts,
    )


def _finish_reason(answer: Any, has_calls: bool) -> str:
    details = getattr(answer, "incomplete_details", None)
    if details is not None and details.reason:
        return _REASONS.get(details.reason, str(details.reason))
    return "tool_calls" if has_calls else "stop"


def _texts(output: Any) -> Iterator[str]:
    for item in output:
        if item.type == "message":
            for part in item.content or ():
                yield getattr(part, "text", None) or getattr(part, "refusal", None) or ""


def _tool_call(item: Any) -> dict[str, Any]:
    if item.type == "custom_tool_call":
        return {"id": item.call_id, "type": "custom", "custom": {"name": item.name, "input": item.input}}
    return {
        "id": item.call_id,
        "type": "function",
        "function": {"name": item.name, "arguments": item.arguments},
    }


def _usage(usage: Any) -> Usage:
    if usage is None:
        return {}
    input_details, output_details = usage.input_tokens_details, usage.output_tokens_details
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_input_tokens": input_details.cached_tokens if input_details else None,
        "reasoning_tokens": output_details.reasoning_tokens if output_details else None,
    }


def _instructions(instructions: Any) -> list[Message]:
    return [{"role": "system", "content": instructions}] if instructions else []


def _messages(given: Any) -> Iterator[Message]:
    if isinstance(given, str):
        yield {"role": "user", "content": given}
        return
    for item in given or ():
        yield _message(item)


def _message(item: Mapping[str, Any]) -> Message:
    """One item of the input as a chat message. What chat has no word for (reasoning, searches) is kept as a part."""
    kind = item.get("type") or "message"
    if kind == "message":
        return {"role": item.get("role") or "user", "content": _content(item.get("content"))}
    if kind == "function_call":
        call = {"name": item.get("name"), "arguments": item.get("arguments")}
        calls = [{"id": item.get("call_id"), "type": "function", "function": call}]
        return {"role": "assistant", "content": None, "tool_calls": calls}
    if kind == "function_call_output":
        return {"role": "tool", "tool_call_id": item.get("call_id"), "content": _content(item.get("output"))}
    return {"role": "assistant", "content": [dict(item)]}


def _content(content: Any) -> Any:
    if not isinstance(content, list | tuple):
        return content
    parts = [_part(part) if isinstance(part, Mapping) else part for part in content]
    if len(parts) == 1 and isinstance(parts[0], Mapping) and parts[0].get("type") == "text":
        return parts[0]["text"]
    return parts


def _part(part: Mapping[str, Any]) -> Mapping[str, Any]:
    kind = part.get("type")
    if kind in _TEXT_PARTS and isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    if kind == "input_image" and part.get("image_url"):
        image = {"url": part["image_url"], **({"detail": part["detail"]} if part.get("detail") else {})}
        return {"type": "image_url", "image_url": image}
    if kind == "input_file":
        return {"type": "file", "file": {key: value for key, value in part.items() if key != "type"}}
    return part


def _tool(tool: Any) -> Any:
    """A function, in chat's nested form; tools that only this API has stay as they are."""
    if not isinstance(tool, Mapping) or tool.get("type") != "function":
        return tool
    return {"type": "function", "function": {key: value for key, value in tool.items() if key != "type"}}


def _response_format(given: Any) -> Any:
    if not isinstance(given, Mapping) or given.get("type") != "json_schema":
        return given
    return {"type": "json_schema", "json_schema": {key: value for key, value in given.items() if key != "type"}}
