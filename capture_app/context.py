"""What surrounds a call, said once: `with capture_context(task=..., user_id=..., shop="eu"):`.

Held in a ContextVar, so it follows `await`, tasks and `asyncio.to_thread` by itself. Threads that are started inside,
and work handed to a ThreadPoolExecutor inside, get it too: Python 3.14 can do that, and earlier ones are taught it
here, by wrapping Thread.start and ThreadPoolExecutor.submit when the first context is entered.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache, wraps
from types import MappingProxyType, MethodType
from typing import Any, Final

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

_context: ContextVar[Mapping[str, Any]] = ContextVar("gleaner_capture_context", default=_NOTHING)

current_context: Callable[[], Mapping[str, Any]] = _context.get


@contextmanager
def capture_context(
    *, task: str | None = None, conversation_id: str | None = None, user_id: str | None = None, **metadata: Any
) -> Iterator[None]:
    """Fill in what the calls inside do not say themselves. An inner context wins over an outer one.

    `task` picks the route and names the example, `conversation_id` and `user_id` are kept with it, and every other
    keyword becomes a key of its metadata. Nothing is captured because of this: `call_llm` still needs its
    `training_metadata`, an instrumented client does not.
    """
    _follow_into_threads()
    named = {"task": task, "conversation_id": conversation_id, "user_id": user_id}
    given = {key: value for key, value in named.items() if value is not None}
    token = _context.set({**_context.get(), **given, **metadata})
    try:
        yield
    finally:
        with suppress(ValueError):  # a generator may be closed elsewhere than where it was begun; there it set nothing
            _context.reset(token)


@contextmanager
def resumed_context(context: Mapping[str, Any]) -> Iterator[None]:
    """The context as it was elsewhere, whatever it is here."""
    token = _context.set(context)
    try:
        yield
    finally:
        _context.reset(token)


@cache
def _follow_into_threads() -> None:
    """Wrap the two doors into a thread, once per process."""
    threading.Thread.start = _carrying_start(threading.Thread.start)  # type: ignore[method-assign]  # that is the aim
    ThreadPoolExecutor.submit = _carrying_submit(ThreadPoolExecutor.submit)  # type: ignore[method-assign]  # likewise


def _carrying_start(start: Callable[..., None]) -> Callable[..., None]:
    @wraps(start)
    def carrying(thread: threading.Thread, *args: Any, **kwargs: Any) -> None:
        context = _context.get()
        if context:
            run = thread.run

            def run_inside(itself: threading.Thread) -> None:
                try:
                    with resumed_context(context):
                        run()
                finally:
                    itself.__dict__.pop("run", None)  # or the two would keep each other alive

            # A method, as it was: others who wrap a thread's `run` take the function out of it.
            thread.run = MethodType(run_inside, thread)  # type: ignore[method-assign]  # of this one thread
        start(thread, *args, **kwargs)

    return carrying


def _carrying_submit(submit: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    @wraps(submit)
    def carrying(pool: ThreadPoolExecutor, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        context = _context.get()
        if not context:
            return submit(pool, function, *args, **kwargs)

        def run_inside() -> Any:
            with resumed_context(context):
                return function(*args, **kwargs)

        with resumed_context(_NOTHING):  # a worker that the pool starts now serves others later
            return submit(pool, run_inside)

    return carrying
