"""The commands `routes` and `set_route`."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from capture_app.routing.config import Target
from capture_app.routing.service import stored_config

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def put(*arguments: str) -> str:
    return run("set_route", "shop", "--by", "ada", *arguments)


def test_a_route_is_set_shown_and_rolled_back() -> None:
    assert put("--target", "old/m=95", "--target", "new/google/gemma=5", "--fallback", "old/m") == (
        "shop, version 1: old/m 0.95, new/google/gemma 0.05, fallback old/m\n"
    )
    config = stored_config("shop")
    assert config
    assert config.shares[1].target == Target("new", "google/gemma")

    assert put("--roll-back", "--reason", "wrong") == "shop, version 2: by the settings\n"

    told = run("routes", "shop").splitlines()
    assert told[0] == "shop (settings): old/default"
    assert told[1].split("ada", 1)[1] == ", back to version 0  by the settings  wrong"


def test_a_route_is_cleared() -> None:
    put("--target", "new/m")

    assert put("--clear") == "shop, version 2: by the settings\n"
    assert run("routes") == "shop (settings): old/default\nevery other call (settings): old/default\n"


def test_all_that_a_route_may_say_can_be_said() -> None:
    put("--target", "new/", "--vision", "old/v", "--shadow", "new/s", "--shadow-share", "0.1", "--not-sticky")

    [state] = json.loads(run("routes", "shop", "--json"))["routes"]

    assert state["config"] == {
        "targets": [{"provider": "new", "model": "", "weight": 1.0}],
        "vision": {"provider": "old", "model": "v"},
        "shadow": {"provider": "new", "model": "s"},
        "shadow_share": 0.1,
        "sticky": False,
    }
    assert [change["version"] for change in state["changes"]] == [1]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--target", "old"], "'old' is no target"),
        (["--target", "old/m=much"], "'much' is no weight"),
        (["--target", "gone/m"], "which PROVIDERS lacks"),
        (["--target", "old/m=0"], "all 0"),
        (["--roll-back"], "never changed"),
        (["--clear"], "by the settings already"),
    ],
)
def test_what_cannot_be_done_changes_nothing(arguments: list[str], problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        put(*arguments)

    assert stored_config("shop") is None
