"""Routes in words, for people and for pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from capture_app.conf import capture_settings
from capture_app.models import Route
from capture_app.routing.config import Target, single
from capture_app.routing.service import route_history


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeState:
    """One change of a route."""

    version: int
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    restores: int | None
    changed_by: str
    changed_at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteState:
    """Where the calls of a task or an alias go."""

    name: str  # "": every call that has no route of its own
    config: Mapping[str, Any]  # in its JSON
    is_stored: bool  # not by the settings
    version: int  # of its last change; 0: there was none
    is_undoable: bool  # whether a change is left to be undone
    changes: list[ChangeState]  # the newest first; only where they were asked for


def describe_routes(name: str = "") -> list[RouteState]:
    """All routes by name, and last where every other call goes; or the one of that name, with its changes."""
    stored = {route.name: route for route in Route.objects.all()}
    if name:
        return [_state(name, stored.get(name), with_changes=True)]
    names = sorted({*capture_settings().routes, *stored})
    return [_state(each, stored.get(each)) for each in [*names, ""]]


def describe_target(config: Mapping[str, Any] | None) -> str:
    """A route's configuration on one line."""
    if config is None:
        return "by the settings"
    targets = config["targets"]
    total = sum(target["weight"] for target in targets)
    parts = [f"{_named(each)} {each['weight'] / total:.3g}" if len(targets) > 1 else _named(each) for each in targets]
    parts += [f"{role} {_named(config[role])}" for role in ("fallback", "vision", "shadow") if config.get(role)]
    return ", ".join(parts)


def _named(target: Mapping[str, Any]) -> str:
    return f"{target['provider']}/{target['model'] or '(its own choice)'}"


def _state(name: str, route: Route | None, *, with_changes: bool = False) -> RouteState:
    stored = route.config if route is not None else None
    return RouteState(
        name=name,
        config=_settled(name) if stored is None else stored,
        is_stored=stored is not None,
        version=route.version if route else 0,
        is_undoable=route is not None and route.effective != 0,
        changes=_changes(name) if with_changes else [],
    )


def _settled(name: str) -> Mapping[str, Any]:
    conf = capture_settings()
    said = conf.routes.get(name, {})  # its provider need not be configured
    target = Target(said.get("PROVIDER", conf.default_provider), said.get("MODEL", conf.default_model))
    return single(target).to_json()


def _changes(name: str) -> list[ChangeState]:
    return [
        ChangeState(
            version=change.version,
            before=change.before,
            after=change.after,
            restores=change.restores,
            changed_by=change.changed_by,
            changed_at=change.changed_at,
            reason=change.reason,
        )
        for change in route_history(name)
    ]
