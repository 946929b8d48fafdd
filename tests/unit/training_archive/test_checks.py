"""What `manage.py check` says about TRAINING_ARCHIVE."""

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks

from training_archive.conf import KEYS

ABSOLUTE = Path("/data/archive.zip")


def found() -> list[CheckMessage]:
    return [message for message in run_checks() if str(message.id).startswith("training_archive.")]


def test_without_the_setting_all_is_well() -> None:
    assert found() == []


@pytest.mark.parametrize("level", [1, 9])
def test_settings_that_are_right_pass(settings: Any, level: int) -> None:
    settings.TRAINING_ARCHIVE = {"ZIP_PATH": ABSOLUTE, "COMPRESSLEVEL": level}

    assert found() == []


def test_a_path_may_be_text(settings: Any) -> None:
    settings.TRAINING_ARCHIVE = {"ZIP_PATH": str(ABSOLUTE)}

    assert found() == []


def test_e001_says_when_the_setting_is_no_dict(settings: Any) -> None:
    settings.TRAINING_ARCHIVE = [ABSOLUTE]

    [error] = found()

    assert (error.id, error.msg) == ("training_archive.E001", "TRAINING_ARCHIVE is no dict.")
    assert "Leave it out" in str(error.hint)


def test_e001_says_which_key_is_unknown_and_which_are_known(settings: Any) -> None:
    settings.TRAINING_ARCHIVE = {"ZIPPATH": ABSOLUTE}

    [error] = found()

    assert (error.id, error.msg) == ("training_archive.E001", "TRAINING_ARCHIVE has no key 'ZIPPATH'.")
    assert error.hint == f"It has {', '.join(sorted(KEYS))}."


def test_e002_wants_an_absolute_path(settings: Any) -> None:
    settings.TRAINING_ARCHIVE = {"ZIP_PATH": "archive.zip"}

    [error] = found()

    assert error.id == "training_archive.E002"
    assert "'archive.zip'" in error.msg
    assert "absolute" in str(error.hint)


@pytest.mark.parametrize("level", [0, 10, -1, "9", None])
def test_e003_wants_a_level_that_deflate_has(settings: Any, level: Any) -> None:
    settings.TRAINING_ARCHIVE = {"COMPRESSLEVEL": level}

    [error] = found()

    assert error.id == "training_archive.E003"
    assert repr(level) in error.msg
    assert "from 1 (fast) to 9 (small)" in str(error.hint)


@pytest.mark.parametrize("key", ["MAX_AGE_HOURS", "MAX_INBOX_MINUTES", "MAX_INBOX_BYTES"])
@pytest.mark.parametrize("limit", [0, -1, "26", None, True, float("inf"), float("nan")])
def test_e004_wants_a_limit_above_zero(settings: Any, key: str, limit: Any) -> None:
    settings.TRAINING_ARCHIVE = {key: limit}

    [error] = found()

    assert (error.id, error.msg) == ("training_archive.E004", f"TRAINING_ARCHIVE[{key!r}] is {limit!r}.")
    assert "a number above 0" in str(error.hint)


def test_limits_that_are_right_pass(settings: Any) -> None:
    settings.TRAINING_ARCHIVE = {"MAX_AGE_HOURS": 0.5, "MAX_INBOX_MINUTES": 5, "MAX_INBOX_BYTES": 2**40}

    assert found() == []


@pytest.mark.parametrize("alias", ["nowhere", None, 5, ["default"]])
def test_e005_wants_an_alias_that_storages_has(settings: Any, alias: Any) -> None:
    settings.TRAINING_ARCHIVE = {"SHIP_TO": alias}

    [error] = found()

    assert error.id == "training_archive.E005"
    assert repr(alias) in error.msg
    assert "default" in str(error.hint)


@pytest.mark.parametrize("prefix", ["/archive", "..", "team/../archive", "./archive", None, 5])
def test_e006_wants_a_folder_in_the_storage(settings: Any, prefix: Any) -> None:
    settings.TRAINING_ARCHIVE = {"SHIP_PREFIX": prefix}

    [error] = found()

    assert error.id == "training_archive.E006"
    assert repr(prefix) in error.msg
    assert "a folder in the storage" in str(error.hint)


def test_a_storage_to_ship_to_passes(settings: Any) -> None:
    settings.TRAINING_ARCHIVE = {"SHIP_TO": "default", "SHIP_PREFIX": "team/archive"}

    assert found() == []


def test_everything_wrong_is_said_at_once(settings: Any) -> None:
    settings.TRAINING_ARCHIVE = {"LEVEL": 1, "ZIP_PATH": "archive.zip", "COMPRESSLEVEL": 0, "MAX_AGE_HOURS": 0}

    assert [message.id for message in found()] == [f"training_archive.E00{number}" for number in (1, 2, 3, 4)]


@pytest.mark.parametrize("alias", ["gone", 7, None])
def test_e005_wants_a_storage_that_there_is_for_what_is_old(settings: Any, alias: Any) -> None:
    settings.TRAINING_ARCHIVE = {"COLD_STORAGE": alias}

    [error] = found()

    assert error.id == "training_archive.E005"
    assert "COLD_STORAGE" in error.msg


@pytest.mark.parametrize("prefix", ["/cold", "a/../b", 7])
def test_e006_wants_a_folder_for_what_is_old(settings: Any, prefix: Any) -> None:
    settings.TRAINING_ARCHIVE = {"COLD_STORAGE": "default", "COLD_PREFIX": prefix}

    assert [error.id for error in found()] == ["training_archive.E006"]


def test_an_age_for_cold_storage_is_a_number_of_days(settings: Any) -> None:
    settings.TRAINING_ARCHIVE = {"COLD_AFTER_DAYS": 0}

    assert [error.id for error in found()] == ["training_archive.E004"]
