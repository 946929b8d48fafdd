"""gunicorn's side of `survival`: its configuration, a WSGI application that makes a call for each request, and an ASGI
application that streams one.

    gunicorn --config python:benchmarks.survival_web benchmarks.survival_web:application
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from benchmarks.survival_ways import acknowledge, way_of_environment

WAY = way_of_environment()

preload_app = True
timeout = 120  # seconds: no worker is to be killed but by the benchmark
graceful_timeout = 10  # seconds: a worker that is just being forked misses SIGTERM, and nothing comes of waiting longer


def post_fork(server: object, worker: object) -> None:
    WAY.after_fork()


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """WSGI. The body of the response says under which id the call is to be found."""
    found_as = WAY.call(f"A question from {environ['PATH_INFO']}")
    acknowledge(found_as)
    body = found_as.encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def streaming(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """ASGI. A client that leaves has its stream cancelled, as web frameworks do it."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})

    async def pass_on(text: str) -> None:
        await send({"type": "http.response.body", "body": text.encode(), "more_body": True})

    answer = asyncio.create_task(WAY.stream(f"A question from {scope['path']}", pass_on))
    leaving = asyncio.create_task(_client_leaves(receive))
    await asyncio.wait({answer, leaving}, return_when=asyncio.FIRST_COMPLETED)
    for task in (answer, leaving):
        task.cancel()
    await asyncio.gather(answer, leaving, return_exceptions=True)
    if not answer.cancelled():
        await send({"type": "http.response.body", "body": b""})


async def _client_leaves(receive: Callable[[], Awaitable[dict[str, Any]]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
