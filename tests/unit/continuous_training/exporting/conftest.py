"""What the tests of the export share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def exports(data_dir: Path) -> Path:
    """Where exports are written."""
    return data_dir / "exports"


@pytest.fixture
def zip_path(data_dir: Path) -> Path:
    """Where the archive of this test will be."""
    return data_dir / "llm_training_dataset.zip"


@pytest.fixture
def rules(settings: Any) -> Callable[..., None]:
    """Change keys of CONTINUOUS_TRAINING["EXPORT"]."""

    def change(**keys: Any) -> None:
        settings.CONTINUOUS_TRAINING = {"EXPORT": keys}

    return change
