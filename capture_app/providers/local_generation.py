"""One answer of a model in this process: the prompt by its chat template, token after token, up to where it stops."""

import json
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Final, NamedTuple

from capture_app.exceptions import CaptureConfigurationError
from capture_app.messages import Message
from capture_app.providers.base import Completion, CompletionRequest, StreamDelta
from capture_app.providers.local_models import LoadedModel, LocalModels


class PromptTooLong(ValueError):
    """The model cannot read so much."""


class _Ended(NamedTuple):
    """What is known when the last token is there."""

    input_tokens: int
    output_tokens: int
    finish_reason: str


class Answering:
    """The answer to one request, whole or in pieces. `stop` ends it after the token that is being made."""

    def __init__(self, models: LocalModels, request: CompletionRequest, max_new_tokens: int) -> None:
        self._models = models
        self._request = request
        self._max_new_tokens = max_new_tokens
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def complete(self) -> Completion:
        """Raises CaptureConfigurationError, PromptTooLong, and ValueError for messages that are no text."""
        pieces: list[str] = []
        ended = self._generate(pieces.append)
        return Completion(text="".join(pieces), model=self._request.model, **ended._asdict())

    def stream(self) -> Iterator[StreamDelta]:
        """As complete. The tokens are made in a thread, which waits for no reader: whoever stops reading stops nobody."""
        pieces: queue.SimpleQueue[str | _Ended | BaseException] = queue.SimpleQueue()
        threading.Thread(target=self._feed, args=(pieces,), daemon=True, name="local-model").start()
        yield StreamDelta(model=self._request.model)
        try:
            while isinstance(piece := pieces.get(), str):
                yield StreamDelta(text=piece)
        finally:
            self.stop()
        if isinstance(piece, BaseException):
            raise piece
        yield StreamDelta(**piece._asdict())

    def _feed(self, pieces: "queue.SimpleQueue[str | _Ended | BaseException]") -> None:
        try:
            pieces.put(self._generate(pieces.put))
        except BaseException as error:  # the reader is told of whatever it is
            pieces.put(error)

    def _generate(self, tell: Any) -> _Ended:
        with self._models.lock:
            loaded = self._models.get(self._request.model)
            return _generate(loaded, self._request, self._max_new_tokens, _Text(loaded.tokenizer, self._request, tell, self._stopped))
