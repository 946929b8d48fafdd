"""call_llm and acall_llm: resolve the route, ask the provider, record the answer.

A provider's error reaches the caller as it is and leaves no example. A failure to record never reaches the caller.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, Unpack, overload

from capture_app.messages import Message, build_messages
from capture_app.providers import get_provider
from capture_app.providers.base import Completion, CompletionRequest, Provider
from capture_app.recorder import record_answer
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
    have meaning; the rest is kept beside the example.

    Raises ValueError for an impossible call, CaptureConfigurationError for a wrong setting, and the provider's own
    errors unchanged. Never raises because of capture: then `response.example_id` is None.
    """
    call, provider = _prepare(
        prompt, messages, system_prompt, task, model, tools, response_format, parameters, training_metadata
    )
    if stream:
        return LLMStream(provider.stream(call.request), call.finish)
    return call.finish(provider.complete(call.request), False)


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
        return AsyncLLMStream(provider.astream(call.request), call.finish)
    return call.finish(await provider.acomplete(call.request), False)


@dataclass(slots=True)
class _Call:
    """A call on its way: what is needed to record it once the answer is there."""

    request: CompletionRequest
    provider: str
    task: str | None
    training_metadata: Any
    started_ns: int

    def finish(self, completion: Completion, partial: bool) -> LLMResponse:
        latency_ms = (time.perf_counter_ns() - self.started_ns) // 1_000_000
        example_id = None
        if self.training_metadata is not None:
            example_id = record_answer(
                self.request,
                completion,
                provider=self.provider,
                task=self.task,
                latency_ms=latency_ms,
                training_metadata=self.training_metadata,
                partial=partial,
            )
        return LLMResponse(
            text=completion.text,
            tool_calls=list(completion.tool_calls),
            input_tokens=completion.input_tokens,
            output_tokens=completion.output_tokens,
            model=completion.model or self.request.model,
            provider=self.provider,
            finish_reason=completion.finish_reason,
            latency_ms=latency_ms,
            example_id=example_id,
        )


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
) -> tuple[_Call, Provider]:
    if task is None and isinstance(training_metadata, dict | Mapping):
        task = training_metadata.get("task")
    route = resolve_route(task=task if isinstance(task, str) else None, model=model)
    request = CompletionRequest(
        model=route.model,
        messages=build_messages(prompt, messages, system_prompt),
        tools=tools,
        response_format=response_format,
        parameters=parameters or {},
        plain=None if prompt is None else (system_prompt or "", prompt),
    )
    provider = get_provider(route.provider)
    return _Call(request, route.provider, task, training_metadata, time.perf_counter_ns()), provider
