"""What stands for a large model: it knows the right answers, takes its time, has its price, and errs now and then."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from functools import cache
from hashlib import sha256
from typing import Final

import orjson

from capture_app.messages import prompt_text, system_text
from capture_app.providers.base import Completion, CompletionRequest, Provider, StreamDelta
from demo.extraction_task import make_task
from demo.loop import CALLS, QUESTIONS

MODEL: Final = "expert-large"
_ERRS: Final = 12  # in a hundred answers


class ExpertProvider(Provider):
    """`latency` is slept before each answer, in seconds."""

    def __init__(self, latency: float = 0.3) -> None:
        self._latency = latency

    def complete(self, request: CompletionRequest) -> Completion:
        time.sleep(self._latency)
        return _answer(request)

    async def acomplete(self, request: CompletionRequest) -> Completion:
        await asyncio.sleep(self._latency)
        return _answer(request)

    def stream(self, request: CompletionRequest) -> Iterator[StreamDelta]:
        yield _delta(self.complete(request))

    async def astream(self, request: CompletionRequest) -> AsyncIterator[StreamDelta]:
        yield _delta(await self.acomplete(request))


def _answer(request: CompletionRequest) -> Completion:
    question = prompt_text(request.messages)
    text = _erring(question, _book().get(question, "{}"))
    asked = system_text(request.messages) + question
    return Completion(
        text=text,
        model=MODEL,
        input_tokens=max(1, len(asked) // 4),
        output_tokens=max(1, len(text) // 4),
        finish_reason="stop",
    )


@cache
def _book() -> dict[str, str]:
    task = make_task(n_train=CALLS, n_gold=QUESTIONS)
    return {each["messages"][-1]["content"]: each["expected_response"] for each in (*task.train, *task.gold)}


def _erring(question: str, right: str) -> str:
    """The same question always gets the same answer: in some, one figure is wrong."""
    if sha256(question.encode()).digest()[0] % 100 >= _ERRS:
        return right
    answer = orjson.loads(right)
    answer["quantity"] = answer.get("quantity", 0) + 1
    return orjson.dumps(answer).decode()


def _delta(completion: Completion) -> StreamDelta:
    return StreamDelta(
        text=completion.text,
        model=completion.model,
        input_tokens=completion.input_tokens,
        output_tokens=completion.output_tokens,
        finish_reason=completion.finish_reason,
    )
