"""What a user said before that may help with what is asked now. See capture_app.memory for who asks, and what for.

Only rows of that user are read: the newest ten thousand vectors, compared in one product, and then the few summaries
that are near enough.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from capture_app.memory import Recalled
from capture_app.messages import Message, content_text
from continuous_training.memory.embedders import get_embedder
from continuous_training.memory.embedders.base import Embedder
from continuous_training.memory.redacting import redacted
from continuous_training.memory.settings import memory_settings
from continuous_training.memory.wording import Note, message_of, within
from continuous_training.models import Memory

OPTIONS: Final = ("conversation_id", "min_score", "candidates", "tokens")

_MOST: Final = 10_000  # memories of a user that are looked at
_ASKED_CHARACTERS: Final = 2000
_VECTORS_AT_ONCE: Final = 200  # so few that they stay in the processor's cache
_NOTES_AT_ONCE: Final = 50


def recall(user_id: str, messages: Sequence[Message], options: Mapping[str, Any]) -> Recalled | None:
    """For TRAINING_CAPTURE["MEMORY"]: the user's memories that are near the last thing that the user says.

    `options` may change `min_score`, `candidates` and `tokens` for this call; of the conversation `conversation_id`
    nothing is recalled. Raises ValueError for any other option, EmbeddingFailed, and errors of the database.
    """
    if unknown := sorted(set(options) - set(OPTIONS)):
        raise ValueError(f"A memory has no option {', '.join(unknown)}; it has user_id, {', '.join(OPTIONS)}.")
    asked = redacted(last_said(messages)[:_ASKED_CHARACTERS])
    if not asked.strip():
        return None
    conf = memory_settings()
    embedder = get_embedder()
    min_score = options.get("min_score", embedder.min_score if conf.min_score is None else conf.min_score)
    near = _nearest(user_id, asked, embedder, min_score)
    candidates = islice(_notes(near, options.get("conversation_id", "")), options.get("candidates", conf.candidates))
    kept = within(candidates, options.get("tokens", conf.tokens))
    return Recalled(message_of(kept), [note.example_id for note in kept]) if kept else None


def last_said(messages: Sequence[Message]) -> str:
    """The text of the user's last message, "" if there is none."""
    return next((content_text(each) for each in reversed(messages) if each.get("role") == "user"), "")


def _nearest(user_id: str, asked: str, embedder: Embedder, min_score: float) -> list[str]:
    """The ids of those that are near enough, the nearest first; among equals, the newest."""
    from continuous_training.memory.vectors import scores  # numpy takes a tenth of a second, and checks import this

    # What has nothing to remember has no embedder either.
    rows = Memory.objects.filter(user_id=user_id, embedder=embedder.name).order_by("-created_at")
    if not rows.exists():
        return []
    [query] = embedder.embed([asked])
    found = rows.values_list("pk", "embedding")[:_MOST].iterator(chunk_size=_VECTORS_AT_ONCE)
    ids: list[str] = []
    near: list[float] = []
    while some := list(islice(found, _VECTORS_AT_ONCE)):
        ids += [pk for pk, _ in some]
        near += scores(query, [vector for _, vector in some]).tolist()
    order = sorted((place for place, score in enumerate(near) if score >= min_score), key=lambda place: -near[place])
    return [ids[place] for place in order]


def _notes(ids: Sequence[str], conversation_id: str) -> Iterator[Note]:
    """In the order of the ids; without those of the conversation, and those that were erased meanwhile."""
    for start in range(0, len(ids), _NOTES_AT_ONCE):
        some = ids[start : start + _NOTES_AT_ONCE]
        rows = {row.pk: row for row in Memory.objects.filter(pk__in=some).defer("embedding")}
        for row in (rows[pk] for pk in some if pk in rows):
            if not conversation_id or row.conversation_id != conversation_id:
                yield Note(example_id=row.pk, created_at=row.created_at, summary=row.summary)
