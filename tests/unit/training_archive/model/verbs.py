"""What can happen to an installation, each as a function of JSON values. They run in a process of their own."""

import base64
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.test.utils import override_settings

from capture_app import call_llm, recorder
from capture_app.blobs import Blob, store_blobs
from capture_app.conf import capture_settings
from capture_app.inbox import get_inbox
from capture_app.services import drain_captures
from training_archive.conf import SETTING
from training_archive.services import (
    archive_training_data,
    forget,
    merge_chunks,
    prune_archive,
    rebuild_example_index,
    verify_archive,
)

VERBS: dict[str, Callable[..., Any]] = {}


def _verb(function: Callable[..., Any]) -> Callable[..., Any]:
    VERBS[function.__name__] = function
    return function


def clock(number: int) -> datetime:
    """When the call of this number was made: one an hour, for prune must tell them apart."""
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)


def picture(name: str) -> bytes:
    return f"picture {name} ".encode() * 20


def _tell_time(number: int) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]  # a datetime, not one of this class
            return clock(number)

    recorder.datetime = Clock  # type: ignore[attr-defined]  # imported there, not exported


@_verb
def capture(calls: Sequence[dict[str, Any]]) -> None:
    """Make the calls: number, text, task, user, conversation, picture ("" for none) each."""
    for call in calls:
        _tell_time(call["number"])
        metadata = {"user_id": call["user"], "conversation_id": call["conversation"], "number": call["number"]}
        if call["picture"]:
            url = f"data:image/png;base64,{base64.b64encode(picture(call['picture'])).decode()}"
            parts = [{"type": "text", "text": call["text"]}, {"type": "image_url", "image_url": {"url": url}}]
            messages = [{"role": "user", "content": parts}]
            answer = call_llm(messages=messages, task=call["task"], training_metadata=metadata)
        else:
            answer = call_llm(call["text"], task=call["task"], training_metadata=metadata)
        assert answer.example_id, "not captured"


@_verb
def drain() -> None:
    drain_captures()


@_verb
def archive(roll: bool) -> None:
    with override_settings(**{SETTING: {"COMPRESSLEVEL": 1, **({"ROLL_BYTES": 1} if roll else {})}}):
        archive_training_data()


@_verb
def merge() -> None:
    merge_chunks(this_month=True)


@_verb
def prune(hours: int) -> list[str]:
    """Remove the chunks whose last call was made before clock(hours) less half an hour; their names."""
    before = clock(hours) - timedelta(minutes=30)
    report = prune_archive(older_than=datetime.now(UTC) - before, dry_run=False)
    return [chunk.chunk for chunk in report.chunks]


@_verb
def erase(**selector: Any) -> int:
    """Forget, by user, conversation or ids, or nothing but what a killed run left; how many examples."""
    return sum(receipt.examples for receipt in forget(by="tester", **selector).receipts)


@_verb
def rebuild() -> int:
    return rebuild_example_index()


@_verb
def take_in(lines: Sequence[str], pictures: Sequence[str]) -> None:
    """As an import does it: the blobs first."""
    blobs = [Blob(sha256_of(picture(name)), "image/png", picture(name)) for name in pictures]
    store_blobs(capture_settings().data_dir, blobs)
    get_inbox().take_in([line.encode() for line in lines])


@_verb
def spoil(text: str) -> None:
    """A record comes that cannot be stored: the text, which is no JSON."""
    get_inbox().append(text.encode() + b"\n")


@_verb
def verify() -> list[str]:
    """The problems."""
    return [str(problem) for problem in verify_archive().problems]


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
