"""A route's JSON, and what is refused in it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture_app.routing.config import RouteConfig, Share, Target, WrongRoute, parse_route

targets = st.builds(Target, st.text(min_size=1), st.text())
configs = st.builds(
    RouteConfig,
    shares=st.lists(
        st.builds(Share, targets, st.floats(0.1, 1e6)), min_size=1, max_size=4, unique_by=lambda s: s.target
    ).map(tuple),
    fallback=st.none() | targets,
    vision=st.none() | targets,
    sticky=st.booleans(),
)


@given(configs)
def test_a_route_comes_back_from_its_json(config: RouteConfig) -> None:
    assert parse_route(config.to_json()) == config


def test_the_shadow_comes_back_with_its_share() -> None:
    said = {"targets": [{"provider": "a", "model": "b"}], "shadow": {"provider": "c", "model": ""}, "shadow_share": 0.1}

    config = parse_route(said)

    assert (config.shadow, config.shadow_share) == (Target("c", ""), 0.1)
    assert parse_route(config.to_json()) == config


ONE = {"provider": "a", "model": "b"}


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (None, "an object"),
        ({}, "a list of targets"),
        ({"targets": []}, "a list of targets"),
        ({"targets": ["a"]}, "not 'a'"),
        ({"targets": [{"model": "b"}]}, "not {'model': 'b'}"),
        ({"targets": [{"provider": "", "model": "b"}]}, "provider is a name"),
        ({"targets": [{"provider": "a", "model": 3}]}, "model a text"),
        ({"targets": [{**ONE, "wieght": 3}]}, "wieght"),
        ({"targets": [{**ONE, "weight": -1}]}, "weight is -1"),
        ({"targets": [{**ONE, "weight": True}]}, "weight is True"),
        ({"targets": [{**ONE, "weight": float("nan")}]}, "weight is nan"),
        ({"targets": [{**ONE, "weight": 0}]}, "all 0"),
        ({"targets": [ONE, ONE]}, "each target once"),
        ({"targets": [ONE], "shadow_share": 1.5}, "to 1"),
        ({"targets": [ONE], "sticky": "no"}, "sticky is 'no'"),
        ({"targets": [ONE], "falback": ONE}, "no 'falback'"),
        ({"targets": [ONE], "fallback": "a"}, "not 'a'"),
    ],
)
def test_what_nobody_could_follow_is_refused(said: Any, fault: str) -> None:
    with pytest.raises(WrongRoute, match=fault):
        parse_route(said)
