"""Answers made with the openai SDK's own types, so that a change in the SDK shows."""

from typing import Any

from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessage
from openai.types.chat.chat_completion import Choice
from openai.types.chat.chat_completion_chunk import Choice as ChunkChoice
from openai.types.chat.chat_completion_chunk import ChoiceDelta
from openai.types.completion_usage import CompletionTokensDetails, PromptTokensDetails
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseContentPartAddedEvent,
    ResponseContentPartDoneEvent,
    ResponseCreatedEvent,
    ResponseFunctionCallArgumentsDeltaEvent,
    ResponseFunctionCallArgumentsDoneEvent,
    ResponseFunctionToolCall,
    ResponseInProgressEvent,
    ResponseOutputItemAddedEvent,
    ResponseOutputItemDoneEvent,
    ResponseOutputMessage,
    ResponseOutputRefusal,
    ResponseOutputText,
    ResponseReasoningItem,
    ResponseTextDeltaEvent,
    ResponseTextDoneEvent,
    ResponseUsage,
)
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails

CREATED = 1_772_000_000
MODEL = "small-1-2026-03-01"  # "small-1" is asked
USAGE = CompletionUsage(
    prompt_tokens=1000,
    completion_tokens=50,
    total_tokens=1050,
    prompt_tokens_details=PromptTokensDetails(cached_tokens=900),
    completion_tokens_details=CompletionTokensDetails(reasoning_tokens=40),
)
TOOL_CALL = {"id": "c1", "type": "function", "function": {"name": "price", "arguments": '{"sku":1}'}}
SECOND_TOOL_CALL = {"id": "c2", "type": "function", "function": {"name": "stock", "arguments": "{}"}}


# --- Chat completions --------------------------------------------------------------------------------------------


def message(**fields: Any) -> ChatCompletionMessage:
    return ChatCompletionMessage.model_validate({"role": "assistant", "content": None, **fields})


def choice(index: int = 0, finish_reason: Any = "stop", **fields: Any) -> Choice:
    return Choice(index=index, finish_reason=finish_reason, message=message(**fields), logprobs=None)


def chat(*choices: Choice, **fields: Any) -> ChatCompletion:
    usual: dict[str, Any] = {"id": "chatcmpl-1", "created": CREATED, "model": MODEL, "object": "chat.completion"}
    return ChatCompletion(**{**usual, "choices": list(choices), "usage": USAGE, **fields})


def text_chat(text: str = "12 EUR") -> ChatCompletion:
    return chat(choice(content=text))


def chunk(*choices: ChunkChoice, **fields: Any) -> ChatCompletionChunk:
    usual: dict[str, Any] = {"id": "chatcmpl-1", "created": CREATED, "model": MODEL, "object": "chat.completion.chunk"}
    return ChatCompletionChunk(**{**usual, "choices": list(choices), **fields})


def delta(finish_reason: Any = None, index: int = 0, **fields: Any) -> ChunkChoice:
    return ChunkChoice(index=index, delta=ChoiceDelta.model_validate(fields), finish_reason=finish_reason)


def chunks_of(*pieces: dict[str, Any], finish_reason: str = "stop", usage: bool = True) -> list[ChatCompletionChunk]:
    """A stream of these deltas, its end, and the usage in a chunk without choices."""
    return [
        chunk(delta(role="assistant", content="")),
        *(chunk(delta(**piece)) for piece in pieces),
        chunk(delta(finish_reason)),
        *([chunk(usage=USAGE)] if usage else []),
    ]


TEXT_CHUNKS = chunks_of({"content": "12 "}, {"content": "€ — größer"}, {"content": " 🎈"})
TEXT = "12 € — größer 🎈"
TOOL_CHUNKS = chunks_of(
    {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "price", "arguments": ""}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": '{"sku"'}}]},
    {"tool_calls": [{"index": 1, "id": "c2", "type": "function", "function": {"name": "stock", "arguments": "{}"}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]},
    finish_reason="tool_calls",
)
# Azure's first chunk tells what its filter found, and nothing else: the SDK's type does not know its like.
AZURE_CHUNKS = [
    {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": [{"prompt_index": 0}]},
    *TEXT_CHUNKS,
]


# --- Responses ---------------------------------------------------------------------------------------------------

OUTPUT_TEXT = ResponseOutputText(type="output_text", text="12 EUR", annotations=[], logprobs=[])
MESSAGE_ITEM = ResponseOutputMessage(
    id="msg_1", type="message", role="assistant", status="completed", content=[OUTPUT_TEXT]
)
REFUSAL_ITEM = ResponseOutputMessage(
    id="msg_1",
    type="message",
    role="assistant",
    status="completed",
    content=[ResponseOutputRefusal(type="refusal", refusal="I must not say.")],
)
CALL_ITEM = ResponseFunctionToolCall(
    id="fc_1", type="function_call", call_id="c1", name="price", arguments='{"sku":1}', status="completed"
)
REASONING_ITEM = ResponseReasoningItem.model_validate(
    {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Looked at the tag."}]}
)
RESPONSE_USAGE = ResponseUsage(
    input_tokens=1000,
    input_tokens_details=InputTokensDetails.model_construct(cached_tokens=900),
    output_tokens=50,
    output_tokens_details=OutputTokensDetails(reasoning_tokens=40),
    total_tokens=1050,
)


def response(*output: Any, **fields: Any) -> Response:
    usual: dict[str, Any] = {
        "id": "resp_1",
        "object": "response",
        "created_at": CREATED,
        "status": "completed",
        "model": MODEL,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": RESPONSE_USAGE.model_dump(),
    }
    return Response.model_construct(**{**usual, "output": list(output), **fields})


def text_events(*pieces: str) -> list[Any]:
    """The events of a streamed answer in these pieces."""
    text = "".join(pieces)
    part = ResponseOutputText(type="output_text", text=text, annotations=[], logprobs=[])
    item = MESSAGE_ITEM.model_copy(update={"content": [part]})
    place: dict[str, Any] = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    begun = response(status="in_progress", usage=None)
    empty = ResponseOutputText(type="output_text", text="", annotations=[], logprobs=[])
    events: list[Any] = [
        ResponseCreatedEvent(type="response.created", response=begun, sequence_number=0),
        ResponseInProgressEvent(type="response.in_progress", response=begun, sequence_number=1),
        ResponseOutputItemAddedEvent(
            type="response.output_item.added",
            item=item.model_copy(update={"content": [], "status": "in_progress"}),
            output_index=0,
            sequence_number=2,
        ),
        ResponseContentPartAddedEvent(type="response.content_part.added", part=empty, sequence_number=3, **place),
        *(
            ResponseTextDeltaEvent(
                type="response.output_text.delta", delta=piece, logprobs=[], sequence_number=number, **place
            )
            for number, piece in enumerate(pieces, start=4)
        ),
        ResponseTextDoneEvent(type="response.output_text.done", text=text, logprobs=[], sequence_number=90, **place),
        ResponseContentPartDoneEvent(type="response.content_part.done", part=part, sequence_number=91, **place),
        ResponseOutputItemDoneEvent(type="response.output_item.done", item=item, output_index=0, sequence_number=92),
        ResponseCompletedEvent(type="response.completed", response=response(item), sequence_number=93),
    ]
    return events


def call_events() -> list[Any]:
    """The events of a streamed tool call."""
    begun = response(status="in_progress", usage=None)
    place: dict[str, Any] = {"item_id": "fc_1", "output_index": 0}
    added = CALL_ITEM.model_copy(update={"arguments": "", "status": "in_progress"})
    return [
        ResponseCreatedEvent(type="response.created", response=begun, sequence_number=0),
        ResponseOutputItemAddedEvent(type="response.output_item.added", item=added, output_index=0, sequence_number=1),
        *(
            ResponseFunctionCallArgumentsDeltaEvent(
                type="response.function_call_arguments.delta", delta=piece, sequence_number=number, **place
            )
            for number, piece in enumerate(('{"sku"', ":1}"), start=2)
        ),
        ResponseFunctionCallArgumentsDoneEvent(
            type="response.function_call_arguments.done",
            arguments='{"sku":1}',
            sequence_number=4,
            **place,
        ),
        ResponseOutputItemDoneEvent(
            type="response.output_item.done", item=CALL_ITEM, output_index=0, sequence_number=5
        ),
        ResponseCompletedEvent(type="response.completed", response=response(CALL_ITEM), sequence_number=6),
    ]
