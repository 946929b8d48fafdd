"""What a user said before, for the next call: call_llm(memory=...).

Who recalls it is not known here. TRAINING_CAPTURE["MEMORY"] = "dotted.path" names a function:

    def recall(user_id: str, messages: Sequence[Message], options: Mapping[str, Any]) -> Recalled | str | None: ...

It is asked in a thread, and waited for no longer than MEMORY_SECONDS: a call whose memory is slow or broken is made
without it. What it gives becomes a system message of its own, behind those that the conversation begins with. So the
caller's instructions come first and stay, byte for byte, what a provider may have cached; and the message can be told
from the caller's own and taken out again, see `without_recalled`.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import cache
from typing import Any, Final, NamedTuple

from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from capture_app.conf import SETTING, capture_settings
from capture_app.context import current_context
from capture_app.exceptions import CaptureConfigurationError, CaptureError
from capture_app.log_once import log_once
from capture_app.messages import Message, build_messages
from capture_app.metrics import count_memory_failure

MARK: Final = "recalled"  # the key of metadata.gleaner; it is there when such a message was sent

Memory = bool | str | Mapping[str, Any] | None  # True: of the call's user; a user's id; or a mapping with `user_id`

_SYSTEM_ROLES: Final = ("system", "developer")
_MOST_AT_ONCE: Final = 32  # in one process; beyond it something hangs, and more threads would not help
_LONGEST_ID: Final = 500  # characters; databases index no text of any length

logger = logging.getLogger("capture_app")


class Recalled(NamedTuple):
    """What a memory gives."""

    text: str  # of the system message
    example_ids: Sequence[str] = ()  # of the exchanges that it tells of


class Remembering(NamedTuple):
    """What becomes of a call that asked for memory: its own arguments, or others in their place."""

    prompt: str | None
    messages: Sequence[Message] | None
    system_prompt: str | None
    training_metadata: Any
    marks: Mapping[str, Any]  # to be kept with the example


class MemoryBusy(CaptureError):
    """All threads of this process that recall are at work already. The call is made without memory."""


Recall = Callable[[str, Sequence[Message], Mapping[str, Any]], Recalled | str | None]


def remember(
    memory: Memory,
    prompt: str | None,
    messages: Sequence[Message] | None,
    system_prompt: str | None,
    training_metadata: Any,
) -> Remembering | None:
    """The call with what is recalled for it; None: for nobody. Takes MEMORY_SECONDS at most.

    Raises CaptureConfigurationError when there is no memory, and ValueError for an impossible call.
    """
    asked = _asked(memory, prompt, messages, system_prompt, training_metadata)
    if asked is None:
        return None
    try:
        found = _begin(asked).result(capture_settings().memory_seconds)
    except Exception as error:  # a memory may fail in its own way: the call is made without it
        _note_failure(error)
        found = None
    return _remembering(asked, found) or Remembering(prompt, messages, system_prompt, asked.training_metadata, {})


async def aremember(
    memory: Memory,
    prompt: str | None,
    messages: Sequence[Message] | None,
    system_prompt: str | None,
    training_metadata: Any,
) -> Remembering | None:
    """As remember, without blocking the event loop."""
    asked = _asked(memory, prompt, messages, system_prompt, training_metadata)
    if asked is None:
        return None
    try:
        found = await asyncio.wait_for(asyncio.wrap_future(_begin(asked)), capture_settings().memory_seconds)
    except Exception as error:  # as in `remember`
        _note_failure(error)
        found = None
    return _remembering(asked, found) or Remembering(prompt, messages, system_prompt, asked.training_metadata, {})


def with_recalled(messages: Sequence[Message], text: str) -> list[Message]:
    """The conversation with the text as a message, behind the system messages that it begins with."""
    place = _system_messages(messages)
    return [*messages[:place], {"role": "system", "content": text}, *messages[place:]]


def without_recalled(messages: Sequence[Message]) -> list[Message]:
    """What `with_recalled` was given. Only for a conversation whose example has MARK."""
    place = _system_messages(messages)
    return [*messages[: max(place - 1, 0)], *messages[place:]]


def is_usable_id(value: str) -> bool:
    """Whether a database can keep it, and tells it from every other: what is stored as another text is refused."""
    return 0 < len(value) <= _LONGEST_ID and not any(unclear in value for unclear in "\0\ufffd") and _is_utf8(value)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which is stored as another character
        return False
    return True


def _system_messages(messages: Sequence[Message]) -> int:
    """How many the conversation begins with."""
    return next((n for n, each in enumerate(messages) if each.get("role") not in _SYSTEM_ROLES), len(messages))


# --- Asking ----------------------------------------------------------------------------------------------------------


class _Asked(NamedTuple):
    recall: Recall
    user_id: str
    messages: list[Message]
    options: Mapping[str, Any]  # with `conversation_id`, where the call has one
    training_metadata: Any  # with the user's id


def _asked(
    memory: Memory,
    prompt: str | None,
    messages: Sequence[Message] | None,
    system_prompt: str | None,
    training_metadata: Any,
) -> _Asked | None:
    if memory is None or memory is False:
        return None
    recall = _recall_function(capture_settings().memory)
    conversation = build_messages(prompt, messages, system_prompt)
    own = training_metadata if isinstance(training_metadata, Mapping) else {}
    said = {**current_context(), **own}
    options = dict(memory) if isinstance(memory, Mapping) else {}
    given = options.pop("user_id", None) if isinstance(memory, Mapping) else memory
    user_id = said.get("user_id") if given is True or given is None else given
    if type(user_id) not in (str, int) or not is_usable_id(str(user_id)):
        return None  # nobody is signed in, say
    if said.get("conversation_id") is not None:
        options = {"conversation_id": str(said["conversation_id"]), **options}
    if own is training_metadata and said.get("user_id") is None:  # or this exchange would be nobody's
        training_metadata = {**own, "user_id": user_id}
    return _Asked(recall, str(user_id), conversation, options, training_metadata)


@cache
def _recall_function(dotted_path: str) -> Recall:
    if not dotted_path:
        raise CaptureConfigurationError(
            f"A call asks for memory, and there is none: set {SETTING}['MEMORY'], to "
            "'continuous_training.memory.recall' for Gleaner's own."
        )
    try:
        recall: Recall = import_string(dotted_path)
    except ImportError as error:
        raise CaptureConfigurationError(f"{SETTING}['MEMORY'] cannot be used: {error}.") from error
    return recall


def _begin(asked: _Asked) -> "Future[Recalled | None]":
    """Start a thread. A pool's would have to be waited for when the process ends, also when they hang."""
    free = _free
    if not free.acquire(blocking=False):
        raise MemoryBusy(f"{_MOST_AT_ONCE} calls are being remembered at once.")
    future: Future[Recalled | None] = Future()
    future.set_running_or_notify_cancel()  # or who waits no longer could cancel it
    thread = threading.Thread(target=_run, args=(asked, future, free), name="gleaner-memory", daemon=True)
    try:
        thread.start()
    except BaseException:
        free.release()
        raise
    return future


def _run(asked: _Asked, future: "Future[Recalled | None]", free: threading.Semaphore) -> None:
    from django.db import connections  # not needed by calls without memory

    try:
        future.set_result(_understood(asked.recall(asked.user_id, asked.messages, asked.options)))
    except Exception as error:  # it goes to who waits
        future.set_exception(error)
    finally:
        free.release()
        connections.close_all()  # this thread's own


def _understood(found: Any) -> Recalled | None:
    """None: there is nothing to add. Raises TypeError for what no memory should give."""
    if found is None or isinstance(found, str):
        return Recalled(found) if found else None
    if not isinstance(found, Recalled) or not isinstance(found.text, str):
        raise TypeError(f"a memory gave a {type(found).__name__}, and not Recalled, a text or None")
    return Recalled(found.text, [str(each) for each in found.example_ids]) if found.text else None


def _remembering(asked: _Asked, found: Recalled | None) -> Remembering | None:
    if found is None:
        return None
    messages = with_recalled(asked.messages, found.text)
    return Remembering(None, messages, None, asked.training_metadata, {MARK: found.example_ids})


def _note_failure(error: Exception) -> None:
    count_memory_failure()
    log_once(logger, "A call was made without memory, for recalling failed or took too long", error)


_free = threading.Semaphore(_MOST_AT_ONCE)


def _start_anew() -> None:
    """In a forked child, where no thread of its parent goes on; and its parent may have held the semaphore's lock."""
    global _free
    _free = threading.Semaphore(_MOST_AT_ONCE)


def _forget_function(*, setting: str, **kwargs: Any) -> None:
    if setting == SETTING:
        _recall_function.cache_clear()


os.register_at_fork(after_in_child=_start_anew)
setting_changed.connect(_forget_function, dispatch_uid="capture_app.memory")
