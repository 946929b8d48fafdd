"""What the tests of memories share."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.continuous_training.memory.material import RECALL


@pytest.fixture(autouse=True)
def on(capture: Callable[..., None]) -> None:
    """Memories are made of first words, and recalled."""
    capture(MEMORY=RECALL, MEMORY_SECONDS=20)


@pytest.fixture
def configure(settings: Any) -> Callable[..., None]:
    """Set keys of CONTINUOUS_TRAINING["MEMORY"]."""

    def set_keys(**keys: Any) -> None:
        settings.CONTINUOUS_TRAINING = {"MEMORY": keys}

    return set_keys
