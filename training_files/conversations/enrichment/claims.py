"""Who is enriching a conversation: each run writes its mark on it, and one that finds another's there lets go of it.

A run on this machine is alive as long as its scratch folder is: the next run removes those of runs that were killed. Of
one elsewhere, only the time is known at which it last worked on the conversation.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from socket import gethostname
from typing import Final

from capture_app.conf import capture_settings
from capture_app.files import scratch_directory
from training_files.models import Conversation

_LEFT_AFTER: Final = timedelta(minutes=15)  # longer than a model takes for an answer

RUNNING: Final = Conversation.Enrichment.RUNNING


@contextmanager
def running() -> Iterator[str]:
    """The mark of a run that lasts as long as the block."""
    with scratch_directory(capture_settings().data_dir) as folder:
        yield f"{gethostname()}:{folder.name}"


def is_held(row: Conversation) -> bool:
    """Whether a run that seems alive is at work on it. To be asked within `running`, which clears away the dead."""
    if row.enrichment_status != RUNNING:
        return False
    host, _, name = row.enricher.rpartition(":")
    if host == gethostname():
        return (capture_settings().data_dir / "tmp" / name).is_dir()
    return datetime.now(UTC) - row.updated_at < _LEFT_AFTER


def claim(row: Conversation, mark: str) -> bool:
    """Begin to work on it. False: somebody else has just done so."""
    as_seen = Conversation.objects.filter(
        pk=row.pk, enrichment_status=row.enrichment_status, enricher=row.enricher, sha256=row.sha256
    )
    now = datetime.now(UTC)
    return bool(as_seen.update(enrichment_status=RUNNING, enrichment_problem="", enricher=mark, updated_at=now))


def keep_hold(conversation_id: str, mark: str) -> bool:
    """Say that work goes on. False: somebody else took it over, it came anew meanwhile, or it is gone."""
    held = Conversation.objects.filter(pk=conversation_id, enrichment_status=RUNNING, enricher=mark)
    return bool(held.update(updated_at=datetime.now(UTC)))


def let_fail(conversation_id: str, mark: str, problem: str) -> None:
    held = Conversation.objects.filter(pk=conversation_id, enrichment_status=RUNNING, enricher=mark)
    held.update(
        enrichment_status=Conversation.Enrichment.FAILED, enrichment_problem=problem, updated_at=datetime.now(UTC)
    )


def let_wait(conversation_id: str, mark: str, problem: str) -> None:
    """It waits as before, and says why. What was answered so far is kept."""
    held = Conversation.objects.filter(pk=conversation_id, enrichment_status=RUNNING, enricher=mark)
    held.update(
        enrichment_status=Conversation.Enrichment.PENDING,
        enrichment_problem=problem,
        enricher="",
        updated_at=datetime.now(UTC),
    )
