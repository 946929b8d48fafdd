"""One client per event loop: a connection belongs to the loop that opened it, and a process may run several in turn."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, TypeVar

Client = TypeVar("Client")


class PerLoop(Generic[Client]):
    """Makes a client in each loop that asks for one, and closes it when the loop ends."""

    def __init__(self, make: Callable[[], Client], close: Callable[[Client], Awaitable[None]]) -> None:
        self._make = make
        self._close = close
        self._clients: dict[asyncio.AbstractEventLoop, tuple[Client, AsyncIterator[None]]] = {}

    async def get(self) -> Client:
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            client = self._make()
            keeper = self._close_with(loop, client)
            self._clients[loop] = client, keeper
            await anext(keeper)
        return self._clients[loop][0]

    async def _close_with(self, loop: asyncio.AbstractEventLoop, client: Client) -> AsyncIterator[None]:
        """Close the client when its loop ends: a loop closes the generators begun in it, and tells nobody else.

        A weak reference to the loop would not do, for the client's open connections hold on to it.
        """
        try:
            yield
        finally:
            del self._clients[loop]
            await self._close(client)
