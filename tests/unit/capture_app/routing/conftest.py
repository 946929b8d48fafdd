"""Providers with names, and routes that hold at once."""

from collections.abc import Callable
from typing import Any

import pytest

from capture_app.providers import get_provider
from capture_app.providers.base import StreamDelta
from capture_app.routing.board import get_board
from capture_app.routing.config import parse_route
from capture_app.routing.service import set_route
from capture_app.routing.table import look_again, routes_json
from tests.unit.capture_app.fake_providers import ScriptedProvider, ServiceDown

ANSWER = (StreamDelta(text="from "), StreamDelta(finish_reason="stop"))


def provider(name: str) -> ScriptedProvider:
    found = get_provider(name)
    assert isinstance(found, ScriptedProvider)
    return found


def configured(**errors: Exception | None) -> dict[str, Any]:
    """Keys of TRAINING_CAPTURE with a scripted provider of each name, which raises the error or answers."""
    backend = "tests.unit.capture_app.fake_providers.ScriptedProvider"
    return {
        "PROVIDERS": {
            name: {"BACKEND": backend, "OPTIONS": {"error": error} if error else {"deltas": ANSWER}}
            for name, error in errors.items()
        },
        "DEFAULT_PROVIDER": "old",
        "DEFAULT_MODEL": "default",
    }


@pytest.fixture(autouse=True)
def providers(capture: Callable[..., None]) -> None:
    capture(**configured(old=None, new=None, broken=ServiceDown("down")))


@pytest.fixture
def publish() -> Callable[..., None]:
    """Put one route on the board, as the service does it, without a database."""

    def put(name: str = "shop", version: int = 1, **said: Any) -> None:
        get_board().publish(routes_json({name: (version, said)}))
        look_again()

    return put


@pytest.fixture
def change(db: None, django_capture_on_commit_callbacks: Any) -> Callable[..., None]:
    """Change a route by the service, and publish it as a commit does."""

    def to(*targets: dict[str, Any], name: str = "shop", reason: str = "", **said: Any) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            set_route(name, parse_route({"targets": list(targets), **said}), by="ada", reason=reason)

    return to


def target(provider: str, model: str = "m", **said: Any) -> dict[str, Any]:
    return {"provider": provider, "model": model, **said}
