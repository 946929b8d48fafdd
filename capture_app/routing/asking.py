"""Asking whom a stored route names: the one that was drawn, the one that steps in, and the shadow afterwards.

What follows a call over a route is here and not in `client`, whose calls mostly have none.
"""

import logging
from collections.abc import AsyncIterator, Iterator

from capture_app.calls import Call
from capture_app.providers import get_provider
from capture_app.providers.base import StreamDelta
from capture_app.responses import AsyncLLMStream, LLMResponse, LLMStream
from capture_app.routing.beginning import begin_routed, target_of
from capture_app.routing.config import Target
from capture_app.routing.outcomes import ANSWERED, FAILED, count_outcome
from capture_app.routing.shadow import offer_shadow
from capture_app.routing.table import StoredRoute

logger = logging.getLogger("capture_app")


def complete(call: Call, route: StoredRoute) -> LLMResponse:
    """The answer, if need be by the route's fallback. When that fails, too, the first error is raised."""
    try:
        completion = call.ask(get_provider(call.provider).complete)
    except Exception as error:  # a provider raises what it likes, and any of it is a reason to ask another
        other = _instead(call, route, error)
        if other is None:
            raise
        try:
            completion = other.ask(get_provider(other.provider).complete)
        except Exception:
            count_outcome(route.name, target_of(other), FAILED)
            raise error from None
        call = other
    return _finished(call, route, call.finish(completion))


async def acomplete(call: Call, route: StoredRoute) -> LLMResponse:
    """As complete."""
    try:
        completion = await call.aask(get_provider(call.provider).acomplete)
    except Exception as error:  # as in `complete`
        other = _instead(call, route, error)
        if other is None:
            raise
        try:
            completion = await other.aask(get_provider(other.provider).acomplete)
        except Exception:
            count_outcome(route.name, target_of(other), FAILED)
            raise error from None
        call = other
    return _finished(call, route, call.finish(completion))


def stream(call: Call, route: StoredRoute) -> LLMStream:
    """The stream, if need be the fallback's: with one, this waits for the first piece, and after that none steps in."""
    deltas = _deltas(call, route)
    if _spare(call, route) is None:
        return call.stream(deltas)
    try:
        return call.stream(_started(deltas))
    except Exception as error:  # as in `complete`
        call.fail(error)
        other = _instead(call, route, error, counted=True)
        if other is None:
            raise
        return other.stream(_deltas(other, route))


async def astream(call: Call, route: StoredRoute) -> AsyncLLMStream:
    """As stream."""
    deltas = _adeltas(call, route)
    if _spare(call, route) is None:
        return call.astream(deltas)
    try:
        return call.astream(await _astarted(deltas))
    except Exception as error:  # as in `complete`
        call.fail(error)
        other = _instead(call, route, error, counted=True)
        if other is None:
            raise
        return other.astream(_adeltas(other, route))


def _spare(call: Call, route: StoredRoute) -> Target | None:
    fallback = route.config.fallback
    return None if fallback == target_of(call) else fallback


def _instead(call: Call, route: StoredRoute, error: Exception, *, counted: bool = False) -> Call | None:
    """The same call to the fallback; None: the route has no other."""
    failed, spare = target_of(call), _spare(call, route)
    if not counted:
        count_outcome(route.name, failed, FAILED)
    if spare is None:
        return None
    logger.warning("%s failed for %s (%s); %s is asked instead.", failed, route.name, type(error).__name__, spare)
    marks = {**(call.marks or {}), "fell_back": {"from": str(failed), "error": type(error).__name__}}
    return begin_routed(
        call.request, route, spare, task=call.task, training_metadata=call.training_metadata, marks=marks
    )


def _finished(call: Call, route: StoredRoute, response: LLMResponse) -> LLMResponse:
    count_outcome(route.name, target_of(call), ANSWERED)
    offer_shadow(call, route, response)
    return response


def _deltas(call: Call, route: StoredRoute) -> Iterator[StreamDelta]:
    """The provider's, and how they ended is counted."""
    outcome = ANSWERED
    try:
        yield from get_provider(call.provider).stream(call.request)
    except Exception:
        outcome = FAILED
        raise
    finally:
        count_outcome(route.name, target_of(call), outcome)


async def _adeltas(call: Call, route: StoredRoute) -> AsyncIterator[StreamDelta]:
    """As _deltas."""
    outcome = ANSWERED
    try:
        async for delta in get_provider(call.provider).astream(call.request):
            yield delta
    except Exception:
        outcome = FAILED
        raise
    finally:
        count_outcome(route.name, target_of(call), outcome)


def _started(deltas: Iterator[StreamDelta]) -> Iterator[StreamDelta]:
    """The same, the first of them there already."""
    first = next(deltas, None)
    return _with_first(first, deltas)


def _with_first(first: StreamDelta | None, deltas: Iterator[StreamDelta]) -> Iterator[StreamDelta]:
    if first is not None:
        yield first
    yield from deltas


async def _astarted(deltas: AsyncIterator[StreamDelta]) -> AsyncIterator[StreamDelta]:
    """As _started."""
    first = await anext(deltas, None)
    return _awith_first(first, deltas)


async def _awith_first(first: StreamDelta | None, deltas: AsyncIterator[StreamDelta]) -> AsyncIterator[StreamDelta]:
    if first is not None:
        yield first
    async for delta in deltas:
        yield delta
