"""What people and applications say of examples: reviews, tags and feedback, all kept in Django's database.

An example itself lies elsewhere, and may still wait in the inbox when the first is said of it. So nothing here asks
whether it exists, only whether it was erased on request: whoever writes a judgment looks for that after writing it, in
the same transaction, and `forget` notes the ids before it erases. So no judgment of what was forgotten stays.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from django.db import IntegrityError, connections, router, transaction
from django.db.models import Model

from capture_app.exceptions import ExampleForgotten, InvalidJudgment
from capture_app.judged_values import (
    COMMENT_CHARACTERS,
    CORRECTION_CHARACTERS,
    checked_name,
    checked_tags,
    checked_text,
    finite_number,
)
from capture_app.known import forgotten_ids
from capture_app.models import ExampleTag, Feedback, Review

# Keys of an example's `metadata` that say the same, given with the call or put there by an import.
RATING: Final = "rating"
TAGS: Final = "tags"
CORRECTION: Final = "correction"

VERDICTS: Final = ("", *Review.Verdict.values)
RATINGS: Final = {Review.Verdict.GOOD.value: 1.0, Review.Verdict.BAD.value: 0.0}  # what a verdict is worth
JUDGMENTS: Final[tuple[type[Model], ...]] = (Review, ExampleTag, Feedback)

_IDS_AT_ONCE: Final = 900  # in one question; SQLite may be built to take 999 at most
_ROWS_AT_ONCE: Final = 100  # fetched, where each may hold a long correction


# --- What is said of an example, all in all --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Annotation:
    """What is said of an example, all in all."""

    tags: tuple[str, ...] = ()  # sorted
    rating: float | None = None
    correction: str = ""  # what the answer should have been


def annotations_of(
    ids: Iterable[str], *, metadata: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, Annotation]:
    """What is said of each of the examples. A review counts before the newest feedback, and that before its metadata.

    `metadata` has what came with the calls, by id. Tags of all sources count alike. Exports see examples in the same
    way, but in SQL: training_archive.exports.annotations.
    """
    own = metadata or {}
    found = {example_id: _own(own.get(example_id, {})) for example_id in ids}
    for some in _batches(found):
        _add_tags(found, some)
        _add_feedback(found, some)
        _add_reviews(found, some)
    return found


def _own(metadata: Mapping[str, Any]) -> Annotation:
    """What has another shape counts as not given."""
    tags, correction = metadata.get(TAGS), metadata.get(CORRECTION)
    are_tags = isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)
    return Annotation(
        tags=tuple(sorted({*tags})) if tags and are_tags else (),
        rating=finite_number(metadata.get(RATING)),
        correction=correction if isinstance(correction, str) else "",
    )


def _add_tags(found: dict[str, Annotation], ids: Sequence[str]) -> None:
    for key, tag in ExampleTag.objects.filter(example_id__in=ids).values_list("example_id", "tag"):
        found[key] = replace(found[key], tags=tuple(sorted({*found[key].tags, tag})))


def _add_feedback(found: dict[str, Annotation], ids: Sequence[str]) -> None:
    feedback = Feedback.objects.filter(example_id__in=ids).order_by("created_at", "pk")
    rows = feedback.values_list("example_id", "score", "correction").iterator(_ROWS_AT_ONCE)
    for key, score, correction in rows:
        found[key] = _changed(found[key], score, correction)


def _add_reviews(found: dict[str, Annotation], ids: Sequence[str]) -> None:
    for key, verdict, correction in Review.objects.filter(pk__in=ids).values_list("pk", "verdict", "correction"):
        found[key] = _changed(found[key], RATINGS.get(verdict), correction)


def _changed(annotation: Annotation, rating: float | None, correction: str) -> Annotation:
    """With what is said now; what is not said stays."""
    return replace(
        annotation,
        rating=annotation.rating if rating is None else rating,
        correction=correction or annotation.correction,
    )


def corrections_of(ids: Iterable[str]) -> dict[str, set[str]]:
    """All corrected answers that were given to these examples, also those that count no more; by id."""
    found: dict[str, set[str]] = {}
    for some in _batches(ids):
        for rows in (Review.objects.filter(pk__in=some), Feedback.objects.filter(example_id__in=some)):
            for key, correction in rows.exclude(correction="").values_list("example_id", "correction"):
                found.setdefault(key, set()).add(correction)
    return found


# --- Saying it -------------------------------------------------------------------------------------------------------


def save_review(
    example_id: str,
    *,
    by: str,
    verdict: str | None = None,
    correction: str | None = None,
    comment: str | None = None,
) -> Review | None:
    """Keep what the person `by` judged; what is None stays as it was, "" clears it. None when nothing is left of it.

    Raises InvalidJudgment for what cannot be kept, ExampleForgotten when the example was erased on request.
    """
    if verdict not in (None, *VERDICTS):
        raise InvalidJudgment("verdict", f"is one of {', '.join(Review.Verdict.values)}")
    texts = {"correction": (correction, CORRECTION_CHARACTERS), "comment": (comment, COMMENT_CHARACTERS)}
    given = {name: checked_text(name, text, most=most) for name, (text, most) in texts.items() if text is not None}
    if verdict is not None:
        given["verdict"] = verdict
    if not given:
        raise InvalidJudgment("review", "must say something")
    with transaction.atomic(using=router.db_for_write(Review)):
        review, _ = Review.objects.update_or_create(
            pk=checked_name("example_id", example_id),
            defaults={**given, "reviewed_by": by, "reviewed_at": datetime.now(UTC)},
        )
        _refuse_forgotten(example_id)
        if not (review.verdict or review.correction or review.comment):
            review.delete()
            return None
    return review


def set_tags(example_ids: Iterable[str], *, add: Iterable[str] = (), remove: Iterable[str] = (), by: str) -> int:
    """Put tags on examples and take others from them; of how many. All of it, or nothing.

    Examples that were erased on request are left out. Raises InvalidJudgment for what is no tag.
    """
    added, removed = checked_tags(add), checked_tags(remove)
    if added & removed:
        raise InvalidJudgment("tag", "cannot be both added and removed")
    ids = {checked_name("example_id", each) for each in example_ids}
    done = 0
    with transaction.atomic(using=router.db_for_write(ExampleTag)):
        # In one order, or two who tag the same examples at once might wait for each other in PostgreSQL.
        for some in _batches(sorted(ids)):
            done += _tag(some, added, removed, by)
    return done


def _tag(ids: Sequence[str], added: set[str], removed: set[str], by: str) -> int:
    now = datetime.now(UTC)
    ExampleTag.objects.bulk_create(
        [ExampleTag(example_id=key, tag=tag, tagged_by=by, tagged_at=now) for key in ids for tag in sorted(added)],
        batch_size=_IDS_AT_ONCE,
        ignore_conflicts=True,
    )
    for tag in removed:
        ExampleTag.objects.filter(example_id__in=ids, tag=tag).delete()
    forgotten = forgotten_ids(ids)
    ExampleTag.objects.filter(example_id__in=forgotten).delete()
    return len(ids) - len(forgotten)


def add_feedback(example_id: str, *, source: str, idempotency_key: str | None, **said: Any) -> tuple[Feedback, bool]:
    """Keep checked feedback, and whether it is new: with a key that came from this source before, it is that one.

    Raises ExampleForgotten when the example was erased on request.
    """
    database = router.db_for_write(Feedback)
    try:
        with transaction.atomic(using=database):
            feedback = Feedback.objects.create(
                example_id=example_id,
                source=source,
                idempotency_key=idempotency_key,
                created_at=datetime.now(UTC),
                **said,
            )
            _refuse_forgotten(example_id)
        return feedback, True
    except IntegrityError:
        earlier = Feedback.objects.using(database).filter(source=source, idempotency_key=idempotency_key)
        first = earlier.first() if idempotency_key is not None else None
        if first is None:
            raise
        return first, False


def _refuse_forgotten(example_id: str) -> None:
    if forgotten_ids([example_id]):
        raise ExampleForgotten("The example was erased on request. Nothing was stored; do not send this again.")


# --- Erasing it ------------------------------------------------------------------------------------------------------


def erase_judgments(ids: Iterable[str]) -> int:
    """Erase all that is said of these examples, which ForgottenExample names; how many judgments."""
    kept = list(ids)
    return sum(_erase(model, kept) for model in JUDGMENTS)


def _erase(model: type[Model], ids: Iterable[str]) -> int:
    database = router.db_for_write(model)
    with transaction.atomic(using=database):
        _wait_for_writers(model, database)
        batches = (model._default_manager.filter(example_id__in=some) for some in _batches(ids))
        return sum(rows.delete()[0] for rows in batches)


def _wait_for_writers(model: type[Model], database: str) -> None:
    """Whoever is writing a judgment either commits before it is looked for, or finds that its example is forgotten.

    SQLite has one writer at a time. In PostgreSQL one that has not committed would neither be seen nor see.
    """
    connection = connections[database]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            table = connection.ops.quote_name(model._meta.db_table)
            cursor.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")


def erase_judgments_of(generation: str) -> int:
    """Erase all that is said of the examples that the index has in this generation; how many judgments."""
    indexed = (model._default_manager.filter(example__generation=generation) for model in JUDGMENTS)
    return sum(rows.delete()[0] for rows in indexed)


def _batches(ids: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(ids)
    while some := list(islice(remaining, _IDS_AT_ONCE)):
        yield some
