"""A provider that answers the enricher's questions, as well as a test lets it."""

import json
import os
import re
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from capture_app.messages import prompt_text
from capture_app.providers.base import Completion, CompletionRequest
from capture_app.providers.offline import OfflineProvider


class LabellingProvider(OfflineProvider):
    """Every answer is one that the schema in the question allows.

    `instead` is said first, one after the other; an exception is raised, and None is a good answer. `log` is a file
    that each question's beginning is appended to. The process kills itself rather than answer the question with the
    number `dies_at`, from 1.
    """

    def __init__(self, instead: Sequence[str | BaseException | None] = (), log: str = "", dies_at: int = 0) -> None:
        super().__init__()
        self.instead = list(instead)
        self.requests: list[CompletionRequest] = []
        self.dies_at, self._log = dies_at, log

    def complete(self, request: CompletionRequest) -> Completion:
        self.requests.append(request)
        if len(self.requests) == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        question = prompt_text(request.messages[:2])
        if self._log:
            with Path(self._log).open("a") as file:
                file.write(f"{question.partition('?')[0]}\n")
        said = self.instead.pop(0) if self.instead else None
        if isinstance(said, BaseException):
            raise said
        return Completion(text=answer_to(question) if said is None else said, model="labels-1")


def answer_to(question: str) -> str:
    schema, shown = re.findall(r"^[{\[].*$", question, re.MULTILINE)
    return json.dumps(_value(json.loads(schema), [each["turn"] for each in json.loads(shown)]))


def _value(schema: Mapping[str, Any], turns: Sequence[int]) -> Any:
    kind = schema["type"]
    if kind == "object":
        return {name: _value(each, turns) for name, each in schema["properties"].items()}
    if kind == "array" and "turn" in schema["items"].get("properties", {}):
        return [{**_value(schema["items"], turns), "turn": number} for number in turns]
    if kind == "array":
        return [_value(schema["items"], turns)]
    if kind in ("number", "integer"):
        return schema.get("maximum", 1)
    return schema["enum"][0] if "enum" in schema else "calm"


def labelling(**options: Any) -> dict[str, Any]:
    """Keys of TRAINING_CAPTURE with which every call is answered by a LabellingProvider."""
    backend = f"{__name__}.{LabellingProvider.__name__}"
    return {"PROVIDERS": {"labelling": {"BACKEND": backend, "OPTIONS": options}}, "DEFAULT_PROVIDER": "labelling"}
