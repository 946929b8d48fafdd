"""A task or an alias leads to a provider and a model."""

from collections.abc import Callable

import pytest

from capture_app.exceptions import CaptureConfigurationError
from capture_app.routes import resolve_route
from capture_app.routing.config import Target

ROUTES = {
    "productpage_extractor": {"PROVIDER": "openai", "MODEL": "small-tuned"},
    "large": {"PROVIDER": "openai", "MODEL": "large-2026"},
    "only a model": {"MODEL": "other"},
    "only a provider": {"PROVIDER": "openai"},
    "lost": {"PROVIDER": "gone", "MODEL": "x"},
}


@pytest.fixture(autouse=True)
def routes(capture: Callable[..., None]) -> None:
    capture(ROUTES=ROUTES, DEFAULT_MODEL="default-model")


def test_a_task_leads_to_its_route() -> None:
    assert resolve_route(task="productpage_extractor", model=None) == Target("openai", "small-tuned")


def test_an_alias_leads_to_its_route() -> None:
    assert resolve_route(task=None, model="large") == Target("openai", "large-2026")


def test_an_alias_wins_over_the_task() -> None:
    assert resolve_route(task="productpage_extractor", model="large") == Target("openai", "large-2026")


def test_a_models_own_name_wins_over_the_task() -> None:
    assert resolve_route(task="productpage_extractor", model="gpt-5") == Target("offline", "gpt-5")


@pytest.mark.parametrize("task", ["unknown", "", None])
def test_a_task_without_a_route_gets_the_default(task: str | None) -> None:
    assert resolve_route(task=task, model=None) == Target("offline", "default-model")


def test_a_route_may_leave_out_the_provider() -> None:
    assert resolve_route(task="only a model", model=None) == Target("offline", "other")


def test_a_route_may_leave_out_the_model() -> None:
    assert resolve_route(task="only a provider", model=None) == Target("openai", "default-model")


def test_a_route_to_a_provider_that_is_not_configured_is_refused() -> None:
    with pytest.raises(CaptureConfigurationError, match="'lost' names the provider 'gone'"):
        resolve_route(task="lost", model=None)
