"""TRAINING_CAPTURE as a typed value."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from capture_app.conf import CaptureSettings, capture_settings
from capture_app.exceptions import CaptureConfigurationError


def test_only_the_data_dir_must_be_given(settings: Any, tmp_path: Path) -> None:
    settings.TRAINING_CAPTURE = {"DATA_DIR": tmp_path}

    assert capture_settings() == CaptureSettings(data_dir=tmp_path)


def test_the_data_dir_may_be_a_string(settings: Any, tmp_path: Path) -> None:
    settings.TRAINING_CAPTURE = {"DATA_DIR": str(tmp_path)}

    assert capture_settings().data_dir == tmp_path


def test_the_live_database_lies_in_the_data_dir(data_dir: Path) -> None:
    assert capture_settings().live_database == data_dir / "llm_training_dataset.duckdb"


def test_a_key_is_known_by_its_name_in_capitals(capture: Callable[..., None]) -> None:
    capture(SEGMENT_BYTES=1024, FSYNC=True)

    assert (capture_settings().segment_bytes, capture_settings().fsync) == (1024, True)


def test_a_changed_setting_is_read_anew(capture: Callable[..., None]) -> None:
    before = capture_settings().default_model
    capture(DEFAULT_MODEL="gpt-5")

    assert (before, capture_settings().default_model) == ("", "gpt-5")


def test_an_unknown_key_is_refused_by_name(capture: Callable[..., None]) -> None:
    capture(FSINK=True, BOX="x")

    with pytest.raises(CaptureConfigurationError, match="no key BOX, FSINK"):
        capture_settings()


def test_without_a_data_dir_nothing_can_be_captured(settings: Any) -> None:
    settings.TRAINING_CAPTURE = {}

    with pytest.raises(CaptureConfigurationError, match="needs DATA_DIR"):
        capture_settings()


def test_without_the_setting_nothing_can_be_captured(settings: Any) -> None:
    del settings.TRAINING_CAPTURE

    with pytest.raises(CaptureConfigurationError, match="needs DATA_DIR"):
        capture_settings()


def test_the_value_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        capture_settings().fsync = True  # type: ignore[misc]  # frozen, which is tried
