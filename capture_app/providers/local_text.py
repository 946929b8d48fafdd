"""Tokens become text as they come, up to a stop sequence."""

from collections.abc import Callable, Sequence
from typing import Any

_UNFINISHED = "\ufffd"  # what decoders write for a character of which a byte is missing


class TextStream:
    """A streamer, as `generate` of transformers takes it: it is given the prompt first, then each token."""

    def __init__(self, tokenizer: Any, stops: Sequence[str], tell: Callable[[str], None]) -> None:
        self.is_done = False  # a stop sequence was there; it is not told, nor is what follows
        self._tokenizer = tokenizer
        self._stops = stops
        self._tell = tell
        self._ids: list[int] = []
        self._is_prompt = True
        self._context = 0  # from here on tokens are decoded again, since the first ones shape the next
        self._told = 0  # tokens
        self._held = ""  # what may be the beginning of a stop sequence

    @property
    def count(self) -> int:
        """Tokens so far."""
        return len(self._ids)

    @property
    def last(self) -> int | None:
        return self._ids[-1] if self._ids else None

    def put(self, value: Any) -> None:
        if self._is_prompt:
            self._is_prompt = False
            return
        self._ids.extend(value.flatten().tolist())
        text = self._new_text()
        if not text.endswith(_UNFINISHED):
            self._context, self._told = self._told, len(self._ids)
            self._pass_on(text)

    def end(self) -> None:
        if self._told < len(self._ids):
            self._pass_on(self._new_text())
        if not self.is_done and self._held:
            self._tell(self._held)

    def _new_text(self) -> str:
        known = self._decode(self._ids[self._context : self._told])
        return self._decode(self._ids[self._context :])[len(known) :]

    def _decode(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return text

    def _pass_on(self, text: str) -> None:
        if self.is_done:
            return
        self._held += text
        places = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        self.is_done = bool(places)
        sure = min(places) if places else len(self._held) - self._doubtful()
        if self._held[:sure]:
            self._tell(self._held[:sure])
        self._held = self._held[sure:]

    def _doubtful(self) -> int:
        """Characters at the end with which a stop sequence may begin."""
        longest = max(map(len, self._stops), default=0)
        sizes = range(min(longest - 1, len(self._held)), 0, -1)
        return next((size for size in sizes if any(stop.startswith(self._held[-size:]) for stop in self._stops)), 0)
