"""Parallel deflate: whatever goes in, any inflate gives back."""

import random
import threading
import zlib
from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training_archive.deflate import ParallelDeflate

_random = random.Random(20260101)
# Three and a half blocks: text that repeats itself far back, then noise.
LARGE = b" ".join(_random.choices([b"price", b"shop", b"page", b"snow", b"{}"], k=600_000)) + _random.randbytes(500_000)

levels = st.integers(1, 9)


def deflate(pieces: Iterable[bytes], level: int) -> bytes:
    with ParallelDeflate(level) as compressor:
        return b"".join(compressor.compress(piece) for piece in pieces) + compressor.flush()


def inflate(stream: bytes) -> bytes:
    """Read one raw deflate stream, to its end and not beyond."""
    reader = zlib.decompressobj(-zlib.MAX_WBITS)
    content = reader.decompress(stream) + reader.flush()
    assert reader.eof
    assert not reader.unused_data
    return content


@given(st.lists(st.binary(max_size=2000)), levels)
def test_small_inputs_come_back_however_they_are_split(pieces: list[bytes], level: int) -> None:
    assert inflate(deflate(pieces, level)) == b"".join(pieces)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, len(LARGE)), max_size=6), levels)
def test_inputs_of_several_blocks_come_back_however_they_are_split(cuts: list[int], level: int) -> None:
    pieces = [LARGE[start:end] for start, end in pairwise(sorted([0, *cuts, len(LARGE)]))]

    assert inflate(deflate(pieces, level)) == LARGE


@pytest.mark.parametrize("size", [2**20 - 1, 2**20, 2**20 + 1, 2**21])
def test_inputs_that_end_with_a_block_come_back(size: int) -> None:
    assert inflate(deflate([LARGE[:size]], 1)) == LARGE[:size]


def test_no_input_is_a_valid_stream_of_nothing() -> None:
    assert inflate(deflate([], 9)) == b""


def test_the_cut_into_blocks_costs_hardly_any_size() -> None:
    whole = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    plain = len(whole.compress(LARGE) + whole.flush())

    assert len(deflate([LARGE], 6)) < plain * 1.01


def interrupted_after(piece: bytes) -> Iterator[bytes]:
    yield piece
    raise KeyboardInterrupt


def test_no_thread_survives_an_interrupted_compression() -> None:
    before = set(threading.enumerate())

    with pytest.raises(KeyboardInterrupt):
        deflate(interrupted_after(LARGE), 9)

    assert set(threading.enumerate()) == before
