"""Two providers, and a task that openai/big answers."""

from collections.abc import Callable

import pytest

OFFLINE = {"BACKEND": "capture_app.providers.offline.OfflineProvider"}


@pytest.fixture(autouse=True)
def providers(capture: Callable[..., None]) -> None:
    capture(
        PROVIDERS={"openai": OFFLINE, "local": OFFLINE},
        DEFAULT_PROVIDER="openai",
        DEFAULT_MODEL="other",
        ROUTES={"shop": {"MODEL": "big"}},
    )
