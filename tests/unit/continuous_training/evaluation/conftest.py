"""What the tests of evaluations share."""

import ssl
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from tests.unit.continuous_training.evaluation.models_served import Served, served_models

_context = cache(ssl.create_default_context)  # each client loads all certificates, for http, too


@pytest.fixture
def served(capture: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Models behind the provider `stub`, and a judge that is called `judge`."""
    monkeypatch.setattr(ssl, "create_default_context", _context)
    with served_models() as models:
        capture(**models.settings())
        yield models
