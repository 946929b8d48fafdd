"""What the tests of capture_app share."""

from collections import Counter
from pathlib import Path

import pytest

from capture_app import metrics


@pytest.fixture(autouse=True)
def fresh_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts are the process's own; each test starts from none."""
    monkeypatch.setattr(metrics, "_capture_failures", Counter())
    monkeypatch.setattr(metrics, "_open_causes", set())


@pytest.fixture
def broken_spool(data_dir: Path) -> Path:
    """A file in the place of the spool folder: no record can be kept until it is unlinked."""
    data_dir.mkdir(parents=True)
    in_the_way = data_dir / "spool"
    in_the_way.touch()
    return in_the_way
