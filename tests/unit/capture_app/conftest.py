"""What the tests of capture_app share."""

from pathlib import Path

import pytest


@pytest.fixture
def broken_spool(data_dir: Path) -> Path:
    """A file in the place of the spool folder: no record can be kept until it is unlinked."""
    data_dir.mkdir(parents=True)
    in_the_way = data_dir / "spool"
    in_the_way.touch()
    return in_the_way
