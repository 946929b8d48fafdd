"""Where the examples of a page are, and what people said of them: a query for each, and only of these."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
from django.core.cache import cache
from django.db.models import Case, Q, When

from capture_app.conf import capture_settings
from capture_app.duckdb_files import duckdb_session, table_comment
from capture_app.files import scratch_directory
from capture_app.models import ExampleIndex, Feedback, Review
from training_archive.chunks import MEMORY_MB, PREFIX, attach_chunk
from training_archive.exceptions import ArchiveError
from training_archive.models import ArchivedGeneration
from training_archive.sealed import sealed_files

LIVE, SEALED = "live", "waits for the archive"
"""Whether it is still where drains put it, or in a sealed file; else a chunk's name."""

_SEALED: Final = "gleaner_sealed"  # an attached sealed file's name in SQL
_REMEMBERED: Final = 3600  # seconds; a sealed file does not change
_MOST_SEALED: Final = 20  # files that are asked for one page
_MOST_FEEDBACK: Final = 500


@dataclass(slots=True)
class Facts:
    """What the index itself does not know of an example."""

    place: str
    verdict: str = ""
    is_corrected: bool = False
    score: float | None = None  # of the newest feedback that has one


def facts_of(rows: Sequence[ExampleIndex]) -> dict[str, Facts]:
    """By id."""
    chunks = _chunks({row.generation for row in rows})
    sealed = _sealed_generations() if any(row.generation not in chunks for row in rows) else frozenset()
    facts = {row.pk: Facts(place=_place(row.generation, chunks, sealed)) for row in rows}
    _add_reviews(facts)
    _add_scores(facts)
    return facts


def _place(generation: str, chunks: dict[str, str], sealed: frozenset[str]) -> str:
    if generation in chunks:
        return chunks[generation].removeprefix(PREFIX)
    return SEALED if generation in sealed else LIVE


def _chunks(generations: set[str]) -> dict[str, str]:
    known = ArchivedGeneration.objects.filter(pk__in=generations)
    return dict(known.values_list("generation", "chunk_id"))


def _sealed_generations() -> frozenset[str]:
    return frozenset(map(_generation_of, sealed_files()[-_MOST_SEALED:]))


def _generation_of(path: Path) -> str:
    """A sealed file's own word; its name, when it has none or cannot be read."""
    key = f"gleaner.sealed.{path.stem}"
    known: str | None = cache.get(key)
    if known is None:
        known = _read_generation(path)
        cache.set(key, known, _REMEMBERED)
    return known


def _read_generation(path: Path) -> str:
    try:
        with (
            scratch_directory(capture_settings().data_dir) as scratch,
            duckdb_session(scratch=scratch, memory_mb=MEMORY_MB) as connection,
        ):
            attach_chunk(connection, path, _SEALED)
            return table_comment(connection, _SEALED) or str(path.stem)
    except (ArchiveError, OSError, duckdb.Error):  # archived just now, or damaged; the page of the example says more
        return str(path.stem)


def _add_reviews(facts: dict[str, Facts]) -> None:
    corrected = Case(When(~Q(correction=""), then=True), default=False)
    reviews = Review.objects.filter(pk__in=list(facts)).values_list("pk", "verdict", corrected)
    for example_id, verdict, is_corrected in reviews:
        facts[example_id].verdict = verdict
        facts[example_id].is_corrected = is_corrected


def _add_scores(facts: dict[str, Facts]) -> None:
    rated = Feedback.objects.filter(example_id__in=list(facts), score__isnull=False).order_by("-created_at", "-pk")
    for example_id, score in reversed(rated.values_list("example_id", "score")[:_MOST_FEEDBACK]):
        facts[example_id].score = score
