"""Examples are erased wherever they are, on request, and a receipt says so.

First everything is searched, and what is found is written down: the ids in ForgottenExample, the request as a pending
Erasure. Only then anything is removed, by those ids. So a run that was killed can be finished by the next one, and a
record that comes again, out of a queue or a backup, is left out.
"""

import logging
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from django.db import transaction
from django.db.models import QuerySet

from capture_app.conf import capture_settings
from capture_app.files import scratch_directory
from capture_app.live_database import lock_live_database
from capture_app.models import ExampleIndex, ForgottenExample
from capture_app.progress import Progress, silent
from capture_app.pseudonyms import pseudonym
from capture_app.put_aside import (
    Wanted,
    blobs_in_quarantine,
    erase_quarantined,
    erase_unfinished,
    erase_withheld,
)
from capture_app.requeue import alone
from capture_app.services import drain_captures, rotate_live_database
from training_archive.archive_set import archive_zips
from training_archive.blob_sweep import mark_blobs, sweep_marked_blobs
from training_archive.chunks import CHUNK_SUFFIX, chunk_name
from training_archive.conf import archive_settings
from training_archive.erasing import (
    Found,
    Selection,
    attached_file,
    find_in_live_database,
    find_in_table,
    rewrite_without,
)
from training_archive.locks import only_run
from training_archive.made_from import made_from
from training_archive.models import Erasure
from training_archive.receipts import Receipt, selector_hmac, write_receipt
from training_archive.records import remember_archive
from training_archive.sealed import sealed_files, sealed_folder
from training_archive.services.archive import archived_names, store_sealed_files
from training_archive.shipping.service import ship_archive
from training_archive.zip_archive import extract_chunk, list_chunks, open_zip

logger = logging.getLogger("training_archive")

# Keys of Erasure.progress: what was removed where.
_WAITING: Final = "live_and_sealed"
_CHUNKS: Final = "chunks"
_ELSEWHERE: Final = ("quarantine", "withheld", "blobs")
_IDS_AT_ONCE: Final = 900  # in one question to Django's database; SQLite may be built to take 999 at most


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetReport:
    """The requests that were finished: those that a killed run had left, and this one."""

    receipts: list[Receipt]
    paths: list[Path]  # of the receipts


@dataclass(slots=True)
class _Findings:
    """What a search found."""

    ids: set[str] = field(default_factory=set)
    blobs: set[str] = field(default_factory=set)
    waiting: int = 0  # examples in the live database and in sealed files
    chunks: Counter[str] = field(default_factory=Counter)  # chunk -> examples

    def add(self, found: Found, chunk: str | None = None) -> None:
        self.ids.update(found.ids)
        self.blobs |= found.blobs
        if not found.ids:
            return
        if chunk is None:
            self.waiting += len(found.ids)
        else:
            self.chunks[chunk] += len(found.ids)


def forget(
    *,
    by: str,
    user: str | None = None,
    conversation: str | None = None,
    ids: Sequence[str] = (),
    zip_path: Path | None = None,
    progress: Progress = silent,
) -> ForgetReport:
    """Erase the examples of a user or a conversation, or those with the ids, everywhere that Gleaner keeps them.

    That is: inbox, live database, sealed files, every chunk of every ZIP, quarantine, index, blobs that nobody else
    refers to, and the copies that were shipped. `by` says who asked. With no user, conversation or id, only what a
    killed run left is finished. A user is found under the pseudonym, too. Calls made after this began are not reached,
    nor is what another host still keeps for itself (run `forward_captures` there first).

    Raises ValueError for more than one kind of selector, ArchiveBusy while another run works, ArchiveError and others
    when something cannot be changed: the request is pending then, and running this again goes on.
    """
    selections = _selections(user, conversation, ids)
    zip_path = (zip_path or archive_settings().zip_path).resolve()
    with only_run(sealed_folder(), zip_path), alone():
        drain_captures(progress=progress)
        requests: list[tuple[Erasure, Selection | None]] = [(_request(asked, by), asked) for asked in selections]
        left = _pending().exclude(pk__in=[erasure.pk for erasure, _ in requests])
        requests = [*((erasure, None) for erasure in left), *requests]
        receipts = [_finish(erasure, selection, zip_path, progress) for erasure, selection in requests]
    return ForgetReport(receipts=receipts, paths=[Path(erasure.receipt) for erasure, _ in requests])


def _selections(user: str | None, conversation: str | None, ids: Sequence[str]) -> list[Selection]:
    found = [
        Selection("user", [user, pseudonym(user)] if user else []),
        Selection("conversation", [conversation] if conversation else []),
        Selection("id", list(ids)),
    ]
    given = [selection for selection in found if selection.values]
    if len(given) > 1 or "" in (user, conversation, *ids):
        raise ValueError("Name either a user, or a conversation, or ids, and nothing empty.")
    return given


def _pending() -> QuerySet[Erasure]:
    """Oldest first."""
    return Erasure.objects.filter(finished_at=None).order_by("requested_at")


def _request(selection: Selection, by: str) -> Erasure:
    """The request for this: the one that a killed run left pending, or a new one."""
    digest = selector_hmac(selection.kind, list(selection.values))
    pending = _pending().filter(kind=selection.kind, selector_hmac=digest).first()
    return pending or Erasure(
        id=f"forget-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}",
        kind=selection.kind,
        selector_hmac=digest,
        requested_by=by,
        requested_at=datetime.now(UTC),
    )


def _finish(erasure: Erasure, selection: Selection | None, zip_path: Path, progress: Progress) -> Receipt:
    """Search, write down, remove, and say so. Each step may be repeated.

    Two things come before the ids are written down. Blobs are marked, because an archive run leaves out what is written
    down, and nobody would find any more what it referred to. What was put aside is erased, because a run that finishes
    this one knows the ids, and not whose records they are.
    """
    known = _known_ids(erasure)
    asked = [each for each in (selection, Selection("id", known)) if each and each.values]
    findings = _search(asked, zip_path, progress)
    _erase_put_aside(erasure, findings, _wanted(selection, [*findings.ids, *known]))
    _write_down(erasure, findings)
    ids = _known_ids(erasure)
    _remove_from_archive(findings, ids, zip_path, progress)
    _remove_from_index(ids)
    _count(erasure, "blobs", sweep_marked_blobs(zip_path, progress))
    erasure.save(update_fields=["progress"])
    shipped_to = _ship(zip_path, progress)
    if selection and selection.kind == "id":  # one that was not found may still wait in a queue elsewhere
        _remember_forgotten(erasure, selection.values)
    return _close(erasure, ids, shipped_to)


def _ship(zip_path: Path, progress: Progress) -> str:
    """Replace the shipped copies; the storage's alias, "" when nothing is shipped."""
    if not archive_settings().ship_to:
        return ""
    return ship_archive(zip_path=zip_path, allow_empty=True, progress=progress).storage


def _known_ids(erasure: Erasure) -> list[str]:
    """What was written down for this request."""
    return list(ForgottenExample.objects.filter(erasure=erasure.pk).values_list("pk", flat=True))


# --- Searching -------------------------------------------------------------------------------------------------------


def _search(selections: Sequence[Selection], zip_path: Path, progress: Progress) -> _Findings:
    findings = _Findings()
    for selection in selections:
        findings.add(find_in_live_database(capture_settings().live_database, selection))
        with scratch_directory(capture_settings().data_dir) as scratch:
            for sealed in sealed_files():
                findings.add(_find_in_file(sealed, selection, scratch))
            for path in archive_zips(zip_path):
                _search_zip(path, selection, findings, scratch, progress)
    return findings


def _search_zip(path: Path, selection: Selection, findings: _Findings, scratch: Path, progress: Progress) -> None:
    with open_zip(path) as archive:
        for member in list_chunks(archive):
            chunk = extract_chunk(archive, member, scratch, progress)
            findings.add(_find_in_file(chunk, selection, scratch), member.name)
            chunk.unlink()


def _find_in_file(path: Path, selection: Selection, scratch: Path) -> Found:
    with attached_file(path, scratch) as (connection, table):
        return find_in_table(connection, table, selection)


def _write_down(erasure: Erasure, findings: _Findings) -> None:
    """Keep what was found before any of it is removed. What a killed run had found already counts once."""
    known = set(_known_ids(erasure))
    waiting = max(erasure.progress.get(_WAITING, 0), findings.waiting)
    chunks = Counter(erasure.progress.get(_CHUNKS, {})) | findings.chunks  # the larger count of each
    erasure.examples += len(findings.ids - known)
    erasure.progress = {**erasure.progress, _WAITING: waiting, _CHUNKS: dict(chunks)}
    with transaction.atomic():
        erasure.save()
        _remember_forgotten(erasure, sorted(findings.ids - known))


def _remember_forgotten(erasure: Erasure, ids: Sequence[str]) -> None:
    rows = [ForgottenExample(pk=example_id, erasure=erasure.pk) for example_id in ids]
    ForgottenExample.objects.bulk_create(
        rows, batch_size=_IDS_AT_ONCE, update_conflicts=True, unique_fields=["id"], update_fields=["erasure"]
    )


# --- Removing --------------------------------------------------------------------------------------------------------


def _remove_from_archive(findings: _Findings, ids: list[str], zip_path: Path, progress: Progress) -> None:
    """What is live or sealed becomes a chunk without them, as an archive run has it; the ZIPs are rewritten."""
    if findings.waiting:
        taken = archived_names(zip_path).union(path.stem for path in sealed_files())
        sealed = sealed_folder() / (chunk_name(datetime.now(UTC), taken) + CHUNK_SUFFIX)
        rotate_live_database(db_path=capture_settings().live_database, sealed=sealed)
        store_sealed_files(sealed_folder(), zip_path, progress=progress)
    for path in archive_zips(zip_path) if findings.chunks else []:
        with scratch_directory(capture_settings().data_dir) as scratch:
            rewrite_without(
                path,
                ids,
                findings.chunks,
                scratch=scratch,
                compresslevel=archive_settings().compresslevel,
                progress=progress,
            )
    remember_archive(zip_path)


def _remove_from_index(ids: Sequence[str]) -> None:
    for start in range(0, len(ids), _IDS_AT_ONCE):
        ExampleIndex.objects.filter(pk__in=ids[start : start + _IDS_AT_ONCE]).delete()


def _wanted(selection: Selection | None, ids: Sequence[str]) -> Wanted:
    values = selection.values if selection else []
    return Wanted(
        ids={*ids, *(values if selection and selection.kind == "id" else [])},
        users=values if selection and selection.kind == "user" else [],
        conversations=values if selection and selection.kind == "conversation" else [],
    )


def _erase_put_aside(erasure: Erasure, findings: _Findings, wanted: Wanted) -> None:
    data_dir = capture_settings().data_dir
    mark_blobs(findings.blobs | blobs_in_quarantine(data_dir, wanted))
    _count(erasure, "quarantine", erase_quarantined(data_dir, wanted))
    _count(erasure, "withheld", erase_withheld(data_dir, wanted))
    with lock_live_database(capture_settings().live_database):  # who quarantines holds it
        erase_unfinished(data_dir, wanted)


def _count(erasure: Erasure, place: str, removed: int) -> None:
    """Add to what was removed from a place that is not searched beforehand. It is saved with what comes next."""
    if removed:
        erasure.progress[place] = erasure.progress.get(place, 0) + removed


# --- The receipt -----------------------------------------------------------------------------------------------------


def _close(erasure: Erasure, ids: Sequence[str], shipped_to: str) -> Receipt:
    progress = erasure.progress
    erasure.finished_at = datetime.now(UTC)
    receipt = Receipt(
        id=erasure.pk,
        kind=erasure.kind,
        selector_hmac=erasure.selector_hmac,
        requested_by=erasure.requested_by,
        requested_at=erasure.requested_at.isoformat(),
        finished_at=erasure.finished_at.isoformat(),
        examples=erasure.examples,
        removed={place: progress.get(place, 0) for place in (_WAITING, *_ELSEWHERE)},
        chunks=progress.get(_CHUNKS, {}),
        shipped_to=shipped_to,
        made_from_them=[asdict(found) for found in made_from(ids)],
    )
    erasure.receipt = str(write_receipt(receipt))
    erasure.save()
    logger.info("Forgot %d examples; the receipt is %s.", erasure.examples, erasure.receipt)
    return receipt
