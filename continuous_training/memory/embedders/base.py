"""What an embedder is: texts in, vectors out, near each other when the texts mean or say the same."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from continuous_training.exceptions import LoopError

if TYPE_CHECKING:  # numpy takes a tenth of a second to import
    import numpy as np
    import numpy.typing as npt


class EmbeddingFailed(LoopError):
    """Texts could not be embedded. What was remembered before is safe; what was not is tried again."""


class Embedder(ABC):
    """A backend of the key EMBEDDER in memory.settings; its OPTIONS there are its constructor's keyword arguments."""

    name: str  # with all that makes its vectors another's: model, dimensions
    min_score: float = 0.82  # the cosine from which on two texts are about the same, where the settings name no other

    @abstractmethod
    def embed(self, texts: Sequence[str]) -> "npt.NDArray[np.float32]":
        """[len(texts), dimensions], each row of length 1, or 0 for a text that says nothing.

        Any number of texts, of any length. Raises EmbeddingFailed.
        """
