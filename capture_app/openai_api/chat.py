"""Chat completions: a request's body, an answer and a chunk of a stream, as Gleaner's own types."""

from collections.abc import Mapping
from typing import Any, Final, Unpack

from capture_app.exceptions import UnexpectedAnswer
from capture_app.openai_api.facts import HTTPFacts, Usage
from capture_app.providers.base import Completion, CompletionRequest, StreamDelta, ToolCallDelta

_APART: Final = ("model", "messages", "tools", "response_format", "stream", "stream_options")


def request_from(body: Mapping[str, Any]) -> CompletionRequest:
    """The request that was sent as `body`."""
    return CompletionRequest(
        model=str(body.get("model") or ""),
        messages=list(body.get("messages") or ()),
        tools=list(body.get("tools") or ()),
        response_format=body.get("response_format") or None,
        parameters={key: value for key, value in body.items() if key not in _APART and value is not None},
    )


def body_for(request: CompletionRequest) -> dict[str, Any]:
    """The body that asks for it."""
    body: dict[str, Any] = {**request.parameters, "model": request.model, "messages": list(request.messages)}
    if request.tools:
        body["tools"] = list(request.tools)
    if request.response_format:
        body["response_format"] = request.response_format
    return body


def completion_from(answer: Any) -> Completion:
    """The first choice of a ChatCompletion; raises UnexpectedAnswer when there is none."""
    if not getattr(answer, "choices", None):
        raise UnexpectedAnswer(f"The provider answered without a choice: {str(answer)[:500]} There is no example.")
    choice = answer.choices[0]
    message = choice.message
    return Completion(
        text=message.content or getattr(message, "refusal", None) or "",
        tool_calls=_tool_calls(message),
        model=answer.model or "",
        finish_reason=choice.finish_reason,
        response_id=answer.id,
        **_usage(answer.usage),
    )


def delta_from(chunk: Any, **facts: Unpack[HTTPFacts]) -> StreamDelta:
    """What one ChatCompletionChunk adds, and what HTTP told of the stream."""
    # The chunk that carries the usage has no choice; of several answers (n=2) the first is the example.
    choice = next((choice for choice in chunk.choices or () if not choice.index), None)
    delta = choice.delta if choice else None
    return StreamDelta(
        text=((delta.content or getattr(delta, "refusal", None)) if delta else None) or "",
        tool_calls=_tool_call_deltas(delta) if delta else (),
        finish_reason=choice.finish_reason if choice else None,
        model=chunk.model or None,
        response_id=chunk.id or None,
        **_usage(chunk.usage),
        **facts,
    )


def _tool_calls(message: Any) -> list[dict[str, Any]]:
    legacy = getattr(message, "function_call", None)  # of `functions`, which tools came after
    if legacy and not message.tool_calls:
        return [{"id": None, "type": "function", "function": legacy.model_dump(warnings=False)}]
    return [_tool_call(call) for call in message.tool_calls or ()]


def _tool_call(call: Any) -> dict[str, Any]:
    """As it was sent, without what an SDK's parser adds to it."""
    # Some servers send the arguments as an object: the SDK would warn of them.
    found: dict[str, Any] = call.model_dump(exclude_none=True, warnings=False)
    if isinstance(found.get("function"), dict):
        found["function"].pop("parsed_arguments", None)
    return found


def _tool_call_deltas(delta: Any) -> list[ToolCallDelta]:
    legacy = getattr(delta, "function_call", None)
    if legacy and not delta.tool_calls:
        return [ToolCallDelta(index=0, name=legacy.name, arguments=legacy.arguments or "")]
    return [_tool_call_delta(*call) for call in enumerate(delta.tool_calls or ())]


def _tool_call_delta(place: int, call: Any) -> ToolCallDelta:
    function = call.function
    return ToolCallDelta(
        index=place if call.index is None else call.index,  # some servers leave it out
        id=call.id,
        name=function.name if function else None,
        arguments=(function.arguments if function else None) or "",
    )


def _usage(usage: Any) -> Usage:
    if usage is None:
        return {}
    prompt_details = usage.prompt_tokens_details
    completion_details = usage.completion_tokens_details
    return {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "cached_input_tokens": prompt_details.cached_tokens if prompt_details else None,
        "reasoning_tokens": completion_details.reasoning_tokens if completion_details else None,
    }
