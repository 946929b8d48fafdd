"""Which provider and model answer a call: a task or an alias leads to a route."""

from typing import NamedTuple

from capture_app.conf import CaptureSettings, capture_settings
from capture_app.exceptions import CaptureConfigurationError


class Route(NamedTuple):
    """A provider's name in TRAINING_CAPTURE["PROVIDERS"], and the model to ask it for ("" leaves the choice to it)."""

    provider: str
    model: str


def resolve_route(*, task: str | None, model: str | None) -> Route:
    """`model` as an alias in ROUTES wins, then `model` as a model's name, then the route of `task`, then the default.

    Raises CaptureConfigurationError for a route whose provider is not configured.
    """
    conf = capture_settings()
    if model:
        return _configured(conf, model) or Route(conf.default_provider, model)
    return (_configured(conf, task) if task else None) or Route(conf.default_provider, conf.default_model)


def _configured(conf: CaptureSettings, name: str) -> Route | None:
    route = conf.routes.get(name)
    if route is None:
        return None
    provider = route.get("PROVIDER", conf.default_provider)
    if provider not in conf.providers:
        raise CaptureConfigurationError(f"Route {name!r} names the provider {provider!r}, which PROVIDERS lacks.")
    return Route(provider, route.get("MODEL", conf.default_model))
