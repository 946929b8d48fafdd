"""A service on the loopback, and runs that it is asked to do."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.finetuning_server import FinetuningServer, finetuning_server
from tests.unit.continuous_training.training.trainers.hosted import Run


@pytest.fixture
def service() -> Iterator[FinetuningServer]:
    with finetuning_server() as found:
        yield found


@pytest.fixture
def run(service: FinetuningServer, tmp_path: Path) -> Callable[..., Run]:
    return lambda **options: Run(service, tmp_path, **options)
