"""Steps that a process takes, and dies at: what the kill tests share."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Steps:
    """Counts them, and dies at the one that is chosen."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._seen = 0

    def __call__(self) -> None:
        self._seen += 1
        if self._seen == self._last:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, with a step before it."""

        def stepped(*arguments: Any, **options: Any) -> Any:
            self()
            return call(*arguments, **options)

        return stepped

    @contextmanager
    def counted(self, *acts: tuple[Any, str]) -> Iterator[None]:
        """A step before each statement, each commit and each of the acts (an object, and its function's name), and one
        at the end. For a process that ends afterwards: what was put before the acts stays there."""
        from django.db import connection
        from django.db.backends.base.base import BaseDatabaseWrapper

        for kind, name in ((BaseDatabaseWrapper, "_commit"), *acts):
            setattr(kind, name, self.before(getattr(kind, name)))
        connection.ensure_connection()
        with connection.execute_wrapper(lambda execute, *rest: self.before(execute)(*rest)):
            yield
            self()
