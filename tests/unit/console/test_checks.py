"""What `manage.py check` says of CONSOLE, and of the app's place."""

from typing import Any

import pytest

from console.checks import check_console_settings, check_order


@pytest.mark.parametrize("value", [{}, {"CACHE_BYTES": 0}, {"CACHE_BYTES": 2**40}])
def test_what_is_right_is_silent(settings: Any, value: Any) -> None:
    settings.CONSOLE = value

    assert check_console_settings() == []


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("2 GB", "console.E001"),
        ({"CACHE": 1}, "console.E001"),
        ({"CACHE_BYTES": -1}, "console.E002"),
        ({"CACHE_BYTES": "2 GB"}, "console.E002"),
        ({"CACHE_BYTES": True}, "console.E002"),
    ],
)
def test_what_is_wrong_is_named(settings: Any, value: Any, problem: str) -> None:
    settings.CONSOLE = value

    assert [found.id for found in check_console_settings()] == [problem]


def test_the_project_has_it_before_the_admin() -> None:
    assert check_order() == []


def test_behind_the_admin_its_dashboard_would_not_be_seen(settings: Any) -> None:
    settings.INSTALLED_APPS = ["django.contrib.admin", "capture_app", "console.apps.ConsoleConfig"]

    assert [found.id for found in check_order()] == ["console.W001"]


def test_a_project_without_it_hears_nothing(settings: Any) -> None:
    settings.INSTALLED_APPS = ["django.contrib.admin", "capture_app"]

    assert check_order() == []
