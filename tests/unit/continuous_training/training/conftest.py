"""Trainers that need no model, and no broker that is asked."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit.continuous_training.training.material import LOOP
from tests.unit.memory_broker import memory_broker


@pytest.fixture(autouse=True)
def loop(settings: Any) -> Callable[..., None]:
    """CONTINUOUS_TRAINING with trainers for tests. Call it to change keys."""

    def configure(**keys: Any) -> None:
        settings.CONTINUOUS_TRAINING = {**LOOP, **keys}

    configure()
    return configure


@pytest.fixture(autouse=True)
def sent() -> Iterator[Callable[[], list[Any]]]:
    """Call it for the arguments of the tasks that were sent to workers since."""
    with memory_broker() as waiting:
        yield waiting
