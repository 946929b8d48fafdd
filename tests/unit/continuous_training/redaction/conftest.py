"""Settings of redaction for one test."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest


@pytest.fixture
def redaction(settings: Any) -> Callable[..., None]:
    """Set keys of CONTINUOUS_TRAINING["REDACTION"]."""

    def configure(**keys: Any) -> None:
        whole: Mapping[str, Any] = getattr(settings, "CONTINUOUS_TRAINING", {})
        settings.CONTINUOUS_TRAINING = {**whole, "REDACTION": keys}

    return configure
