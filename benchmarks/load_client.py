"""python -m benchmarks.load_client PORT CALLERS SECONDS: ask again as soon as an answer is there.

All callers in one thread, so that asking costs the measured server little. Each request has a connection of its own:
gunicorn leaves a connection that is kept alive to the worker that took it, and one worker may take them all. Prints
{"answers", "errors"} as JSON; an error is any status but 200, and any connection that broke.
"""

import json
import selectors
import socket
import sys
import time
from typing import Final

_REQUEST: Final = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_OK: Final = b"HTTP/1.1 200"


class Request:
    """One request on its way; its answer is whole when the server closes the connection."""

    def __init__(self, port: int, selector: selectors.BaseSelector) -> None:
        self._received = b""
        self._selector = selector
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.sendall(_REQUEST)
        selector.register(self._socket, selectors.EVENT_READ, self)

    def receive(self) -> bool | None:
        """Whether the answer is a good one; None when it is not whole yet."""
        try:
            piece = self._socket.recv(65536)
        except ConnectionError:
            self._received = piece = b""
        self._received += piece
        if piece:
            return None
        self._selector.unregister(self._socket)
        self._socket.close()
        return self._received.startswith(_OK)


def ask_for(port: int, callers: int, seconds: float) -> dict[str, int]:
    """Keep so many requests on their way for so long, and wait for the last answers."""
    counts = {True: 0, False: 0}
    with selectors.DefaultSelector() as selector:
        for _ in range(callers):
            Request(port, selector)
        deadline = time.monotonic() + seconds
        while selector.get_map():
            for key, _ in selector.select():
                good = key.data.receive()
                if good is None:
                    continue
                counts[good] += 1
                if time.monotonic() < deadline:
                    Request(port, selector)
    return {"answers": counts[True], "errors": counts[False]}


if __name__ == "__main__":
    json.dump(ask_for(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])), sys.stdout)
