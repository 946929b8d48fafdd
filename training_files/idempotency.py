"""The same request sent twice is done once: what is answered the second time is what was answered the first time.

A client that does not know whether its request arrived sends it again with the same key. Only successes are kept: what
failed changed nothing, so it is simply tried again. A process that is killed between the act and the note of its
answer leaves the key in use for `_LEASE`. After that the request is done again; if it had been done, it is refused
then, as the name is taken or the conversations are there already.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from training_files.exceptions import TrainingFilesError
from training_files.models import IdempotencyKey

KEPT_FOR: Final = timedelta(hours=24)

_LEASE: Final = timedelta(minutes=10)  # no request takes longer


class KeyReused(TrainingFilesError):
    """The key came with another request before. Nothing was changed."""


class KeyInUse(TrainingFilesError):
    """A request with the same key is being answered. Nothing was changed by this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was answered."""

    status: int
    body: str  # JSON
    location: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that is ours, until it is kept or released."""

    row_id: int
    since: datetime

    def keep(self, answer: Answer) -> None:
        """Answer so whenever the key comes again. Does nothing when somebody took it over."""
        self._row().update(status=answer.status, body=answer.body, location=answer.location)

    def release(self) -> None:
        """As if the key had never come."""
        self._row().delete()

    def _row(self) -> QuerySet[IdempotencyKey]:
        return IdempotencyKey.objects.filter(pk=self.row_id, claimed_at=self.since, status=None)


def claim(actor: str, key: str, digest: str) -> Claim | Answer:
    """The right to do the request of this digest, or what was answered when it was done.

    Raises KeyReused when the key came with another request, KeyInUse while the same is being answered.
    """
    now = datetime.now(UTC)
    try:
        with transaction.atomic():
            row = IdempotencyKey.objects.create(actor=actor, key=key, digest=digest, claimed_at=now)
        return Claim(row.pk, now)
    except IntegrityError:
        return _known(actor, key, digest, now)


def _known(actor: str, key: str, digest: str, now: datetime) -> Claim | Answer:
    row = IdempotencyKey.objects.filter(actor=actor, key=key).first()
    if row is None:  # it was released in between
        raise KeyInUse("A request with this Idempotency-Key has just failed. Nothing was changed; send it again.")
    if row.digest != digest:
        raise KeyReused(
            "This Idempotency-Key came with another request before. Nothing was changed; use a new one for this."
        )
    if row.status is not None:
        return Answer(status=row.status, body=row.body, location=row.location)
    stale = IdempotencyKey.objects.filter(pk=row.pk, status=None, claimed_at__lt=now - _LEASE)
    if stale.update(claimed_at=now):
        return Claim(row.pk, now)
    raise KeyInUse(
        "A request with this Idempotency-Key is being answered right now. This one changed nothing; send it again in a "
        "moment."
    )


def sweep_idempotency_keys() -> int:
    """Forget the keys that are old enough; how many."""
    deleted, _ = IdempotencyKey.objects.filter(claimed_at__lt=datetime.now(UTC) - KEPT_FOR).delete()
    return deleted


def forget_answers(conversation_ids: Collection[str]) -> None:
    """Drop the keys whose answers name one of these conversations: such an answer says who spoke, and of what."""
    answers = IdempotencyKey.objects.exclude(body="").values_list("pk", "body").iterator(chunk_size=500)
    naming = [key for key, body in answers if any(text in conversation_ids for text in _texts(orjson.loads(body)))]
    for key in naming:
        IdempotencyKey.objects.filter(pk=key).delete()


def _texts(value: Any) -> Iterator[str]:
    """All that stand in a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
