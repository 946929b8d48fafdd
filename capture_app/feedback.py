"""Feedback: what an application, or its users, say of an answer that they got.

    from capture_app import call_llm, record_feedback

    answer = call_llm("Extract the price ...", training_metadata={})
    record_feedback(answer.example_id, score=0, correction="12 EUR")

Unlike capturing, it is no side effect of something else: when it cannot be stored, that is raised.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from asgiref.sync import sync_to_async

from capture_app.exceptions import InvalidJudgment
from capture_app.judged_values import (
    COMMENT_CHARACTERS,
    CORRECTION_CHARACTERS,
    NAME_CHARACTERS,
    checked_name,
    checked_score,
    checked_text,
)

APPLICATION: Final = "application"  # the source of what code says; other sources are the names of API tokens


@dataclass(frozen=True, slots=True)
class RecordedFeedback:
    """Feedback that is stored."""

    id: int
    example_id: str
    created_at: datetime  # aware, in UTC
    is_new: bool  # False: its idempotency key came before, and this is what was stored then


def record_feedback(
    example_id: str,
    *,
    score: float | None = None,
    label: str = "",
    comment: str = "",
    correction: str = "",
    source: str = APPLICATION,
    idempotency_key: str | None = None,
) -> RecordedFeedback:
    """Keep what is said of the answer of the example, which may still be in the inbox.

    `score` is any finite number; use one scale. `label` is a word, such as "thumbs_down"; `correction` is what the
    answer should have been. Say at least one of these. Feedback with an `idempotency_key` is kept once for each source.

    Raises InvalidJudgment, a ValueError that names the field, for what cannot be kept, ExampleForgotten when the
    example was erased on request, and Django's DatabaseError when the database cannot be reached.
    """
    said = _checked(score, label, comment, correction)
    names = {"example_id": checked_name("example_id", example_id), "source": checked_name("source", source)}
    key = None if idempotency_key is None else checked_name("idempotency_key", idempotency_key)

    # Models cannot be imported before Django's apps are ready, and `import capture_app` comes earlier.
    from capture_app.judgments import add_feedback

    feedback, is_new = add_feedback(**names, idempotency_key=key, **said)
    return RecordedFeedback(feedback.pk, feedback.example_id, feedback.created_at, is_new)


def _checked(score: Any, label: Any, comment: Any, correction: Any) -> dict[str, Any]:
    said = {
        "score": checked_score(score),
        "label": checked_text("label", label, most=NAME_CHARACTERS).strip(),
        "comment": checked_text("comment", comment, most=COMMENT_CHARACTERS),
        "correction": checked_text("correction", correction, most=CORRECTION_CHARACTERS),
    }
    if said["score"] is None and not any(said[name] for name in ("label", "comment", "correction")):
        raise InvalidJudgment("feedback", "must say something: a score, a label, a comment or a correction")
    return said


async def arecord_feedback(
    example_id: str,
    *,
    score: float | None = None,
    label: str = "",
    comment: str = "",
    correction: str = "",
    source: str = APPLICATION,
    idempotency_key: str | None = None,
) -> RecordedFeedback:
    """As record_feedback, without blocking the event loop."""
    return await sync_to_async(record_feedback)(
        example_id,
        score=score,
        label=label,
        comment=comment,
        correction=correction,
        source=source,
        idempotency_key=idempotency_key,
    )
