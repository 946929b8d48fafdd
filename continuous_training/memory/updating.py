"""Exchanges become memories: summarised, embedded and stored, the oldest first, each once.

What is in Memory is done, so a run that was killed is gone on with by the next one. An exchange that a model summarises
is stored before the next is begun, and what was paid for is lost at most once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from capture_app.exceptions import BudgetSpent
from capture_app.jobs import job, only_run
from capture_app.progress import Progress, silent
from continuous_training.memory.embedders import get_embedder
from continuous_training.memory.exchanges import Exchange, read_exchanges, unseen
from continuous_training.memory.forgetting import forget_forgotten
from continuous_training.memory.late import forget_late_repetitions
from continuous_training.memory.settings import memory_settings
from continuous_training.memory.summaries import NoSummary, asks_model, extracted, said_by_model
from continuous_training.memory.vectors import to_bytes
from continuous_training.models import Memory, Repetition
from training_archive.conf import archive_settings
from training_archive.records import missing_chunks

JOB: Final = "memories"

_EXAMPLES_AT_ONCE: Final = 5000  # read in one pass, each with a few thousand characters
_STORED_AT_ONCE: Final = 64  # which cost nothing to do again
_FAILURES_IN_A_ROW: Final = 3  # of a model that cannot be asked, after which a run ends
_PATIENCE: Final = timedelta(days=1)  # then its first words do, or what no model takes would stop all behind it


@dataclass(slots=True, kw_only=True)
class MemoryReport:
    """What a run did."""

    remembered: int = 0
    passed_over: int = 0  # examples with nothing to remember: no words, no user, or a call of our own
    failed: int = 0  # left to the next run, for the model could not be asked
    embedded_anew: int = 0  # with another embedder than before
    dropped: int = 0  # older than they are kept
    forgotten: int = 0  # examples that repeat what was forgotten
    stopped: str = ""  # why the run ended before all were done


class _Stop(Exception):
    """The others wait for the next run."""


def update_memories(*, limit: int | None = None, progress: Progress = silent) -> MemoryReport:
    """Remember the exchanges of users that were drained since the last run, `limit` examples at most.

    Raises JobBusy while another run is at work on this host, EmbeddingFailed, and CaptureErrors and ArchiveErrors when
    examples cannot be read; what was stored before stays.
    """
    report = MemoryReport()
    with only_run(JOB), job(JOB) as run:
        run.started()
        report.forgotten = forget_late_repetitions()
        report.dropped = _drop_old()
        report.embedded_anew = _embed_anew(progress)
        try:
            _remember_unseen(limit, report, progress)
        except _Stop as stop:
            report.stopped = str(stop)
        run.rows = report.remembered
    return report


def _drop_old() -> int:
    """What is a mark only goes, too: an exchange of that age is not looked at again."""
    old = Memory.objects.filter(created_at__lt=datetime.now(UTC) - memory_settings().lifetime)
    dropped = old.exclude(summary="").count()
    old.delete()
    return dropped


def _embed_anew(progress: Progress) -> int:
    """What another embedder had embedded; until that is done it is not recalled."""
    name = get_embedder().name
    others = Memory.objects.exclude(summary="").exclude(embedder=name)
    done = 0
    while rows := list(others.order_by("pk")[:_STORED_AT_ONCE]):
        progress("embedding anew", done, 0)
        vectors = get_embedder().embed([row.summary for row in rows])
        for row, vector in zip(rows, vectors, strict=True):
            # No save(): it would bring back what was erased meanwhile.
            Memory.objects.filter(pk=row.pk).update(embedding=to_bytes(vector), embedder=name)
        done += len(rows)
    return done


def _remember_unseen(limit: int | None, report: MemoryReport, progress: Progress) -> None:
    after, seen = None, 0
    while limit is None or seen < limit:
        most = _EXAMPLES_AT_ONCE if limit is None else min(_EXAMPLES_AT_ONCE, limit - seen)
        page = unseen(after, most)
        if not page:
            return
        exchanges = read_exchanges([example_id for _, example_id in page], progress)
        _mark_lost(page, exchanges)
        _note_repetitions(exchanges)
        _pass_over([each for each in exchanges if not each.is_worth_it], report)
        _remember([each for each in exchanges if each.is_worth_it], report, progress)
        after, seen = page[-1], seen + len(page)


def _mark_lost(page: Sequence[tuple[datetime, str]], exchanges: Sequence[Exchange]) -> None:
    """Whose text is gone is not looked for again, for that means to unpack the archive; unless some of that is away."""
    found = {each.example_id for each in exchanges}
    lost = [Memory(pk=example_id, created_at=moment) for moment, example_id in page if example_id not in found]
    if lost and not missing_chunks(archive_settings().zip_path.resolve()):
        _store(lost)


def _note_repetitions(exchanges: Sequence[Exchange]) -> None:
    repetitions = [
        Repetition(example_id=each.example_id, of_example_id=repeated)
        for each in exchanges
        for repeated in each.repeats
    ]
    Repetition.objects.bulk_create(repetitions, ignore_conflicts=True, batch_size=_STORED_AT_ONCE)


def _pass_over(exchanges: Sequence[Exchange], report: MemoryReport) -> None:
    """A row that remembers nothing says that they were looked at."""
    _store([_row(each) for each in exchanges])
    report.passed_over += len(exchanges)


def _remember(exchanges: Sequence[Exchange], report: MemoryReport, progress: Progress) -> None:
    summarised, at_once = (_said(exchanges, report), 1) if asks_model() else (_extracted(exchanges), _STORED_AT_ONCE)
    done = 0
    while some := list(islice(summarised, at_once)):
        vectors = get_embedder().embed([summary for _, summary in some])
        name = get_embedder().name
        rows = [
            _row(exchange, summary=summary, embedding=to_bytes(vector), embedder=name)
            for (exchange, summary), vector in zip(some, vectors, strict=True)
        ]
        report.remembered += _store(rows)
        done += len(some)
        progress("remembering exchanges", done, len(exchanges))


def _extracted(exchanges: Sequence[Exchange]) -> Iterator[tuple[Exchange, str]]:
    return ((exchange, extracted(exchange)) for exchange in exchanges)


def _said(exchanges: Sequence[Exchange], report: MemoryReport) -> Iterator[tuple[Exchange, str]]:
    failures = 0
    for exchange in exchanges:
        try:
            summary = said_by_model(exchange)
        except BudgetSpent as spent:
            raise _Stop(str(spent)) from spent
        except NoSummary as error:
            failures += 1
            if exchange.created_at < datetime.now(UTC) - _PATIENCE:
                yield exchange, extracted(exchange)
            else:
                report.failed += 1
            if failures == _FAILURES_IN_A_ROW:
                raise _Stop(str(error)) from error
        else:
            failures = 0
            yield exchange, summary


def _row(exchange: Exchange, *, summary: str = "", embedding: bytes = b"", embedder: str = "") -> Memory:
    return Memory(
        example_id=exchange.example_id,
        user_id=exchange.user_id,
        conversation_id=exchange.conversation_id,
        summary=summary,
        embedding=embedding,
        embedder=embedder,
        created_at=exchange.created_at,
    )


def _store(rows: Sequence[Memory]) -> int:
    """How many of them stay."""
    Memory.objects.bulk_create(rows, ignore_conflicts=True, batch_size=_STORED_AT_ONCE)
    return len(rows) - len(forget_forgotten([row.pk for row in rows]))
