"""The stored routes, as this process knows them."""

import logging
import os
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import orjson
from django.core.signals import setting_changed

from capture_app.conf import SETTING
from capture_app.routing.board import get_board
from capture_app.routing.config import RouteConfig, WrongRoute, parse_route

LOOK_SECONDS: Final = 1.0  # between two looks at the board

logger = logging.getLogger("capture_app")


class StoredRoute(NamedTuple):
    """A route as it was published."""

    name: str  # a task, or an alias
    version: int
    config: RouteConfig


_NONE: Final[Mapping[str, StoredRoute]] = MappingProxyType({})


class _Table:
    """What was read last. Threads that look at the same time read the same, so none waits for another."""

    def __init__(self) -> None:
        self.pid = 0
        self.next_look = 0.0  # monotonic
        self.routes = _NONE

    def look(self, now: float) -> Mapping[str, StoredRoute]:
        self.next_look = now + LOOK_SECONDS
        board, pid = get_board(), os.getpid()
        if self.pid == pid and board.is_same():
            return self.routes
        self.pid = pid
        content = board.read()
        try:
            self.routes = parse_routes(content) if content else _NONE
        except (ValueError, KeyError, TypeError, WrongRoute) as error:  # by another release, perhaps
            logger.error("The published routes cannot be read (%s): calls go by those that were read last.", error)
        return self.routes


_table = _Table()


def stored_routes() -> Mapping[str, StoredRoute]:
    """By name. At most LOOK_SECONDS old, if the board can be read; never raises for what is on it."""
    now = time.monotonic()
    return _table.routes if now < _table.next_look else _table.look(now)


def look_again() -> None:
    """Have the next call look at the board at once."""
    _table.next_look = 0.0


def routes_json(routes: Mapping[str, tuple[int, Any]]) -> bytes:
    """For the board: by name, version and configuration in its JSON."""
    said = {name: {"version": version, "config": config} for name, (version, config) in sorted(routes.items())}
    return orjson.dumps({"routes": said})


def parse_routes(content: bytes) -> Mapping[str, StoredRoute]:
    """What `routes_json` made. Of anything else it raises ValueError, KeyError, TypeError or WrongRoute."""
    said = orjson.loads(content)
    if not isinstance(said, dict) or not isinstance(said.get("routes"), dict):
        raise ValueError("they are no object with routes")
    return {
        name: StoredRoute(name, int(each["version"]), parse_route(each["config"]))
        for name, each in said["routes"].items()
    }


def _forget_table(*, setting: str, **kwargs: object) -> None:
    if setting == SETTING:
        _table.__init__()  # type: ignore[misc]  # made anew in place: others hold the object


setting_changed.connect(_forget_table, dispatch_uid="capture_app.routing.table")
