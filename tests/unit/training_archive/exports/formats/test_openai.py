"""OpenAI's fine-tuning formats, and the images that go back into them."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest

from capture_app.blobs import Blob, BlobExtractor, blob_path, store_blobs
from tests.unit.training_archive.exports.formats.examples import (
    PNG,
    WEATHER,
    asking_about,
    call,
    conversation,
    converted,
    example,
    parallel_calls,
    said,
    with_image,
)
from training_archive.exports.formats import blob_content, get_format
from training_archive.exports.formats.base import Pair, Refused

DATA_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
HASH = hashlib.sha256(PNG).hexdigest()
REFERENCE = f"blob:sha256:{HASH}"
FACTS = {HASH: {"media_type": "image/png", "bytes": len(PNG)}}


def refused(name: str, item: Any, data_dir: Path) -> str:
    with pytest.raises(Refused) as caught:
        get_format(name, data_dir=data_dir).convert(item)
    return str(caught.value)


# --- openai-chat -----------------------------------------------------------------------------------------------------


def test_the_answer_is_the_last_message() -> None:
    assert converted("openai-chat", example()) == {
        "messages": [
            said("system", "You read shop pages."),
            said("user", "What does it cost?"),
            said("assistant", '{"price": 5}'),
        ]
    }


def test_tools_and_calls_are_kept_with_arguments_as_text() -> None:
    found = converted("openai-chat", parallel_calls())

    assert found["tools"] == [WEATHER]
    assert found["messages"][2]["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city":"Köln"}'}
    assert found["messages"][-1] == said("assistant", "Rain in Köln, sun in 東京.")


def test_whether_calls_may_be_parallel_is_said_with_the_tools() -> None:
    item = parallel_calls()
    item["metadata"]["gleaner"]["parameters"] = {"parallel_tool_calls": False}

    assert converted("openai-chat", item)["parallel_tool_calls"] is False


def test_non_ascii_text_is_kept_as_it_is(data_dir: Path) -> None:
    line = get_format("openai-chat", data_dir=data_dir).convert(example(prompt_text="Größe: 東京 \u2028"))

    assert "Größe: 東京 \u2028".encode() in line
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1


def test_a_lone_surrogate_is_replaced(data_dir: Path) -> None:
    found = converted("openai-chat", example(prompt_text="a \ud83d b"))

    assert found["messages"][1]["content"] == "a \ufffd b"


# --- images ----------------------------------------------------------------------------------------------------------


def test_an_image_is_put_back(data_dir: Path) -> None:
    found = converted("openai-chat", with_image(data_dir), data_dir=data_dir)

    assert found["messages"][0]["content"][1] == {"type": "image_url", "image_url": {"url": DATA_URL}}


def data_url(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def test_everything_that_was_taken_out_is_put_back(data_dir: Path) -> None:
    audio = {"data": base64.b64encode(b"sound" * 20).decode(), "format": "wav"}
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": data_url("text/plain", b"words" * 20)},
        {"type": "image_url", "image_url": {"url": DATA_URL, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "input_audio", "input_audio": audio},
        {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}},
        {"type": "file", "file": {"file_data": data_url("application/pdf", b"paper" * 20), "filename": "a.pdf"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]
    sent = [
        said("user", parts),
        said("assistant", None, tool_calls=[call("a")]),
        said("tool", data_url("image/gif", b"screen" * 20), tool_call_id="a"),
    ]
    taken = BlobExtractor()
    kept = taken.take_out_of(sent)
    store_blobs(data_dir, taken.blobs.values())

    found = converted("openai-chat", conversation(*kept, gleaner={"blobs": taken.facts}), data_dir=data_dir)

    assert len(taken.blobs) == 5
    assert found["messages"][:-1] == sent


def test_an_image_that_is_sent_as_a_text_becomes_what_the_sdk_knows(data_dir: Path) -> None:
    item = conversation(said("user", [{"type": "image_url", "image_url": "https://example.com/a.png"}]))

    [part] = converted("openai-chat", item)["messages"][0]["content"]

    assert part == {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


@pytest.mark.parametrize("text", [REFERENCE, f"{REFERENCE} ", "blob:sha256:", "blob:sha256:../../etc/passwd"])
def test_a_reference_that_somebody_wrote_stays_what_it_is(data_dir: Path, text: str) -> None:
    store_blobs(data_dir, [Blob(HASH, "image/png", PNG)])  # of another call

    found = converted("openai-chat", conversation(said("user", text)), data_dir=data_dir)

    assert found["messages"][0]["content"] == text


@pytest.mark.parametrize(
    ("url", "facts"),
    [
        (REFERENCE, FACTS),  # it was over the limit, or is gone
        (REFERENCE, {}),
        (REFERENCE, {HASH: "image/png"}),
        ("blob:sha256:../../etc/passwd", {"../../etc/passwd": {"media_type": "text/plain"}}),
        ("blob:sha256:" + "0" * 64, FACTS),
    ],
)
def test_an_image_that_is_not_there_is_refused(data_dir: Path, url: str, facts: dict[str, Any]) -> None:
    assert refused("openai-chat", asking_about(url, facts), data_dir) == "an image or file is not kept"


def test_an_image_of_another_call_is_refused(data_dir: Path) -> None:
    with_image(data_dir)

    assert refused("openai-chat", asking_about(REFERENCE, {}), data_dir) == "an image or file is not kept"


def test_an_image_that_changed_is_refused(data_dir: Path) -> None:
    item = with_image(data_dir)
    blob_path(data_dir, HASH).write_bytes(PNG + b"x")

    assert refused("openai-chat", item, data_dir) == "an image or file is damaged"


@pytest.mark.parametrize("media_type", [None, 5, "", "image", "text/html;x=y,<script>"])
def test_an_image_of_an_odd_type_is_refused(data_dir: Path, media_type: Any) -> None:
    with_image(data_dir)
    item = asking_about(REFERENCE, {HASH: {"media_type": media_type}})

    assert refused("openai-chat", item, data_dir) == "an image's or file's media type is malformed"


def test_an_image_that_is_named_again_and_again_is_refused(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_content, "MOST_BYTES", 3 * len(PNG))
    parts = [{"type": "image_url", "image_url": {"url": REFERENCE}}] * 4
    with_image(data_dir)
    item = conversation(said("user", parts), gleaner={"blobs": FACTS})

    assert refused("openai-chat", item, data_dir) == "its images and files are too large together"


# --- openai-preference -----------------------------------------------------------------------------------------------


def test_a_pair_is_an_input_and_two_outputs() -> None:
    item = parallel_calls()

    found = converted("openai-preference", Pair({**item, "response_strong": "Rain, sun."}, item))

    assert [message["role"] for message in found["input"]["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "tool",
    ]
    assert found["input"]["tools"] == [WEATHER]
    assert found["preferred_output"] == [said("assistant", "Rain, sun.")]
    assert found["non_preferred_output"] == [said("assistant", "Rain in Köln, sun in 東京.")]


def test_an_image_is_put_back_into_a_pair(data_dir: Path) -> None:
    item = with_image(data_dir)

    found = converted("openai-preference", Pair({**item, "response_strong": "A cat."}, item), data_dir=data_dir)

    assert found["input"]["messages"][0]["content"][1]["image_url"]["url"] == DATA_URL


def test_a_pair_of_one_answer_is_refused(data_dir: Path) -> None:
    assert refused("openai-preference", Pair(example(), example()), data_dir) == "the two answers are the same"
