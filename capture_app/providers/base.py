"""What a provider is: it takes a CompletionRequest and gives a Completion, whole or in deltas."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from capture_app.messages import Message


class CompletionRequest(NamedTuple):
    """One call, as providers see it."""

    model: str
    messages: Sequence[Message]
    tools: Sequence[Mapping[str, Any]] = ()
    response_format: Mapping[str, Any] | None = None
    parameters: Mapping[str, Any] = MappingProxyType({})  # temperature, max_tokens, ...
    plain: tuple[str, str] | None = None  # system prompt and prompt, when they say all that messages say

    def settings(self) -> dict[str, Any]:
        """Everything but model and messages that shapes the answer; empty for a plain call."""
        settings: dict[str, Any] = {}
        if self.parameters:
            settings["parameters"] = self.parameters
        if self.tools:
            settings["tools"] = self.tools
        if self.response_format:
            settings["response_format"] = self.response_format
        return settings


class Completion(NamedTuple):
    """A provider's whole answer. Unknown figures are None, never zero."""

    text: str
    model: str  # as the provider names it
    tool_calls: Sequence[dict[str, Any]] = ()
    input_tokens: int | None = None  # includes cached ones
    output_tokens: int | None = None  # includes reasoning
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    finish_reason: str | None = None
    response_id: str | None = None  # of the answer: "chatcmpl-..."
    request_id: str | None = None  # of the HTTP request, which a provider's support asks for
    retries: int | None = None  # how often it was asked again before this answer


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallDelta:
    """A piece of one tool call; `index` says which."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    is_custom: bool = False  # a tool whose input is free text, and no JSON object


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamDelta:
    """A piece of a streamed answer; what a piece does not say is empty or None."""

    text: str = ""
    tool_calls: Sequence[ToolCallDelta] = ()
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    finish_reason: str | None = None
    response_id: str | None = None
    request_id: str | None = None
    retries: int | None = None


_SCALARS = (
    "model",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "reasoning_tokens",
    "finish_reason",
    "response_id",
    "request_id",
    "retries",
)


class CompletionBuilder:
    """Gathers the deltas of one stream into its Completion. Later figures replace earlier ones."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._tool_calls: dict[int, dict[str, Any]] = {}
        self._scalars: dict[str, Any] = {}

    @property
    def is_empty(self) -> bool:
        return not self._texts and not self._tool_calls

    @property
    def is_finished(self) -> bool:
        """Whether the provider said why it ended. A stream that merely stops was cut off on the way."""
        return "finish_reason" in self._scalars

    def add(self, delta: StreamDelta) -> None:
        if delta.text:
            self._texts.append(delta.text)
        for piece in delta.tool_calls:
            self._add_tool_call(piece)
        for name in _SCALARS:
            value = getattr(delta, name)
            if value is not None:
                self._scalars[name] = value

    def _add_tool_call(self, piece: ToolCallDelta) -> None:
        empty = {"id": None, "type": "function", "function": {"name": "", "arguments": []}}
        call = self._tool_calls.setdefault(piece.index, empty)
        call["id"] = piece.id or call["id"]
        call["type"] = "custom" if piece.is_custom else call["type"]
        call["function"]["name"] = piece.name or call["function"]["name"]
        call["function"]["arguments"].append(piece.arguments)

    def build(self) -> Completion:
        scalars = {"model": "", **self._scalars}
        return Completion(text="".join(self._texts), tool_calls=self._joined_tool_calls(), **scalars)

    def _joined_tool_calls(self) -> list[dict[str, Any]]:
        return [_joined(call) for _, call in sorted(self._tool_calls.items())]


def _joined(call: dict[str, Any]) -> dict[str, Any]:
    name, text = call["function"]["name"], "".join(call["function"]["arguments"])
    if call["type"] == "custom":
        return {"id": call["id"], "type": "custom", "custom": {"name": name, "input": text}}
    return {**call, "function": {"name": name, "arguments": text}}


class Provider(ABC):
    """A backend that answers. Its OPTIONS in the settings are the keyword arguments of its constructor.

    Errors of the service behind it are raised as they are: call_llm passes them on unchanged.
    """

    @abstractmethod
    def complete(self, request: CompletionRequest) -> Completion: ...

    @abstractmethod
    async def acomplete(self, request: CompletionRequest) -> Completion: ...

    @abstractmethod
    def stream(self, request: CompletionRequest) -> Iterator[StreamDelta]: ...

    @abstractmethod
    def astream(self, request: CompletionRequest) -> AsyncIterator[StreamDelta]: ...
