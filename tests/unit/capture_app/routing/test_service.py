"""Setting, clearing and rolling back a route, and what processes learn of it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError

from capture_app.exceptions import CaptureConfigurationError
from capture_app.models import Route, RouteChange, RouteMinute
from capture_app.routes import resolve_route
from capture_app.routing.board import FILE_NAME, get_board
from capture_app.routing.config import RouteConfig, Target, WrongRoute, single
from capture_app.routing.minutes import note_outcomes, outcomes_since
from capture_app.routing.outcomes import ANSWERED, FAILED, count_outcome, counter
from capture_app.routing.service import (
    RouteChanged,
    clear_route,
    publish_routes,
    roll_back,
    route_history,
    routed_models,
    set_route,
    stored_config,
)
from capture_app.routing.table import look_again
from capture_app.tasks import mind_routes
from tests.unit.capture_app.routing.conftest import target

pytestmark = pytest.mark.django_db
Change = Callable[..., None]
OLD, NEW, BROKEN = Target("old", "m"), Target("new", "m"), Target("broken", "m")


def held() -> RouteConfig | None:
    return stored_config("shop")


def undo(**options: Any) -> RouteChange:
    return roll_back("shop", by="bob", **options)


def test_a_change_holds_in_the_next_call(change: Change) -> None:
    change(target("new"))

    assert resolve_route(task="shop", model=None) == NEW


def test_a_change_that_is_rolled_back_by_its_transaction_is_not_published(data_dir: Path) -> None:
    set_route("shop", single(NEW), by="ada")  # the test's transaction never commits

    assert not (data_dir / FILE_NAME).exists()


def test_each_change_is_noted_with_who_and_why(change: Change) -> None:
    change(target("old"), reason="first")
    change(target("new"), reason="it is better")

    newest, oldest = route_history("shop")
    assert (newest.version, newest.changed_by, newest.reason) == (2, "ada", "it is better")
    assert (oldest.before, oldest.after) == (None, newest.before)
    assert newest.after == single(NEW).to_json()


def test_a_roll_back_undoes_the_last_change_and_another_the_one_before(change: Change) -> None:
    for each in ("old", "new", "broken"):
        change(target(each))

    assert undo().restores == 2
    assert held() == single(NEW)
    assert undo().restores == 1
    assert held() == single(OLD)
    assert undo().restores == 0
    assert held() is None
    with pytest.raises(WrongRoute, match="undone already"):
        undo()


def test_after_a_roll_back_a_new_change_is_undone_to_where_it_began(change: Change) -> None:
    change(target("old"))
    change(target("new"))
    undo()
    change(target("broken"))

    undo()

    assert held() == single(OLD)


def test_a_route_that_never_was_cannot_be_rolled_back_or_cleared() -> None:
    with pytest.raises(WrongRoute, match="never changed"):
        undo()
    with pytest.raises(WrongRoute, match="by the settings already"):
        clear_route("shop", by="bob")


def test_a_cleared_route_goes_by_the_settings_and_may_come_back(
    change: Change, django_capture_on_commit_callbacks: Any
) -> None:
    change(target("new"))
    with django_capture_on_commit_callbacks(execute=True):
        clear_route("shop", by="ada")
    assert resolve_route(task="shop", model=None) == Target("old", "default")

    undo()

    assert held() == single(NEW)


@pytest.mark.parametrize(
    "do", [lambda: set_route("shop", single(NEW), by="bob", expected_version=1), lambda: undo(expected_version=1)]
)
def test_who_saw_an_older_version_changes_nothing(change: Change, do: Callable[[], object]) -> None:
    change(target("old"))
    change(target("broken"))

    with pytest.raises(RouteChanged, match="somebody else"):
        do()

    assert held() == single(BROKEN)


def test_of_two_at_once_the_database_refuses_one(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    change(target("old"))

    def taken(**values: Any) -> None:
        raise IntegrityError("UNIQUE constraint failed")  # as it says when the other was first

    monkeypatch.setattr(RouteChange.objects, "create", taken)
    with pytest.raises(RouteChanged):
        set_route("shop", single(NEW), by="bob")

    assert held() == single(OLD)


@pytest.mark.parametrize("name", ["", "  "])
def test_a_route_has_a_name(name: str) -> None:
    with pytest.raises(WrongRoute, match="name of a task"):
        set_route(name, single(NEW), by="ada")


def test_a_provider_that_is_not_configured_is_refused() -> None:
    with pytest.raises(CaptureConfigurationError, match="'gone'"):
        set_route("shop", single(Target("gone", "m")), by="ada")

    assert not RouteChange.objects.exists()


def test_what_could_not_be_published_is_within_a_minute(
    change: Change, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as full:
        full.setattr(type(get_board()), "publish", _disk_is_full)
        change(target("new"))
    assert "not published yet" in caplog.text
    assert resolve_route(task="shop", model=None) == Target("old", "default")

    mind_routes()

    assert resolve_route(task="shop", model=None) == NEW


def _disk_is_full(self: object, content: bytes) -> None:
    raise OSError(28, "No space left on device")


def test_what_is_published_already_is_left_alone(change: Change, data_dir: Path) -> None:
    assert publish_routes() is False
    assert not (data_dir / FILE_NAME).exists()
    change(target("new"))

    assert publish_routes() is False


def test_every_model_that_a_call_may_be_led_to_is_named(
    change: Change, capture: Callable[..., None], settings: Any
) -> None:
    settings.TRAINING_CAPTURE = {**settings.TRAINING_CAPTURE, "ROUTES": {"ads": {"MODEL": "ads-1"}}}
    change(
        target("old"),
        target("new", weight=0),
        fallback=target("broken"),
        shadow=target("new", "s"),
        vision=target("new", "v"),
    )

    assert routed_models() == {
        Target("old", "default"),
        Target("old", "ads-1"),
        OLD,
        NEW,
        BROKEN,
        Target("new", "s"),
        Target("new", "v"),
    }


# --- What came of the calls --------------------------------------------------------------------------------------


def test_outcomes_are_noted_once(change: Change) -> None:
    change(target("old"), target("new"))
    for outcome in (ANSWERED, ANSWERED, FAILED):
        count_outcome("shop", NEW, outcome)
    begun = datetime.now(UTC) - timedelta(minutes=2)

    note_outcomes()
    note_outcomes()

    assert outcomes_since("shop", NEW, begun) == (2, 1)
    assert outcomes_since("shop", OLD, begun) == (0, 0)


def test_what_is_counted_later_is_added(change: Change) -> None:
    change(target("new"))
    for _ in range(3):
        count_outcome("shop", NEW, ANSWERED)
        note_outcomes()

    assert outcomes_since("shop", NEW, datetime.now(UTC) - timedelta(minutes=2)) == (3, 0)


def test_calls_that_end_after_their_route_was_changed_are_noted(change: Change) -> None:
    change(target("new"))
    change(target("old"))
    count_outcome("shop", NEW, FAILED)

    note_outcomes()

    assert outcomes_since("shop", NEW, datetime.now(UTC) - timedelta(minutes=2)) == (0, 1)


def test_a_board_that_was_emptied_counts_from_0(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    change(target("new"))
    board = type(get_board())
    name = counter("shop", NEW, ANSWERED)
    for total in (5, 2):
        monkeypatch.setattr(board, "counts", lambda self, total=total: {name: total})
        note_outcomes()

    assert outcomes_since("shop", NEW, datetime.now(UTC) - timedelta(minutes=2)) == (7, 0)


def test_old_minutes_are_forgotten(change: Change) -> None:
    change(target("new"))
    RouteMinute.objects.create(
        route="shop", provider="new", model_name="m", minute=datetime.now(UTC) - timedelta(days=61), answered=1
    )

    note_outcomes()

    assert not RouteMinute.objects.exists()


def test_the_row_of_a_route_says_its_version(change: Change) -> None:
    change(target("new"))
    look_again()

    assert Route.objects.get(pk="shop").version == 1
