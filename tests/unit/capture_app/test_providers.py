"""Finding a provider by its name."""

from collections.abc import Callable
from typing import Any

import pytest

from capture_app.exceptions import CaptureConfigurationError
from capture_app.providers import get_provider
from capture_app.providers.offline import OfflineProvider
from tests.unit.capture_app.fake_providers import ScriptedProvider, scripted
from tests.unit.capture_app.processes import in_child


def test_a_provider_is_made_of_its_backend() -> None:
    assert isinstance(get_provider("offline"), OfflineProvider)


def test_a_provider_is_made_once() -> None:
    assert get_provider("offline") is get_provider("offline")


def test_options_are_the_arguments_of_its_constructor(capture: Callable[..., None]) -> None:
    capture(**scripted(hangs=True))

    found: Any = get_provider("scripted")

    assert isinstance(found, ScriptedProvider)
    assert found._hangs is True


def test_a_changed_setting_makes_it_anew(capture: Callable[..., None]) -> None:
    before = get_provider("offline")
    capture(DEFAULT_MODEL="other")

    assert get_provider("offline") is not before


def test_a_fork_makes_its_own_because_connections_do_not_survive_one() -> None:
    of_parent = get_provider("offline")

    assert in_child(lambda: get_provider("offline") is of_parent) == "False"


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(CaptureConfigurationError, match=r"no provider 'gone' .* it has local, offline, openai\."):
        get_provider("gone")
