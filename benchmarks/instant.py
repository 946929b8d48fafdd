"""A provider that costs next to nothing, so that what call_llm costs beside it can be seen."""

from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import cycle

from capture_app.providers.base import Completion, CompletionRequest, Provider, StreamDelta


class InstantProvider(Provider):
    """Gives prebuilt answers in turn."""

    def __init__(self, answers: Sequence[Completion] = (Completion(text="", model="instant"),)) -> None:
        self._answers = cycle(answers)

    def complete(self, request: CompletionRequest) -> Completion:
        return next(self._answers)

    async def acomplete(self, request: CompletionRequest) -> Completion:
        return next(self._answers)

    def stream(self, request: CompletionRequest) -> Iterator[StreamDelta]:
        raise NotImplementedError("streams are not measured")

    def astream(self, request: CompletionRequest) -> AsyncIterator[StreamDelta]:
        raise NotImplementedError("streams are not measured")
