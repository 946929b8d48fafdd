"""Models that run in this process, by transformers: the ones that were fine-tuned here, or any other on this disk.

    "PROVIDERS": {"local": {"BACKEND": "capture_app.providers.local_transformers.LocalTransformersProvider",
                            "OPTIONS": {"max_models": 2, "models": {"base": "google/gemma-3-270m-it"}}}}

A model is loaded by the first call that names it, once in each process, and one answer is made at a time: right for a
worker and a small model. A server gives more answers at once, and its memory is needed once: serve the same folder by
`transformers serve` or vLLM, and name that by an openai_compatible provider with its base_url.

Nothing here loads torch before the first call. A process that was forked after that has a provider of its own
(`get_provider` sees to it), and loads its models itself.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from capture_app.conf import capture_settings
from capture_app.providers.base import Completion, CompletionRequest, Provider, StreamDelta
from capture_app.providers.local_generation import Answering
from capture_app.providers.local_models import LocalModels

DEFAULT_FOLDER = "models"  # in the data directory, where training puts them


class LocalTransformersProvider(Provider):
    """Answers with the model that a call names: an alias, or a folder below `folder`.

    Of a call's parameters it heeds max_tokens (or max_completion_tokens), temperature, top_p, top_k, stop and seed.
    What it does not know, and `response_format`, it leaves alone: a tuned model has learnt the form of its answers.
    Tools are shown to the model if its chat template does so; what it says of them stays text.
    """

    def __init__(
        self,
        *,
        folder: str = "",  # of the models; "": `models` in the data directory
        models: Mapping[str, str] | None = None,  # alias -> a folder anywhere, or an id of the Hugging Face hub
        device: str = "",  # "cpu", "cuda:1", ...; "": a GPU if there is one
        max_models: int = 1,  # in memory; the one that was not asked for longest makes room
        max_new_tokens: int = 512,  # of an answer, where a call does not say
    ) -> None:
        root = Path(folder) if folder else capture_settings().data_dir / DEFAULT_FOLDER
        self._models = LocalModels(root, models or {}, device=device, most=max_models)
        self._max_new_tokens = max_new_tokens
        # Threads of its own: answers that wait for each other must not keep the loop's threads from their work.
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="local-model")

    def complete(self, request: CompletionRequest) -> Completion:
        return self._answering(request).complete()

    async def acomplete(self, request: CompletionRequest) -> Completion:
        answering = self._answering(request)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, answering.complete)
        finally:
            answering.stop()  # when this task was cancelled, nobody waits for the rest

    def stream(self, request: CompletionRequest) -> Iterator[StreamDelta]:
        return self._answering(request).stream()

    async def astream(self, request: CompletionRequest) -> AsyncIterator[StreamDelta]:
        answering = self._answering(request)
        loop, deltas = asyncio.get_running_loop(), answering.stream()
        try:
            while (delta := await loop.run_in_executor(self._threads, next, deltas, None)) is not None:
                yield delta
        finally:
            answering.stop()

    def _answering(self, request: CompletionRequest) -> Answering:
        return Answering(self._models, request, self._max_new_tokens)
