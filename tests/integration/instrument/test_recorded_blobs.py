"""Images and files that a call carries are stored once, apart from its example."""

import base64
import hashlib
from typing import Any

import orjson
import pytest

from capture_app.conf import capture_settings
from tests.integration.openai_answers import MESSAGE_ITEM, response, text_chat
from tests.integration.openai_server import ScriptedServer, json_reply
from tests.integration.side_by_side import facts, only_record, records

pytestmark = pytest.mark.usefixtures("no_failures")
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PNG_URL = "data:image/png;base64," + base64.b64encode(PNG).decode()
PNG_REFERENCE = "blob:sha256:" + hashlib.sha256(PNG).hexdigest()


def blobs() -> dict[str, bytes]:
    folder = capture_settings().data_dir / "blobs"
    return {path.name: path.read_bytes() for path in folder.glob("*/*")}


HASH = hashlib.sha256(PNG).hexdigest()
FILE = {"type": "file", "file": {"filename": "a.png", "file_data": PNG_URL}}
AUDIO = {"type": "input_audio", "input_audio": {"data": base64.b64encode(PNG).decode(), "format": "wav"}}
IMAGE = {"type": "image_url", "image_url": {"url": PNG_URL, "detail": "low"}}


@pytest.mark.parametrize("part", [IMAGE, FILE, AUDIO], ids=["image", "file", "audio"])
def test_what_a_message_carries_is_stored_apart(server: ScriptedServer, client: Any, part: Any) -> None:
    server.replies = [json_reply(text_chat())]

    client.chat.completions.create(model="small-1", messages=[{"role": "user", "content": [part]}])

    assert blobs() == {HASH: PNG}
    assert PNG_REFERENCE in orjson.dumps(facts()["messages"]).decode()
    assert base64.b64encode(PNG)[:40] not in orjson.dumps(only_record())
    assert facts()["blobs"][HASH]["bytes"] == len(PNG)
    assert base64.b64encode(PNG) in server.seen[0].body


RESPONSE_IMAGE = {"type": "input_image", "image_url": PNG_URL, "detail": "low"}
RESPONSE_FILE = {"type": "input_file", "filename": "a.png", "file_data": PNG_URL}


@pytest.mark.parametrize("part", [RESPONSE_IMAGE, RESPONSE_FILE, AUDIO], ids=["image", "file", "audio"])
def test_what_an_input_carries_is_stored_apart(server: ScriptedServer, client: Any, part: Any) -> None:
    server.replies = [json_reply(response(MESSAGE_ITEM))]

    client.responses.create(model="small-1", input=[{"role": "user", "content": [part]}])

    assert blobs() == {HASH: PNG}
    assert PNG_REFERENCE in orjson.dumps(facts()["messages"]).decode()


def test_an_image_in_every_turn_and_call_is_stored_once(server: ScriptedServer, client: Any) -> None:
    server.replies = [json_reply(text_chat()), json_reply(response(MESSAGE_ITEM))]
    turns: list[Any] = [{"role": "user", "content": [IMAGE, IMAGE]}, {"role": "user", "content": [IMAGE]}]

    client.chat.completions.create(model="small-1", messages=turns)
    client.responses.create(model="small-1", input=[{"role": "user", "content": [RESPONSE_IMAGE]}])

    assert blobs() == {HASH: PNG}
    assert len(records()) == 2
