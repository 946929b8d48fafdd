"""The board of all hosts that share a Redis. While that is away, a process goes by what it read last."""

import logging
from typing import Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from capture_app.inbox.breaker import Breaker
from capture_app.routing.board import RouteBoard

_TIMEOUT: Final = 0.3  # seconds; what a call waits at most for a Redis that hangs, once per wait of the breaker

logger = logging.getLogger("capture_app")


class RedisBoard(RouteBoard):
    """Two keys beside the stream: what was published, and a hash of counts."""

    def __init__(self, url: str, key: str) -> None:
        self._redis = Redis.from_url(
            url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT, retry=Retry(NoBackoff(), 0)
        )
        self._routes, self._counts = f"{key}:routes", f"{key}:route_counts"
        self._breaker = Breaker()
        self._last: bytes | None = None

    def read(self) -> bytes | None:
        if self._breaker.allows():
            try:
                self._last = self._redis.get(self._routes)  # type: ignore[assignment]  # typed for async clients, too
                self._breaker.succeeded()
            except Exception as error:  # whatever the client raises, a call must go on
                self._note(error)
        return self._last

    def is_same(self) -> bool:
        return False

    def publish(self, content: bytes) -> None:
        self._redis.set(self._routes, content)

    def count(self, name: str) -> None:
        if not self._breaker.allows():
            return
        try:
            self._redis.hincrby(self._counts, name, 1)
            self._breaker.succeeded()
        except Exception as error:  # as in `read`
            self._note(error)

    def counts(self) -> dict[str, int]:
        found: dict[bytes, bytes] = self._redis.hgetall(self._counts)  # type: ignore[assignment]  # as in `read`
        return {name.decode("utf-8", "replace"): int(count) for name, count in found.items()}

    def _note(self, error: Exception) -> None:
        if self._breaker.failed():
            logger.warning("Redis cannot say which routes hold (%s): calls go by those that were read last.", error)
