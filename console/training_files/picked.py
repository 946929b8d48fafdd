"""Which conversations the picked examples belong to, and how far these are on their way into a training file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from capture_app.models import ExampleIndex
from console.actions.selection import batches
from training_files.conversations.store import id_of_captured
from training_files.models import Conversation

_READY: Final = Conversation.Enrichment.COMPLETED


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """All are ids: `unmade` as the application named them when it made the calls, the others of Conversation."""

    ready: list[str]  # these can be added
    unready: list[str]  # these have yet to be enriched
    unmade: list[str]  # of these no conversation was made yet
    alone: int  # examples that belong to no conversation


def picked(example_ids: Sequence[str]) -> Picked:
    """In the order in which they were picked, each once."""
    captured: dict[str, str] = {}
    for some in batches(example_ids):
        captured |= dict(ExampleIndex.objects.filter(pk__in=some).values_list("pk", "conversation_id"))
    named = dict.fromkeys(captured[each] for each in example_ids if captured.get(each))
    states = _states([id_of_captured(name) for name in named])
    known = {name: states.get(id_of_captured(name)) for name in named}
    return Picked(
        ready=[id_of_captured(name) for name, state in known.items() if state == _READY],
        unready=[id_of_captured(name) for name, state in known.items() if state not in (_READY, None)],
        unmade=[name for name, state in known.items() if state is None],
        alone=sum(not name for name in captured.values()),
    )


def _states(conversation_ids: Sequence[str]) -> dict[str, str]:
    rows = (Conversation.objects.filter(pk__in=some) for some in batches(conversation_ids))
    return {pk: state for found in rows for pk, state in found.values_list("pk", "enrichment_status")}
