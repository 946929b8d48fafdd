"""A broker in memory: what is sent waits there, and nobody takes it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery, current_app


@contextmanager
def memory_broker() -> Iterator[Callable[[], list[Any]]]:
    """Celery's current app has it during the block. Call what is yielded for the arguments of the tasks that wait."""
    usual = current_app._get_current_object()
    app = Celery("tests", broker="memory://", set_as_current=True)

    def waiting() -> list[Any]:
        found = []
        with app.connection_for_read() as connection, connection.SimpleQueue("celery") as simple:
            while simple.qsize():
                message = simple.get_nowait()
                found.append(message.payload[0])
                message.ack()
        return found

    waiting()
    yield waiting
    waiting()
    app.close()
    usual.set_current()
