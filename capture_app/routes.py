"""Which provider and model answer a call: a task or an alias leads to a route.

A route is one of TRAINING_CAPTURE["ROUTES"], or one that was stored by `routing.service`, which wins over it.
"""

import random
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from capture_app.conf import CaptureSettings, capture_settings
from capture_app.context import current_context
from capture_app.exceptions import CaptureConfigurationError
from capture_app.messages import Message
from capture_app.routing.config import RouteConfig, Target
from capture_app.routing.table import StoredRoute, stored_routes

_CALLER_KEYS: Final = ("conversation_id", "user_id")
_IMAGES: Final = ("image_url", "input_image", "image")


class Choice(NamedTuple):
    """Who is asked, and by which stored route; None: by the settings, or the call's own word."""

    target: Target
    route: StoredRoute | None = None


def choose(
    *, task: str | None, model: str | None, messages: Sequence[Message] = (), training_metadata: Any = None
) -> Choice:
    """As resolve_route, for one call: of a route with several targets, one is drawn.

    The calls of one conversation_id, or else of one user_id, go to the same target for as long as the shares stay; when
    one of two shares grows, only those move that it takes. Raises as resolve_route.
    """
    route = _stored(task, model)
    if route is None:
        return Choice(_settled(task, model))
    config = route.config
    if config.vision and _has_image(messages):
        return Choice(config.vision, route)
    return Choice(_drawn(route.name, config, training_metadata), route)


def resolve_route(*, task: str | None, model: str | None) -> Target:
    """`model` as an alias wins, then `model` as a model's name, then the route of `task`, then the default.

    Of a stored route with several targets it is the one with the largest share. Raises CaptureConfigurationError for a
    route whose provider is not configured.
    """
    route = _stored(task, model)
    return _settled(task, model) if route is None else checked(route.config.main(), route.name)


def settled_target(task: str) -> Target:
    """Whom the settings alone lead to. Raises CaptureConfigurationError as resolve_route."""
    return _settled(task, None)


def _settled(task: str | None, model: str | None) -> Target:
    """By the settings, or the call's own word."""
    conf = capture_settings()
    if model:
        return _configured(conf, model) or Target(conf.default_provider, model)
    return (_configured(conf, task) if task else None) or Target(conf.default_provider, conf.default_model)


def checked(target: Target, route: str) -> Target:
    """The target; raises CaptureConfigurationError when its provider is not configured."""
    if target.provider not in capture_settings().providers:
        raise CaptureConfigurationError(
            f"Route {route!r} names the provider {target.provider!r}, which PROVIDERS lacks."
        )
    return target


def _stored(task: str | None, model: str | None) -> StoredRoute | None:
    routes = stored_routes()
    if not routes:
        return None
    name = model or task
    return routes.get(name) if name else None


def _configured(conf: CaptureSettings, name: str) -> Target | None:
    route = conf.routes.get(name)
    if route is None:
        return None
    target = Target(route.get("PROVIDER", conf.default_provider), route.get("MODEL", conf.default_model))
    return checked(target, name)


def _drawn(name: str, config: RouteConfig, training_metadata: Any) -> Target:
    if len(config.shares) == 1:
        return config.shares[0].target
    point = _point(name, _caller(training_metadata) if config.sticky else None) * sum(
        share.weight for share in config.shares
    )
    for target, weight in config.shares:
        point -= weight
        if point < 0:
            return target
    return config.main()  # what rounding leaves over


def _caller(training_metadata: Any) -> Any:
    """Whose call it is: of which conversation, or else of which user; None: nobody said."""
    said = training_metadata if isinstance(training_metadata, Mapping) else {}
    around = current_context()
    return next((found for key in _CALLER_KEYS if (found := said.get(key) or around.get(key))), None)


def _point(name: str, key: Any) -> float:
    """Between 0 and 1: the same for all calls of a conversation, and of no use for telling whose it is."""
    if not key:
        return random.random()  # noqa: S311  (a draw of lots, and no secret)
    digest = blake2b(f"{name}\0{key}".encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def _has_image(messages: Sequence[Message]) -> bool:
    return any(
        isinstance(part, Mapping) and part.get("type") in _IMAGES
        for message in messages
        if isinstance(content := message.get("content"), list | tuple)
        for part in content
    )
