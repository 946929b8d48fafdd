"""Deflate on all cores, in a form that zipfile takes.

The data is cut into blocks that are compressed at the same time, each with the end of the block before it as its
dictionary, and joined into one ordinary deflate stream. Any unzip reads it; the size grows by a few bytes per block.
"""

import os
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

BLOCK: Final = 2**20
DICTIONARY: Final = 2**15  # as far back as deflate can refer
_MEMORY_LEVEL: Final = 9
_HIGHEST_LEVEL: Final = 6  # above it, chunks (which DuckDB compressed already) shrink by 0.05 % at twice the time


class ParallelDeflate:
    """A compressor with the two methods of zlib.compressobj; levels 7 to 9 do as 6. Memory: a few blocks per core."""

    def __init__(self, level: int) -> None:
        self._level = min(level, _HIGHEST_LEVEL)
        self._workers = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._workers)
        self._pending: deque[Future[bytes]] = deque()
        self._buffer = bytearray()
        self._dictionary = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def compress(self, data: bytes) -> bytes:
        self._buffer += data
        while len(self._buffer) >= BLOCK:
            self._submit(bytes(self._buffer[:BLOCK]), zlib.Z_SYNC_FLUSH)
            del self._buffer[:BLOCK]
        return self._take(keep=2 * self._workers)

    def flush(self) -> bytes:
        self._submit(bytes(self._buffer), zlib.Z_FINISH)
        self._buffer.clear()
        return self._take(keep=0)

    def _submit(self, block: bytes, mode: int) -> None:
        self._pending.append(self._pool.submit(_deflate, block, self._dictionary, self._level, mode))
        self._dictionary = block[-DICTIONARY:]

    def _take(self, keep: int) -> bytes:
        """What is done, in order; waits for all but the last `keep` blocks."""
        done = []
        while len(self._pending) > keep:
            done.append(self._pending.popleft().result())
        return b"".join(done)


def _deflate(block: bytes, dictionary: bytes, level: int, mode: int) -> bytes:
    compressor = zlib.compressobj(
        level, zlib.DEFLATED, -zlib.MAX_WBITS, _MEMORY_LEVEL, zlib.Z_DEFAULT_STRATEGY, dictionary
    )
    return compressor.compress(block) + compressor.flush(mode)
