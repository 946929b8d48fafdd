"""What `manage.py check` says of TRAINING_FILES."""

from pathlib import Path
from typing import Any

import pytest

from training_files.checks import check_nothing_is_public, check_training_files_settings
from training_files.conf import DEFAULTS

S3 = "storages.backends.s3.S3Storage"
FOLDER = "django.core.files.storage.FileSystemStorage"


@pytest.mark.parametrize("value", [{}, DEFAULTS, {"STORAGE": "default", "PREFIX": "team/files", "ORPHAN_HOURS": 0.5}])
def test_what_is_right_is_silent(settings: Any, value: Any) -> None:
    settings.TRAINING_FILES = value

    assert check_training_files_settings() == []


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("files", "E001"),
        ({"STORE": "default"}, "E001"),
        ({"STORAGE": "nowhere"}, "E003"),
        ({"STORAGE": None}, "E003"),
        ({"PREFIX": "/files"}, "E002"),
        ({"PREFIX": "files/../.."}, "E002"),
        ({"CONVERSATIONS_PER_REQUEST": 0}, "E002"),
        ({"CONVERSATIONS_PER_REQUEST": "80"}, "E002"),
        ({"VERTICAL": " "}, "E002"),
        ({"CONSULTANT_PROFILE": "Ada"}, "E002"),
        ({"URL_SECONDS": 604_801}, "E002"),
        ({"URL_SECONDS": True}, "E002"),
        ({"ORPHAN_HOURS": 0}, "E002"),
        ({"ORPHAN_HOURS": float("inf")}, "E002"),
        ({"ENRICHMENT_TASK": ""}, "E002"),
    ],
)
def test_what_is_wrong_is_named(settings: Any, value: Any, problem: str) -> None:
    settings.TRAINING_FILES = value

    assert [found.id for found in check_training_files_settings()] == [f"training_files.{problem}"]


def test_a_folder_of_their_own_is_not_public() -> None:
    assert check_nothing_is_public() == []


@pytest.mark.parametrize("name", ["MEDIA_ROOT", "STATIC_ROOT"])
def test_a_data_directory_that_a_web_server_gives_away_is_told(settings: Any, data_dir: Path, name: str) -> None:
    setattr(settings, name, data_dir.parent)

    assert [found.id for found in check_nothing_is_public()] == ["training_files.W001"]


def test_a_storage_that_a_web_server_gives_away_is_told(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.STORAGES = {
        **settings.STORAGES,
        "files": {"BACKEND": FOLDER, "OPTIONS": {"location": settings.MEDIA_ROOT}},
    }
    settings.TRAINING_FILES = {"STORAGE": "files"}

    assert [found.id for found in check_nothing_is_public()] == ["training_files.W001"]


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        ({}, []),
        ({"default_acl": "private"}, []),
        ({"default_acl": "public-read"}, ["training_files.W002"]),
        ({"querystring_auth": False}, ["training_files.W002"]),
    ],
)
def test_a_bucket_that_is_public_is_told(settings: Any, options: dict[str, Any], problems: list[str]) -> None:
    settings.STORAGES = {**settings.STORAGES, "s3": {"BACKEND": S3, "OPTIONS": {"bucket_name": "files", **options}}}
    settings.TRAINING_FILES = {"STORAGE": "s3"}

    assert [found.id for found in check_nothing_is_public()] == problems


@pytest.mark.parametrize("value", ["files", {"STORAGE": "nowhere"}])
def test_what_the_other_check_tells_is_told_once(settings: Any, value: Any) -> None:
    settings.TRAINING_FILES = value

    assert check_nothing_is_public() == []


@pytest.mark.parametrize("value", [{}, {"DATA_DIR": None}, None])
def test_what_the_check_of_the_captures_tells_stops_no_check(settings: Any, value: Any) -> None:
    settings.TRAINING_CAPTURE = value

    assert check_nothing_is_public() == []
