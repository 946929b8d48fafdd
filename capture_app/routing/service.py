"""The verbs of stored routes: set, clear, roll back, publish. Each change is noted with who made it, and why."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from django.db import IntegrityError, router, transaction
from django.db.models import QuerySet
from filelock import FileLock

from capture_app.conf import capture_settings
from capture_app.models import Route, RouteChange
from capture_app.routes import checked, resolve_route
from capture_app.routing.board import get_board
from capture_app.routing.config import RouteConfig, Target, WrongRoute, parse_route
from capture_app.routing.table import look_again, routes_json

_LOCK: Final = ".routes.lock"

logger = logging.getLogger("capture_app")


class RouteChanged(WrongRoute):
    """Somebody else changed the route meanwhile."""


def set_route(
    name: str, config: RouteConfig, *, by: str, reason: str = "", expected_version: int | None = None
) -> RouteChange:
    """Have the calls of a task, or an alias, go as `config` says, from a second or so after the commit on.

    `by` says who wants it. With `expected_version` it is done only if that is the route's version still; 0: it has
    none. Raises WrongRoute, CaptureConfigurationError for a provider that is not configured, RouteChanged.
    """
    if not name.strip():
        raise WrongRoute("A route has the name of a task, or of an alias.")
    parse_route(config.to_json())
    for target in config.targets():
        checked(target, name)
    return _change(name, lambda route: (config.to_json(), None), by, reason, expected_version)


def clear_route(name: str, *, by: str, reason: str = "") -> RouteChange:
    """Have the calls go as ROUTES in the settings says. Raises WrongRoute where nothing is stored."""
    if stored_config(name) is None:
        raise WrongRoute(f"Nothing is stored for the route {name!r}: it goes by the settings already.")
    return _change(name, lambda route: (None, None), by, reason, None)


def roll_back(name: str, *, by: str, reason: str = "", expected_version: int | None = None) -> RouteChange:
    """Undo the last change that is not undone yet; done again, it undoes the one before.

    Raises WrongRoute when there is none, RouteChanged as set_route.
    """
    return _change(name, _before_the_last, by, reason, expected_version)


def route_history(name: str) -> QuerySet[RouteChange]:
    """Its changes, the newest first."""
    return RouteChange.objects.filter(route=name).order_by("-version")


def stored_config(name: str) -> RouteConfig | None:
    """What the database has; None: the route goes by the settings."""
    route = Route.objects.filter(pk=name).first()
    return None if route is None or route.config is None else parse_route(route.config)


def routed_models() -> set[Target]:
    """All that any call may be led to now: by stored routes, by ROUTES, or by default."""
    conf = capture_settings()
    found = {resolve_route(task=None, model=None)}
    for route in conf.routes.values():
        found.add(Target(route.get("PROVIDER", conf.default_provider), route.get("MODEL", conf.default_model)))
    for config in Route.objects.exclude(config=None).values_list("config", flat=True):
        found |= parse_route(config).targets()
    return found


def restorable_config(name: str) -> RouteConfig | None:
    """What `roll_back` would restore; None: the settings, or nothing."""
    try:
        config, _ = _before_the_last(Route.objects.filter(pk=name).first())
    except WrongRoute:
        return None
    return None if config is None else parse_route(config)


def publish_routes() -> bool:
    """Put the stored routes where processes read them; whether that was news.

    Raises OSError, or what Redis raises, when the board cannot be written; it is as it was then, and the next one who
    publishes, each minute, puts it right.
    """
    folder = capture_settings().data_dir
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(folder / _LOCK):  # who reads first must not write last
        stored = Route.objects.exclude(config=None).values_list("name", "version", "config")
        content = routes_json({name: (version, config) for name, version, config in stored})
        board = get_board()
        found = board.read()
        if found == content or (found is None and not stored):
            return False
        board.publish(content)
    look_again()
    return True


def _change(
    name: str,
    next_config: Callable[[Route | None], tuple[Any, int | None]],
    by: str,
    reason: str,
    expected_version: int | None,
) -> RouteChange:
    """`next_config` gives the configuration's JSON, and the version that it restores."""
    try:
        with transaction.atomic(using=router.db_for_write(Route)):
            change = _noted(name, next_config, by, reason, expected_version)
            transaction.on_commit(partial(_publish, name), using=router.db_for_write(Route))
            return change
    except IntegrityError as error:
        raise RouteChanged(_changed(name)) from error


def _noted(
    name: str,
    next_config: Callable[[Route | None], tuple[Any, int | None]],
    by: str,
    reason: str,
    expected_version: int | None,
) -> RouteChange:
    route = Route.objects.select_for_update().filter(pk=name).first()
    version = route.version if route else 0
    if expected_version not in (None, version):
        raise RouteChanged(_changed(name))
    after, restores = next_config(route)
    now = datetime.now(UTC)
    # Whoever changed it at the same time has taken this version: then the database refuses.
    change = RouteChange.objects.create(
        route=name,
        version=version + 1,
        before=route.config if route else None,
        after=after,
        restores=restores,
        changed_by=by,
        changed_at=now,
        reason=reason,
    )
    effective = version + 1 if restores is None else restores
    state = {"config": after, "version": version + 1, "effective": effective, "changed_at": now}
    Route.objects.update_or_create(pk=name, defaults=state)
    return change


def _changed(name: str) -> str:
    return f"The route {name!r} was changed by somebody else meanwhile, and is as they left it. Look at it, and repeat."


def _before_the_last(route: Route | None) -> tuple[Any, int | None]:
    if route is None:
        raise WrongRoute("The route was never changed: there is nothing to undo.")
    if route.effective == 0:
        raise WrongRoute(f"All changes of the route {route.name!r} are undone already.")
    before = RouteChange.objects.filter(route=route.name, version=route.effective - 1).first()
    if before is None:
        return None, 0
    return before.after, before.version if before.restores is None else before.restores


def _publish(name: str) -> None:
    """After the commit: the change is made, and a board that cannot be written now is written within a minute."""
    try:
        publish_routes()
    except Exception as error:  # a full disk, or whatever Redis raises
        logger.error("The route %r is changed, but not published yet (%s); it is tried each minute.", name, error)
