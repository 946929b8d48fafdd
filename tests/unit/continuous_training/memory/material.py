"""Exchanges to remember, and models that summarise them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from capture_app.providers.base import Completion, CompletionRequest
from capture_app.recorder import record_example
from capture_app.services import drain_captures
from continuous_training.memory.embedders import get_embedder
from continuous_training.memory.settings import TASK
from continuous_training.memory.vectors import to_bytes
from continuous_training.models import Memory
from tests.unit.capture_app.fake_providers import ScriptedProvider

RECALL = "continuous_training.memory.recall"


def said(
    question: str,
    answer: str = "All right.",
    *,
    user: Any = "ada",
    tool_calls: Sequence[Mapping[str, Any]] = (),
    drain: bool = True,
    **metadata: Any,
) -> str:
    """An exchange that was captured, and drained; its id."""
    example_id = record_example(
        provider="p",
        model="m",
        task="chat",
        prompt=question,
        response=answer,
        tool_calls=tool_calls,
        training_metadata={"user_id": user, **metadata},
    )
    assert example_id is not None
    if drain:
        drain_captures()
    return example_id


def remembered(
    summary: str, *, example_id: str = "", user: str = "ada", days_ago: float = 1, conversation: str = ""
) -> str:
    """A memory, as if it had been made by a run; the id of its example."""
    [vector] = get_embedder().embed([summary])
    return Memory.objects.create(
        example_id=example_id or f"example {Memory.objects.count()}",
        user_id=user,
        conversation_id=conversation,
        summary=summary,
        embedding=to_bytes(vector),
        embedder=get_embedder().name,
        created_at=datetime.now(UTC) - timedelta(days=days_ago),
    ).pk


def summaries(user: str = "ada") -> list[str]:
    """What is remembered of a user, in the order of time."""
    return list(
        Memory.objects.filter(user_id=user).exclude(summary="").order_by("created_at").values_list("summary", flat=True)
    )


class SummarisingProvider(ScriptedProvider):
    """Answers each call with the next of `answers`; an exception among them is raised. Then with the last one."""

    def __init__(self, answers: Sequence[str | Exception]) -> None:
        super().__init__()
        self._answers: Iterator[str | Exception] = iter(answers)
        self._last = answers[-1]

    def complete(self, request: CompletionRequest) -> Completion:
        self.requests.append(request)
        answer = next(self._answers, self._last)
        if isinstance(answer, Exception):
            raise answer
        return Completion(text=answer, model="small-1", input_tokens=50, output_tokens=10, finish_reason="stop")


def summarising(*answers: str | Exception) -> dict[str, Any]:
    """Keys of TRAINING_CAPTURE with which a SummarisingProvider has the summaries to make."""
    backend = f"{__name__}.{SummarisingProvider.__name__}"
    return {
        "MEMORY": RECALL,
        "PROVIDERS": {
            "offline": {"BACKEND": "capture_app.providers.offline.OfflineProvider"},
            "summarising": {"BACKEND": backend, "OPTIONS": {"answers": answers}},
        },
        "ROUTES": {TASK: {"PROVIDER": "summarising", "MODEL": "small-1"}},
    }
