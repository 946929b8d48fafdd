"""Which target a call goes to."""

from collections import Counter
from collections.abc import Callable

import pytest

from capture_app import capture_context
from capture_app.exceptions import CaptureConfigurationError
from capture_app.routes import choose, resolve_route
from capture_app.routing.board import get_board
from capture_app.routing.config import Target
from capture_app.routing.table import look_again
from tests.unit.capture_app.routing.conftest import target

Publish = Callable[..., None]
IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.example/i.png"}}]}]


def chosen(conversation: int | None = None, task: str = "shop") -> Target:
    metadata = {} if conversation is None else {"conversation_id": f"c{conversation}"}
    return choose(task=task, model=None, training_metadata=metadata).target


def shared(publish: Publish, percent: float) -> list[Target]:
    """Where a thousand conversations go when the new model has so many percent."""
    publish(targets=[target("old", weight=100 - percent), target("new", weight=percent)])
    return [chosen(number) for number in range(1000)]


def test_a_stored_route_wins_over_the_settings(capture: Callable[..., None], publish: Publish) -> None:
    publish(targets=[target("new")])

    assert chosen() == Target("new", "m")
    assert chosen(task="other") == Target("old", "default")


def test_an_alias_may_be_stored(publish: Publish) -> None:
    publish("large", targets=[target("new")])

    assert choose(task="shop", model="large").target == Target("new", "m")


def test_a_models_own_name_is_not_led_elsewhere(publish: Publish) -> None:
    publish(targets=[target("new")])

    assert choose(task="shop", model="gpt-5").target == Target("old", "gpt-5")


def test_shares_are_kept(publish: Publish) -> None:
    counts = Counter(shared(publish, 20))

    assert counts[Target("new", "m")] == pytest.approx(200, abs=60)


def test_a_conversation_stays_where_it_is(publish: Publish) -> None:
    assert shared(publish, 20) == shared(publish, 20)


def test_when_a_share_grows_only_those_move_that_it_takes(publish: Publish) -> None:
    before, after = shared(publish, 5), shared(publish, 20)

    assert {pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]} == {
        (Target("old", "m"), Target("new", "m"))
    }


def test_the_context_says_whose_call_it_is(publish: Publish) -> None:
    publish(targets=[target("old"), target("new")])

    with capture_context(user_id="ada"):
        assert len({chosen() for _ in range(50)}) == 1


def test_without_anybody_each_call_is_drawn(publish: Publish) -> None:
    publish(targets=[target("old"), target("new")])

    assert len({chosen() for _ in range(200)}) == 2


def test_a_route_need_not_be_sticky(publish: Publish) -> None:
    publish(targets=[target("old"), target("new")], sticky=False)

    assert len({chosen(1) for _ in range(200)}) == 2


def test_a_weight_of_0_takes_nothing(publish: Publish) -> None:
    assert set(shared(publish, 0)) == {Target("old", "m")}


def test_what_has_an_image_goes_to_the_vision_model(publish: Publish) -> None:
    publish(targets=[target("old")], vision=target("new", "seeing"))

    assert choose(task="shop", model=None, messages=IMAGE).target == Target("new", "seeing")
    assert chosen() == Target("old", "m")


def test_of_several_targets_the_largest_stands_for_the_route(publish: Publish) -> None:
    shared(publish, 5)

    assert resolve_route(task="shop", model=None) == Target("old", "m")


def test_a_stored_provider_that_is_not_configured_is_an_error_of_the_configuration(publish: Publish) -> None:
    publish(targets=[target("gone")])

    with pytest.raises(CaptureConfigurationError, match="'gone', which PROVIDERS lacks"):
        resolve_route(task="shop", model=None)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"routes": 3}', b'{"routes": {"shop": {"version": 1}}}'])
def test_a_board_that_cannot_be_read_leaves_the_routes_that_were(publish: Publish, content: bytes) -> None:
    publish(targets=[target("new")])
    assert chosen() == Target("new", "m")

    get_board().publish(content)
    look_again()

    assert chosen() == (Target("new", "m") if content else Target("old", "default"))


def test_a_board_that_is_gone_leaves_the_settings(publish: Publish, data_dir: object) -> None:
    assert chosen() == Target("old", "default")
