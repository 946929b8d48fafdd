"""Calls to record: text as varied as real prompts, cut at random places out of the installed packages' own files."""

import random
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson

from capture_app.blobs import BlobExtractor
from capture_app.example import COLUMNS, Example
from capture_app.providers.base import Completion, CompletionRequest
from capture_app.recorder import Answer, build_example

LINE_BYTES: Final = 4096  # of one record in the inbox, with its newline

_CORPUS_CHARACTERS = 48 * 2**20
_SUFFIXES = (".py", ".pyi", ".rst", ".md", ".txt")
TASKS: Final = ("productpage_extractor", "navpage_classifier", "summary", "support_reply", "code_review")
MODELS: Final = ("small-instruct", "large-instruct", "gemma-3-270m")
_SYSTEM_CHARACTERS, _PROMPT_CHARACTERS, _RESPONSE_CHARACTERS = 300, 1900, 760
_LONGEST_ESCAPE = 6  # of JSON: \u0000


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One LLM call with its answer; recorded, it takes about LINE_BYTES."""

    prompt: str
    system_prompt: str
    task: str
    model: str
    completion: Completion
    training_metadata: dict[str, Any]

    def example(self) -> Example:
        messages = [{"role": "system", "content": self.system_prompt}, {"role": "user", "content": self.prompt}]
        request = CompletionRequest(model=self.model, messages=messages)
        answer = Answer(request, self.completion, "instant", self.task, self.training_metadata, latency_ms=417)
        return build_example(answer, BlobExtractor())

    def record(self) -> dict[str, Any]:
        """The example as the dict that is written as one line of JSON."""
        example = self.example()
        return {name: getattr(example, name) for name in COLUMNS}


def calls(count: int, *, seed: int = 0, response_characters: int = _RESPONSE_CHARACTERS) -> Iterator[Call]:
    """The same calls for the same seed and the same installed packages."""
    chance, text = random.Random(seed), corpus()

    def window(length: int) -> str:
        start = chance.randrange(len(text) - length)
        return text[start : start + length]

    for number in range(count):
        model = chance.choice(MODELS)
        yield Call(
            prompt=window(_PROMPT_CHARACTERS),
            system_prompt=window(_SYSTEM_CHARACTERS),
            task=chance.choice(TASKS),
            model=model,
            completion=Completion(
                text=window(response_characters) if response_characters else "",
                model=model,
                input_tokens=chance.randrange(400, 800),
                output_tokens=chance.randrange(100, 300),
                finish_reason="stop",
                response_id=f"answer-{chance.getrandbits(64):016x}",
            ),
            training_metadata={
                "user_id": f"user-{chance.randrange(1000):04d}",
                "conversation_id": f"conversation-{number // 4:08d}",
                "slot_specs": {"price": {"type": "numeric_tol", "tolerance": 0.01}},
                "page": f"https://shop.example/items/{chance.randrange(10**6):06d}",
            },
        )


def record_lines(count: int, *, seed: int = 0) -> Iterator[bytes]:
    """Records as call_llm writes them, each of exactly LINE_BYTES: the answer is what fills them up."""
    chance, text = random.Random(seed + 1), corpus()
    for call in calls(count, seed=seed, response_characters=0):
        line = call.example().to_json_line()
        room = LINE_BYTES - len(line)
        start = chance.randrange(len(text) - LINE_BYTES)
        answer = _json_text(text[start : start + LINE_BYTES], room)
        yield line.replace(b'"response_strong":""', b'"response_strong":"' + answer + b'"', 1)


def _json_text(text: str, room: int) -> bytes:
    """As much of `text` as fits into `room` bytes of JSON, filled up with blanks."""
    escaped = orjson.dumps(text)[1:-1]
    for length in range(room, room - _LONGEST_ESCAPE, -1):
        if _is_whole(escaped[:length]):
            return escaped[:length].ljust(room)
    raise ValueError(f"No text of {room} bytes: is the record itself larger than {LINE_BYTES}?")


def _is_whole(escaped: bytes) -> bool:
    try:
        orjson.loads(b'"' + escaped + b'"')
    except orjson.JSONDecodeError:
        return False
    return True


@cache
def corpus() -> str:
    """Source code and documentation of the installed packages, ASCII files only, in a random but fixed order."""
    folder = Path(sysconfig.get_paths()["purelib"])
    paths = sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES)
    random.Random(0).shuffle(paths)
    parts, size = [], 0
    for path in paths:
        content = path.read_bytes()
        if content.isascii():
            parts.append(content.decode("ascii"))
            size += len(content)
        if size >= _CORPUS_CHARACTERS:
            break
    return "".join(parts)
