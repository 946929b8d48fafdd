"""A queue of Celery's in memory, so that no broker is asked for."""

from collections.abc import Iterator

import pytest
from celery import Celery, current_app


@pytest.fixture(autouse=True)
def queue() -> Iterator[None]:
    project = current_app._get_current_object()
    Celery("tests", broker="memory://", set_as_current=True)
    yield
    project.set_current()
