"""Shadow calls: the candidate is asked what the incumbent has answered, and its answer is only recorded.

They run in a few threads of the process that made the call, after it has its answer. What does not fit into their
queue, or is under way when the process ends, is dropped: they are a sample. Their examples have the mark `shadow_of`.
"""

import copy
import logging
import os
import random
import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import lru_cache, partial
from queue import Full, Queue
from typing import Any, Final

from capture_app.calls import Call
from capture_app.providers import get_provider
from capture_app.providers.base import CompletionRequest
from capture_app.responses import LLMResponse
from capture_app.routing.beginning import begin_routed
from capture_app.routing.config import Target
from capture_app.routing.outcomes import ANSWERED, FAILED, count_outcome
from capture_app.routing.table import StoredRoute

SHADOW_OF: Final = "shadow_of"  # under the reserved key: the id of the example whose answer was used
_THREADS: Final = 4
_WAITING: Final = 32  # calls, besides those that are asked just now

logger = logging.getLogger("capture_app")


def offer_shadow(call: Call, route: StoredRoute, response: LLMResponse) -> None:
    """Have the route's shadow asked the same, if it has one, this call is in its share, and it was captured."""
    shadow = route.config.shadow
    if shadow is None or response.example_id is None or shadow == Target(call.provider, call.request.model):
        return
    if random.random() >= route.config.shadow_share:  # noqa: S311  (a draw of lots, and no secret)
        return
    _offer(call, route, shadow, response.example_id)


def _offer(call: Call, route: StoredRoute, shadow: Target, example_id: str) -> None:
    try:
        # The caller may change what it passed in as soon as it has its answer.
        request, metadata = copy.deepcopy((call.request, call.training_metadata))
        marks = {**(call.marks or {}), SHADOW_OF: example_id}
        facts = {"task": call.task, "training_metadata": metadata, "marks": marks}
        ask = partial(copy_context().run, _ask, request, route, shadow, facts)
        _queue(os.getpid()).put_nowait(ask)
    except Full:
        logger.debug("A shadow call was dropped: %d wait already.", _WAITING)
    except Exception as error:  # an object that cannot be copied, or an interpreter that is about to end
        logger.debug("A shadow call was dropped: %s", error)


@lru_cache(maxsize=1)
def _queue(pid: int) -> Queue[Callable[[], None]]:
    """With its threads. They are daemons: a process that is told to end does not wait for a sample."""
    queue: Queue[Callable[[], None]] = Queue(_WAITING)
    for number in range(_THREADS):
        thread = threading.Thread(target=_work, args=(queue,), name=f"gleaner-shadow-{number}", daemon=True)
        Context().run(thread.start)  # what surrounds the first call is not to surround all others
    return queue


def _work(queue: Queue[Callable[[], None]]) -> None:
    while True:
        queue.get()()


def _ask(request: CompletionRequest, route: StoredRoute, shadow: Target, facts: dict[str, Any]) -> None:
    outcome = FAILED
    try:
        call = begin_routed(request, route, shadow, **facts)
        call.finish(call.ask(get_provider(shadow.provider).complete))
        outcome = ANSWERED
    except Exception as error:  # a shadow's failure is counted, and is nobody else's
        logger.debug("The shadow %s failed for %s: %s", shadow, route.name, type(error).__name__)
    finally:
        count_outcome(route.name, shadow, outcome)
