"""Vectors as they are stored and compared: float32, of length 1, so that the cosine of two is their product."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]

_STORED: Final = np.dtype("<f4")


def normalised(vectors: npt.NDArray[Any]) -> Matrix:
    """Each row brought to length 1; what is zero, or no number, becomes zero: it is like nothing."""
    found = np.nan_to_num(vectors.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    normal: Matrix = np.divide(found, lengths, out=np.zeros_like(found), where=lengths > 0).astype(np.float32)
    return normal


def to_bytes(vector: Matrix) -> bytes:
    return vector.astype(_STORED).tobytes()


def scores(query: Matrix, stored: Sequence[bytes | memoryview]) -> npt.NDArray[np.float32]:
    """The cosine of the query, [d], with each stored vector, to four digits. Raises ValueError for other lengths."""
    matrix = np.frombuffer(b"".join(stored), dtype=_STORED).reshape(len(stored), query.size)
    found: npt.NDArray[np.float32] = np.round(matrix @ query, 4)
    return found
