"""The models of one process: found by name, loaded when they are first asked for, and a few of them kept."""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from capture_app.exceptions import CaptureConfigurationError

_ADAPTER = "adapter_config.json"


class LoadedModel(NamedTuple):
    name: str
    model: Any  # a transformers model
    tokenizer: Any
    most_tokens: int  # of prompt and answer together


class LocalModels:
    """At most `most` of them are in memory. Safe to be used by several threads."""

    def __init__(self, folder: Path, aliases: Mapping[str, str], *, device: str, most: int) -> None:
        self._folder = folder
        self._aliases = aliases
        self._device = device
        self._most = most
        self._loaded: OrderedDict[str, LoadedModel] = OrderedDict()
        # Held while a model is loaded, and while one makes an answer: torch has one state of chance for all threads.
        self.lock = threading.Lock()

    def get(self, name: str) -> LoadedModel:
        """To be called with the lock held. Raises CaptureConfigurationError when it cannot be found or loaded."""
        if name not in self._loaded:
            where = self.find(name)
            while len(self._loaded) >= self._most:
                self._loaded.popitem(last=False)
            self._loaded[name] = _load(name, where, self._device)
        self._loaded.move_to_end(name)
        return self._loaded[name]

    def find(self, name: str) -> str:
        """The folder of that model, or the hub's id that its alias stands for. Raises CaptureConfigurationError."""
        if name in self._aliases:
            return self._aliases[name]
        path = self._folder / name
        if not name or "\0" in name or not _is_below(path, self._folder):
            raise CaptureConfigurationError(f"{name!r} is no name of a model in {self._folder}.{self._known()}")
        if not path.is_dir():
            raise CaptureConfigurationError(f"There is no model {name!r} in {self._folder}.{self._known()}")
        return str(path)

    def _known(self) -> str:
        folders = (path.name for path in self._folder.iterdir()) if self._folder.is_dir() else ()
        names = sorted({*self._aliases, *(name for name in folders if not name.startswith("."))})
        return f" There are {', '.join(names)}." if names else " There is none yet."


def _is_below(path: Path, folder: Path) -> bool:
    """Whether it is in the folder wherever links lead, and not a hidden one, which is not finished."""
    relative = path.relative_to(folder) if path.is_relative_to(folder) else Path("..")
    is_plain = not any(part.startswith(".") for part in relative.parts) and relative != Path()
    return is_plain and path.resolve().is_relative_to(folder.resolve())


def _load(name: str, where: str, device: str) -> LoadedModel:
    try:
        import torch
        from transformers import AutoTokenizer
    except ImportError as error:
        raise CaptureConfigurationError(
            f"The model {name!r} runs in this process, which needs torch and transformers: install "
            "requirements-training.txt (`make training`), or ask a server for it. No model was asked."
        ) from error
    _prepare_for_forks()
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        with _no_progress_bars():
            tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=False)
            model = _model(where, "auto" if place != "cpu" else torch.float32).to(place).eval()
    except (OSError, ValueError, RuntimeError, ImportError, KeyError) as error:  # whatever a folder may hold
        raise CaptureConfigurationError(
            f"The model {name!r} cannot be loaded from {where} ({type(error).__name__}: {error}). No model was asked."
        ) from error
    if not tokenizer.chat_template:
        raise CaptureConfigurationError(f"The model {name!r} has no chat template, so it cannot be asked.")
    return LoadedModel(name, model, tokenizer, _most_tokens(model))


@cache
def _prepare_for_forks() -> None:
    """A process forked from here computes with one thread: it has none of this one's, and would wait for them."""
    import torch

    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    from transformers.utils import logging

    was_enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_enabled:
            logging.enable_progress_bar()


def _model(where: str, dtype: Any) -> Any:
    from transformers import AutoModelForCausalLM

    options = {"dtype": dtype, "trust_remote_code": False, "use_safetensors": True}  # other formats may run code
    if not (Path(where) / _ADAPTER).exists():
        return AutoModelForCausalLM.from_pretrained(where, **options)
    from peft import AutoPeftModelForCausalLM

    return AutoPeftModelForCausalLM.from_pretrained(where, **options).merge_and_unload()


def _most_tokens(model: Any) -> int:
    return int(getattr(model.config.get_text_config(), "max_position_embeddings", 0) or 2**31)
