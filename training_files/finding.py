"""Training files by what is said of them and what their current versions hold; conversations by what they are."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from django.db.models import F, Q, QuerySet

from training_files.conversations.store import batches
from training_files.exceptions import InvalidRequest
from training_files.models import Conversation, TrainingFile

ALL: Final = "all"  # of the statuses
_STATUSES: Final = frozenset({*TrainingFile.Status.values, ALL})


def find_training_files(
    *,
    status: str = TrainingFile.Status.ACTIVE,
    name: str = "",
    owner: str = "",
    min_quality: float | None = None,
    max_quality: float | None = None,
    tier: str = "",
    persona: str = "",
    arc: str = "",
    topic: str = "",
    created_after: datetime | None = None,
    created_before: datetime | None = None,
) -> QuerySet[TrainingFile]:
    """The newest first. `status` may be "all"; `name` is a part of the name, in any case.

    The quality is the mean score of the current version's pairs; a tier, persona, arc or topic is matched when the
    current version has at least one conversation of it. From `created_after` on, and before `created_before`.
    """
    if status not in _STATUSES:
        raise InvalidRequest(f"A status is one of {', '.join(sorted(_STATUSES))}.", field="status")
    found = Q() if status == ALL else Q(status=status)
    for lookup, value in (("name__icontains", name), ("owner", owner)):
        found &= Q(**{lookup: value}) if value else Q()
    for lookup, moment in (("created_at__gte", created_after), ("created_at__lt", created_before)):
        found &= Q() if moment is None else Q(**{lookup: moment})
    held = _held(min_quality, max_quality, {"tiers": tier, "personas": persona, "arcs": arc, "topics": topic})
    if held:  # all in one filter: of one and the same version
        found &= Q(versions__number=F("version")) & held
    return TrainingFile.objects.filter(found).order_by("-created_at", "-id")


def _held(min_quality: float | None, max_quality: float | None, keys: dict[str, str]) -> Q:
    held = Q()
    if min_quality is not None:
        held &= Q(versions__quality_score__gte=min_quality)
    if max_quality is not None:
        held &= Q(versions__quality_score__lte=max_quality)
    for figure, key in keys.items():
        if key:
            held &= Q(**{f"versions__figures__{figure}__has_key": key})
    return held


def find_conversations(
    *,
    enrichment_status: str = "",
    source: str = "",
    min_quality: float | None = None,
    max_quality: float | None = None,
    tier: str = "",
    persona: str = "",
    arc: str = "",
    topic: str = "",
    created_after: datetime | None = None,
    created_before: datetime | None = None,
) -> QuerySet[Conversation]:
    """The newest first; `created_at` is when they came here. "" and None: any."""
    exact = {
        "enrichment_status": enrichment_status,
        "source": source,
        "quality_tier": tier,
        "persona_key": persona,
        "emotional_arc_key": arc,
        "training_topic_key": topic,
    }
    bounds = {
        "quality_score__gte": min_quality,
        "quality_score__lte": max_quality,
        "created_at__gte": created_after,
        "created_at__lt": created_before,
    }
    wanted = {lookup: value for lookup, value in exact.items() if value}
    limits = {lookup: value for lookup, value in bounds.items() if value is not None}
    return Conversation.objects.filter(**wanted, **limits).order_by("-created_at", "-id")


def ids_of_enriched(**wanted: Any) -> Iterator[str]:
    """Of the conversations that `find_conversations` finds and that may go into a training file, the oldest first."""
    ready = Q(enrichment_status=Conversation.Enrichment.COMPLETED, enriched_file_path__isnull=False)
    rows = find_conversations(**wanted).filter(ready).order_by("created_at", "id")
    return rows.values_list("id", flat=True).iterator(chunk_size=2_000)


def existing_ids(ids: Iterable[str]) -> list[str]:
    """Those of the ids, in their order, of which there is a conversation."""
    found: list[str] = []
    for some in batches(ids):
        there = set(Conversation.objects.filter(pk__in=some).values_list("pk", flat=True))
        found += (each for each in some if each in there)
    return found
