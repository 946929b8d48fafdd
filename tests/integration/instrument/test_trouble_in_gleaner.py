"""What is wrong in Gleaner itself, or in its settings, never reaches the caller."""

from collections.abc import Callable
from typing import Any

import pytest

from capture_app.inbox.spool import SpoolInbox
from capture_app.metrics import capture_failures_total
from tests.integration.instrument.uses import (
    BODY,
    acreate,
    aread,
    create,
    create_raw,
    create_streaming_response,
    read,
    read_events,
    respond,
    respond_streamed,
)
from tests.integration.openai_answers import MESSAGE_ITEM, response, text_chat, text_events
from tests.integration.openai_server import Reply, ScriptedServer, json_reply, sse_bytes, sse_reply
from tests.integration.side_by_side import Use, assert_same, assert_same_async


class BrokenInbox(SpoolInbox):
    """Keeps nothing."""

    def append(self, line: bytes, blobs: Any = ()) -> None:
        raise RuntimeError("no room")


BROKEN: dict[str, dict[str, Any]] = {
    "an inbox that raises": {"INBOX": f"{__name__}.BrokenInbox"},
    "an inbox that is nowhere": {"INBOX": "no.such.Inbox"},
    "a key that is unknown": {"FSINK": True},
    "a price that is missing": {"PRICES": {"small-1": {"input": 0.15}}},
    "a price that is a text": {"PRICES": {"small-1": {"input": "0.15", "output": "0.6"}}},
    "a price that is no mapping": {"PRICES": {"small-1": 0.15}},
    "prices that are no mapping": {"PRICES": ["small-1"]},
    "a redactor that is nowhere": {"REDACT": "no.such.redactor"},
    "a limit that is a text": {"BLOB_BYTES": "20"},
}
RIGHT: list[tuple[Use, Reply]] = [
    (create, json_reply(text_chat())),
    (create_raw, json_reply(text_chat())),
    (create_streaming_response, json_reply(text_chat())),
    (read, sse_reply(BODY)),
    (read_events, sse_reply(BODY)),
    (respond, json_reply(response(MESSAGE_ITEM))),
    (respond_streamed, sse_reply(sse_bytes(text_events("12 ", "EUR"), named=True))),
]


@pytest.mark.parametrize(("use", "reply"), RIGHT, ids=[use.__name__ for use, _ in RIGHT])
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_in_the_settings_never_reaches_the_caller(
    server: ScriptedServer, capture: Callable[..., None], name: str, use: Use, reply: Reply
) -> None:
    capture(**BROKEN[name])

    assert_same(server, use, reply)


@pytest.mark.parametrize("name", BROKEN)
async def test_what_is_wrong_in_the_settings_never_reaches_who_awaits(
    server: ScriptedServer, capture: Callable[..., None], name: str
) -> None:
    capture(**BROKEN[name])

    await assert_same_async(server, acreate, json_reply(text_chat()))
    await assert_same_async(server, aread, sse_reply(BODY))


@pytest.mark.parametrize("use", [use for use, _ in RIGHT])
def test_a_failure_to_record_is_counted(server: ScriptedServer, capture: Callable[..., None], use: Use) -> None:
    capture(INBOX=f"{__name__}.BrokenInbox")

    assert_same(server, use, dict(RIGHT)[use])

    assert capture_failures_total() == {"RuntimeError": 1}
