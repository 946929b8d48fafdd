"""What /metrics says about the archive."""

from collections.abc import Callable
from pathlib import Path

import pytest

from capture_app.gauges import read_gauges
from training_archive.services import archive_training_data

pytestmark = pytest.mark.django_db

Calls = Callable[..., list[str]]


def figure(name: str) -> float:
    [value] = [gauge.value for gauge in read_gauges() if gauge.name == name]
    return value


def test_a_run_that_was_interrupted_leaves_a_sealed_file(
    capture_calls: Calls, interrupted_run: Callable[..., None]
) -> None:
    assert figure("gleaner_sealed_files") == 0
    capture_calls(1)
    interrupted_run()
    assert figure("gleaner_sealed_files") == 1

    archive_training_data()

    assert figure("gleaner_sealed_files") == 0


def test_the_archive_is_as_large_as_its_zip(capture_calls: Calls, zip_path: Path) -> None:
    assert figure("gleaner_archive_bytes") == 0
    capture_calls(1)

    archive_training_data()

    assert figure("gleaner_archive_bytes") == zip_path.stat().st_size > 0


def test_a_zip_that_is_damaged_has_a_size_too(zip_path: Path) -> None:
    zip_path.parent.mkdir(parents=True)
    zip_path.write_bytes(b"no ZIP")

    assert figure("gleaner_archive_bytes") == 6
