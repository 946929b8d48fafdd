"""Calls to the targets of a stored route."""

from typing import Any

from capture_app.calls import Call, begin_call
from capture_app.providers.base import CompletionRequest
from capture_app.routing.config import Target
from capture_app.routing.table import StoredRoute


def begin_routed(request: CompletionRequest, route: StoredRoute, target: Target, **facts: Any) -> Call:
    """A call to the target, which says in its example which route led there. `facts` as begin_call has them."""
    marks = {**facts.pop("marks", {}), "route": {"name": route.name, "version": route.version}}
    return begin_call(request._replace(model=target.model), provider=target.provider, marks=marks, **facts)


def target_of(call: Call) -> Target:
    return Target(call.provider, call.request.model)
