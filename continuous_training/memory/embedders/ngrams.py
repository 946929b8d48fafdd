"""An embedder that needs no model: it counts pieces of words, and finds what is worded alike, not what means the same.

For tests, and for small set-ups that remember in the users' own words. Each text's words, and every three and four
characters in a row of them, are hashed into so many dimensions, each with a sign that makes collisions cancel out.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from math import sqrt
from typing import Final
from zlib import crc32

import numpy as np
import numpy.typing as npt

from continuous_training.memory.embedders.base import Embedder
from continuous_training.memory.vectors import normalised

_CHARACTERS: Final = 8000  # of a text; the rest is not looked at
_LENGTHS: Final = (3, 4)
_WORD: Final = re.compile(r"\w+")


class NgramEmbedder(Embedder):
    """The same text has the same vector on every machine."""

    min_score = 0.35  # wording that is alike is rarely the same; measured in docs/continuous_training.md

    def __init__(self, dimensions: int = 512) -> None:
        self.name = f"ngrams:{dimensions}"
        self._dimensions = dimensions

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        vectors = np.zeros((len(texts), self._dimensions), dtype=np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            for piece, count in Counter(_pieces(text)).items():
                code = crc32(piece.encode("utf-8", "replace"))
                vector[(code >> 1) % self._dimensions] += sqrt(count) if code & 1 else -sqrt(count)
        return normalised(vectors)


def _pieces(text: str) -> Iterator[str]:
    for word in _WORD.findall(unicodedata.normalize("NFKC", text[:_CHARACTERS]).casefold()):
        yield word
        padded = f"_{word}_"
        for length in _LENGTHS:
            yield from (padded[start : start + length] for start in range(len(padded) - length + 1))
