"""One answer of a model in this process: the prompt by its chat template, then token after token, up to its end."""

import queue
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any, NamedTuple

from capture_app.providers.base import Completion, CompletionRequest, StreamDelta
from capture_app.providers.chat_templates import template_message
from capture_app.providers.local_models import LoadedModel, LocalModels
from capture_app.providers.local_text import TextStream

_LIMITS = ("max_completion_tokens", "max_tokens")  # as OpenAI names it now, and did before
_SEED_BITS = 63


class PromptTooLong(ValueError):
    """The model cannot read so much, and leave room for an answer."""


class Ended(NamedTuple):
    """What is known when the last token is there."""

    input_tokens: int
    output_tokens: int  # with the one that ends the answer
    finish_reason: str


Pieces = queue.SimpleQueue[str | Ended | BaseException]


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
        """Raises CaptureConfigurationError without a model, and ValueError for messages that it cannot read."""
        pieces: list[str] = []
        ended = self._answer(pieces.append)
        return Completion(text="".join(pieces), model=self._request.model, **ended._asdict())

    def stream(self) -> Iterator[StreamDelta]:
        """As complete. A thread makes the tokens and waits for no reader, so one that stops reading stops nobody."""
        pieces: Pieces = queue.SimpleQueue()
        threading.Thread(target=self._feed, args=(pieces,), name="local-model").start()
        try:
            yield StreamDelta(model=self._request.model)
            while isinstance(piece := pieces.get(), str):
                yield StreamDelta(text=piece)
            if isinstance(piece, BaseException):
                raise piece
            yield StreamDelta(**piece._asdict())
        finally:
            self.stop()

    def _feed(self, pieces: Pieces) -> None:
        try:
            pieces.put(self._answer(pieces.put))
        except BaseException as error:  # whatever it is, the reader is told, who waits for it
            pieces.put(error)

    def _answer(self, tell: Callable[[str], None]) -> Ended:
        with self._models.lock:
            loaded = self._models.get(self._request.model)
            inputs = _inputs(loaded, self._request)
            config = _config(loaded, self._request.parameters, inputs.shape[1], self._max_new_tokens)
            text = TextStream(loaded.tokenizer, _stops(self._request.parameters), tell)
            _generate(loaded, inputs, config, text, self._stopped, self._request.parameters.get("seed"))
        return Ended(inputs.shape[1], text.count, "stop" if text.is_done or _is_end(config, text) else "length")


def _inputs(loaded: LoadedModel, request: CompletionRequest) -> Any:
    """The prompt's token ids, [1, tokens], on the model's device."""
    from jinja2 import TemplateError

    try:
        ids = loaded.tokenizer.apply_chat_template(
            [template_message(message) for message in request.messages],
            tools=list(request.tools) or None,
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=False,
        )
    except TemplateError as error:
        raise ValueError(f"The chat template of {loaded.name!r} cannot write these messages: {error}") from error
    if ids.shape[1] >= loaded.most_tokens:
        raise PromptTooLong(
            f"The prompt has {ids.shape[1]:,} tokens, and the model {loaded.name!r} reads at most "
            f"{loaded.most_tokens - 1:,}. It was not asked."
        )
    return ids.to(loaded.model.device)


def _config(loaded: LoadedModel, parameters: Mapping[str, Any], prompt: int, default: int) -> Any:
    """The model's own way of choosing tokens, changed by what the call says. `prompt`: its tokens."""
    config = deepcopy(loaded.model.generation_config)
    config.max_length = None
    asked = next((parameters[name] for name in _LIMITS if parameters.get(name) is not None), default)
    config.max_new_tokens = min(asked, loaded.most_tokens - prompt)
    if config.pad_token_id is None:
        config.pad_token_id = loaded.tokenizer.pad_token_id
    if parameters.get("temperature") is not None:
        config.do_sample = parameters["temperature"] > 0
        config.temperature = parameters["temperature"] or None
    for name in ("top_p", "top_k"):
        if not config.do_sample or parameters.get(name) is not None:
            setattr(config, name, parameters.get(name) if config.do_sample else None)
    return config


def _stops(parameters: Mapping[str, Any]) -> list[str]:
    stop = parameters.get("stop") or ()
    return [stop] if isinstance(stop, str) else [each for each in stop if each]


def _generate(
    loaded: LoadedModel, inputs: Any, config: Any, text: TextStream, stopped: threading.Event, seed: int | None
) -> None:
    import torch

    device = loaded.model.device

    def is_over(ids: Any, scores: Any, **kwargs: Any) -> Any:
        return torch.full((ids.shape[0],), text.is_done or stopped.is_set(), dtype=torch.bool, device=ids.device)

    # Chance of its own: torch's is the application's, and the same in each new process.
    with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.inference_mode():
        torch.manual_seed(secrets.randbits(_SEED_BITS) if seed is None else seed)
        loaded.model.generate(
            inputs,
            attention_mask=torch.ones_like(inputs),
            generation_config=config,
            streamer=text,
            stopping_criteria=[is_over],
        )


def _is_end(config: Any, text: TextStream) -> bool:
    ends = config.eos_token_id
    return text.last in (ends if isinstance(ends, list) else [ends])
