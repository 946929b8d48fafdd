"""Any service that speaks OpenAI's embeddings, through the official SDK."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import openai

from continuous_training.memory.embedders.base import Embedder, EmbeddingFailed
from continuous_training.memory.vectors import normalised

_CHARACTERS: Final = 8000  # of a text: the usual models take 8,191 tokens, and a token is a character at least
_ADVICE: Final = "Nothing of it was stored; look at EMBEDDER in the settings and at that service, then run this again."


class OpenAICompatibleEmbedder(Embedder):
    """`model` as the service calls it; `dimensions` if it can be asked for fewer; `batch` texts are sent at once.

    All other OPTIONS go to the SDK's client: base_url, api_key, timeout, max_retries, ... What they leave out, it reads
    from OPENAI_BASE_URL and OPENAI_API_KEY.
    """

    def __init__(
        self, *, model: str, dimensions: int | None = None, batch: int = 128, timeout: float = 10.0, **options: Any
    ) -> None:
        self.name = f"openai:{model}" + (f":{dimensions}" if dimensions else "")
        self._model = model
        self._batch = batch
        self._client = openai.OpenAI(timeout=timeout, **options)
        self._dimensions = dimensions or openai.omit

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Raises EmbeddingFailed also for an answer that is none to what was asked."""
        starts = range(0, len(texts), self._batch)
        # A text of nothing is refused by most services.
        found = [self._embed([text[:_CHARACTERS] or " " for text in texts[n : n + self._batch]]) for n in starts]
        if len({each.shape[1] for each in found}) > 1:
            raise EmbeddingFailed(f"{self.name} gave embeddings of several sizes. {_ADVICE}")
        return normalised(np.concatenate(found)) if found else np.zeros((0, 0), dtype=np.float32)

    def _embed(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        try:
            answer = self._client.embeddings.create(
                model=self._model, input=list(texts), encoding_format="float", dimensions=self._dimensions
            )
            found = np.array(
                [each.embedding for each in sorted(answer.data, key=lambda each: each.index)], dtype=np.float64
            )
        except (openai.OpenAIError, AttributeError, TypeError, ValueError) as error:  # the last three: no such answer
            raise EmbeddingFailed(
                f"{self.name} could not be asked for embeddings: {type(error).__name__}. {_ADVICE}"
            ) from error
        if found.ndim != 2 or found.shape[0] != len(texts) or not found.shape[1]:
            raise EmbeddingFailed(f"{self.name} was asked for {len(texts)} embeddings and gave others. {_ADVICE}")
        return found
