"""call_llm and acall_llm: resolve the route, ask the provider, record the answer.

A provider's error reaches the caller as it is and leaves no example. A failure to record never reaches the caller.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict, Unpack, overload

from capture_app.calls import Call, begin_call, named_task
from capture_app.memory import Memory, Remembering, aremember, remember
from capture_app.messages import Message, build_messages
from capture_app.providers import get_provider
from capture_app.providers.base import CompletionRequest
from capture_app.responses import AsyncLLMStream, LLMResponse, LLMStream
from capture_app.routes import choose
from capture_app.routing import asking
from capture_app.routing.beginning import begin_routed
from capture_app.routing.table import StoredRoute


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
    memory: Memory


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
    memory: Memory = None,
) -> LLMResponse | LLMStream:
    """Ask a model, and keep question and answer as a training example.

    Give either `prompt` (with or without `system_prompt`) or `messages` in OpenAI's chat form. `model` is an alias
    from ROUTES or a model's own name; without it, `task` may have a route. `parameters` (temperature, max_tokens, ...)
    go to the provider as they are. With `stream=True` the result is an LLMStream, recorded when it ends.

    `training_metadata=None` does not capture. In a mapping, the keys task, slot_specs, conversation_id and user_id
    have meaning; the rest is kept beside the example. What the call does not say, `capture_context` fills in.

    `memory=True` sends with the call what its user said in earlier ones and may help now, as a system message behind
    those that the conversation begins with; a text names another user, a mapping has `user_id` and options of the
    memory. TRAINING_CAPTURE["MEMORY"] says who recalls it. A call whose memory fails or is slow is made without it.

    Raises ValueError for an impossible call, CaptureConfigurationError for a wrong setting, and the provider's own
    errors unchanged. Never raises because of capture: then `response.example_id` is None.
    """
    recalled = None if memory is None else remember(memory, prompt, messages, system_prompt, training_metadata)
    call, route = _prepare(
        prompt, messages, system_prompt, task, model, tools, response_format, parameters, training_metadata, recalled
    )
    if route is not None:
        return asking.stream(call, route) if stream else asking.complete(call, route)
    provider = get_provider(call.provider)
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
    memory: Memory = None,
) -> LLMResponse | AsyncLLMStream:
    """As call_llm, without blocking the event loop while the provider answers."""
    recalled = None if memory is None else await aremember(memory, prompt, messages, system_prompt, training_metadata)
    call, route = _prepare(
        prompt, messages, system_prompt, task, model, tools, response_format, parameters, training_metadata, recalled
    )
    if route is not None:
        return await (asking.astream(call, route) if stream else asking.acomplete(call, route))
    provider = get_provider(call.provider)
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
    recalled: Remembering | None,
) -> tuple[Call, StoredRoute | None]:
    """The call, begun, and the stored route that leads it, if one does."""
    marks: Mapping[str, Any] | None = None
    if recalled is not None:
        prompt, messages, system_prompt, training_metadata, marks = recalled
    task = task or named_task(training_metadata)
    conversation = build_messages(prompt, messages, system_prompt)
    target, route = choose(task=task, model=model, messages=conversation, training_metadata=training_metadata)
    request = CompletionRequest(
        model=target.model,
        messages=conversation,
        tools=tools,
        response_format=response_format,
        parameters=parameters or {},
        plain=None if prompt is None else (system_prompt or "", prompt),
    )
    if route is not None:
        call = begin_routed(request, route, target, task=task, training_metadata=training_metadata, marks=marks or {})
        return call, route
    call = begin_call(request, provider=target.provider, task=task, training_metadata=training_metadata, marks=marks)
    return call, None
