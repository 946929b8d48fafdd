"""Memories that behave as a test says, by dotted path: TRAINING_CAPTURE["MEMORY"]."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from capture_app.memory import Recalled
from capture_app.messages import Message

TEXT = "Ada likes tea."

asked: list[tuple[str, Sequence[Message], Mapping[str, Any]]] = []  # a test clears it
threads: list[threading.Thread] = []
go_on = threading.Event()  # until a test sets it, `hangs` hangs


def recalls(user_id: str, messages: Sequence[Message], options: Mapping[str, Any]) -> Recalled:
    asked.append((user_id, messages, options))
    threads.append(threading.current_thread())
    return Recalled(TEXT, ["e1", "e2"])


def says(user_id: str, messages: Sequence[Message], options: Mapping[str, Any]) -> str:
    return TEXT


def has_nothing(user_id: str, messages: Sequence[Message], options: Mapping[str, Any]) -> None:
    return None


def raises(user_id: str, messages: Sequence[Message], options: Mapping[str, Any]) -> None:
    raise ConnectionError("the memory is down")


def is_wrong(user_id: str, messages: Sequence[Message], options: Mapping[str, Any]) -> dict[str, str]:
    return {"text": TEXT}


def hangs(user_id: str, messages: Sequence[Message], options: Mapping[str, Any]) -> Recalled:
    go_on.wait(30)
    return Recalled(TEXT)
