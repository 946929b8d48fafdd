"""What the recorder keeps of a call comes out of an export as it was sent and answered."""

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest

from capture_app.blobs import BlobExtractor, store_blobs
from capture_app.memory import MARK, with_recalled
from capture_app.openai_api.responses import request_from
from capture_app.providers.base import Completion, CompletionRequest
from capture_app.recorder import Answer, build_example
from tests.unit.training_archive.exports.formats.examples import PNG, WEATHER, call, converted, said

IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}}


def recorded(request: CompletionRequest, completion: Completion, data_dir: Path) -> dict[str, Any]:
    """The example of the call, as the archive gives it back."""
    blobs = BlobExtractor()
    kept = build_example(Answer(request, completion, "openai", "shop", {"page": 1}), blobs)
    store_blobs(data_dir, blobs.blobs.values())
    return {**orjson.loads(kept.to_json_line()), "created_at": kept.created_at}


def test_a_chat_with_an_image_and_tools(data_dir: Path) -> None:
    messages = [
        said("system", "Be brief."),
        said("user", [{"type": "text", "text": "Where is this?"}, IMAGE]),
        said("assistant", None, tool_calls=[call("a", city="Köln")]),
        said("tool", "rain", tool_call_id="a"),
    ]
    parameters = {"temperature": 0, "parallel_tool_calls": True}
    request = CompletionRequest(model="m", messages=messages, tools=[WEATHER], parameters=parameters)
    calls = [call("b", city="Ulm"), call("c", city="Bonn")]

    found = converted(
        "openai-chat", recorded(request, Completion("", "m", tool_calls=calls), data_dir), data_dir=data_dir
    )

    assert found == {
        "messages": [*messages, said("assistant", None, tool_calls=calls)],
        "tools": [WEATHER],
        "parallel_tool_calls": True,
    }


def test_a_call_of_the_responses_api(data_dir: Path) -> None:
    function = {"type": "function", **WEATHER["function"]}  # type: ignore[dict-item]  # of many shapes
    items = [
        said("user", [{"type": "input_text", "text": "Weather in Köln and Ulm?"}]),
        {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "x"},
        {"type": "function_call", "call_id": "a", "name": "weather", "arguments": '{"city":"Köln"}'},
        {"type": "function_call", "call_id": "b", "name": "weather", "arguments": '{"city":"Ulm"}'},
        {"type": "function_call_output", "call_id": "a", "output": "rain"},
        {"type": "function_call_output", "call_id": "b", "output": "sun"},
    ]
    request = request_from({"model": "m", "instructions": "Be brief.", "input": items, "tools": [function]})

    found = converted("openai-chat", recorded(request, Completion("Rain, sun.", "m"), data_dir), data_dir=data_dir)

    assert found["messages"] == [
        said("system", "Be brief."),
        said("user", "Weather in Köln and Ulm?"),
        said("assistant", None, tool_calls=[call("a", city="Köln"), call("b", city="Ulm")]),
        said("tool", "rain", tool_call_id="a"),
        said("tool", "sun", tool_call_id="b"),
        said("assistant", "Rain, sun."),
    ]
    assert found["tools"] == [WEATHER]


@pytest.mark.parametrize("own", [[], [said("system", "Be brief.")]], ids=["by itself", "beside the caller's"])
def test_what_was_recalled_for_a_call_is_not_taught(own: list[dict[str, Any]], data_dir: Path) -> None:
    messages = [*own, said("user", "Where is my order?")]
    request = CompletionRequest(model="m", messages=with_recalled(messages, "Notes: Ada lives in Ulm."))
    kept = build_example(
        Answer(request, Completion("In Ulm.", "m"), "openai", "shop", {}, marks={MARK: []}), BlobExtractor()
    )
    example = {**orjson.loads(kept.to_json_line()), "created_at": kept.created_at}

    assert converted("openai-chat", example, data_dir=data_dir) == {
        "messages": [*messages, said("assistant", "In Ulm.")]
    }
