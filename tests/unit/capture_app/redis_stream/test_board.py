"""The board of hosts that share a Redis."""

from collections.abc import Callable
from pathlib import Path

import pytest

from capture_app.routes import resolve_route
from capture_app.routing.board import get_board
from capture_app.routing.config import Target
from capture_app.routing.outcomes import ANSWERED, count_outcome, counter
from capture_app.routing.redis_board import RedisBoard
from capture_app.routing.table import look_again, routes_json
from tests.faults.redis_server import RedisServer
from tests.unit.capture_app.redis_stream.entries import INBOX

NEW = Target("offline", "new")
ROUTES = routes_json({"shop": (1, {"targets": [{"provider": "offline", "model": "new"}]})})


@pytest.fixture
def other_host(server: RedisServer, capture: Callable[..., None], tmp_path: Path) -> RedisBoard:
    """The board of another host than this process's."""
    capture(INBOX=INBOX, REDIS_URL=server.url)
    return RedisBoard(server.url, "gleaner:captures")


def chosen() -> Target:
    look_again()
    return resolve_route(task="shop", model=None)


def test_what_one_host_publishes_another_reads(other_host: RedisBoard) -> None:
    assert chosen() == Target("offline", "")

    other_host.publish(ROUTES)

    assert chosen() == NEW


def test_counts_of_all_hosts_add_up(other_host: RedisBoard) -> None:
    count_outcome("shop", NEW, ANSWERED)
    other_host.count(counter("shop", NEW, ANSWERED))

    assert other_host.counts() == get_board().counts() == {counter("shop", NEW, ANSWERED): 2}


def test_while_redis_is_away_the_last_routes_hold(other_host: RedisBoard, server: RedisServer) -> None:
    other_host.publish(ROUTES)
    assert chosen() == NEW

    server.kill()
    count_outcome("shop", NEW, ANSWERED)

    assert chosen() == NEW
