"""call_llm and acall_llm: resolve the route, ask the provider, record the answer.

A provider's error reaches the caller as it is and leaves no example. A failure to record never reaches the caller.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict, Unpack, overload

from capture_app.calls import Call, begin_call, named_task
from capture_app.messages import Message, build_messages
from capture_app.providers import get_provider
from capture_app.providers.base import CompletionRequest, Provider
from capture_app.responses import AsyncLLMStream, LLMResponse, LLMStream
from capture_app.routes import resolve_route


class CallOptions(TypedDict, total=False):
    """What call_llm and acall_llm take besides prompt and stream; see call_llm."""

    messages: Sequence[Message] | None
    system_prompt: str | None
    task: str | None
    model: str | None
    tools: Sequence[Mapping[str, Any]]
    response_format: Mapping[str, Any] | None
    parameters: Mapping[str, Any] | None
    training_metadata: Mapping[str, Any] | None


@overload
def call_llm(
    prompt: str | None = None, *, stream: Literal[False] = False, **options: Unpack[CallOptions]
) -> LLMResponse: ...


@overload
def call_llm(prompt: str | None = None, *, stream: Literal[True], **options: Unpack[CallOptions]) -> LLMStream: ...


def call_llm(
    prompt: str | None = None,
    *,
    messages: Sequence[Message] | None = None,
    system_prompt: str | None = None,
    task: str | None = None,
    model: str | None = None,
    tools: Sequence[Mapping[str, Any]] = (),
    response_format: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    stream: bool = False,
    training_metadata: Mapping[str, Any] | None = None,
) -> LLMResponse | LLMStream:
    """Ask a model, and keep question and answer as a training example.

    Give either `prompt` (with or without `system_prompt`) or `messages` in OpenAI's chat form. `model` is an alias
    from ROUTES or a model's own name; without it, `task` may have a route. `parameters` (temperature, max_tokens, ...)
    go to the provider as they are. With `stream=True` the result is an LLMStream, recorded when it ends.

    `training_metadata=None` does not capture. In a mapping, the keys task, slot_specs, conversation_id and user_id
    have meaning; the rest is kept beside the example. What the call does not say, `capture_context` fills in.

    Raises ValueError for an impossible call, CaptureConfigurationError for a wrong setting, and the provider's own
    errors unchanged. Never raises because of capture: then `response.example_id` is None.
    """
    call, provider = _prepare(
        prompt, messages, system_prompt, task, model, tools, response_format, parameters, training_metadata
    )
    if stream:
        return call.stream(provider.stream(call.request))
    return call.finish(call.ask(provider.complete))


@overload
async def acall_llm(
    prompt: str | None = None, *, stream: Literal[False] = False, **options: Unpack[CallOptions]
) -> LLMResponse: ...


@overload
async def acall_llm(
    prompt: str | None = None, *, stream: Literal[True], **options: Unpack[CallOptions]
) -> AsyncLLMStream: ...


async def acall_llm(
    prompt: str | None = None,
    *,
    messages: Sequence[Message] | None = None,
    system_prompt: str | None = None,
    task: str | None = None,
    model: str | None = None,
    tools: Sequence[Mapping[str, Any]] = (),
    response_format: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    stream: bool = False,
    training_metadata: Mapping[str, Any] | None = None,
) -> LLMResponse | AsyncLLMStream:
    """As call_llm, without blocking the event loop while the provider answers."""
    call, provider = _prepare(
        prompt, messages, system_prompt, task, model, tools, response_format, parameters, training_metadata
    )
    if stream:
        return call.astream(provider.astream(call.request))
    return call.finish(await call.aask(provider.acomplete))


def _prepare(
    prompt: str | None,
    messages: Sequence[Message] | None,
    system_prompt: str | None,
    task: str | None,
    model: str | None,
    tools: Sequence[Mapping[str, Any]],
    response_format: Mapping[str, Any] | None,
    parameters: Mapping[str, Any] | None,
    training_metadata: Any,
) -> tuple[Call, Provider]:
    task = task or named_task(training_metadata)
    route = resolve_route(task=task, model=model)
    request = CompletionRequest(
        model=route.model,
        messages=build_messages(prompt, messages, system_prompt),
        tools=tools,
        response_format=response_format,
        parameters=parameters or {},
        plain=None if prompt is None else (system_prompt or "", prompt),
    )
    provider = get_provider(route.provider)
    call = begin_call(request, provider=route.provider, task=task, training_metadata=training_metadata)
    return call, provider
