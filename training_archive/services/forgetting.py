"""Examples are erased wherever they are, on request, and a receipt says so.

First everything is searched, and what is found is written down: the ids in ForgottenExample, the request as a pending
Erasure. Only then anything is removed, by those ids. So a run that was killed can be finished by the next one, and a
record that comes again, out of a queue or a backup, is left out.
"""

import logging
import uuid
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
from cryptography.fernet import InvalidToken
from django.db import transaction
from django.db.models import QuerySet

from capture_app.conf import capture_settings
from capture_app.files import scratch_directory
from capture_app.judgments import erase_judgments
from capture_app.live_database import lock_live_database
from capture_app.models import ExampleIndex, ForgottenCorrection, ForgottenExample
from capture_app.progress import Progress, silent
from capture_app.pseudonyms import pseudonym
from capture_app.put_aside import (
    Wanted,
    blobs_in_quarantine,
    erase_quarantined,
    erase_unfinished,
    erase_withheld,
    ids_put_aside,
)
from capture_app.requeue import alone
from capture_app.services import drain_captures, rotate_live_database
from capture_app.withheld import cipher
from capture_app.wording import counted
from training_archive.blob_sweep import mark_blobs, sweep_marked_blobs
from training_archive.chunks import CHUNK_SUFFIX, chunk_name
from training_archive.cold.forgetting import ColdFindings, ColdStorageUnreached, erase_in_cold, search_cold
from training_archive.conf import archive_settings
from training_archive.copies import erase_copies, places, said_again
from training_archive.dated_names import archive_zips
from training_archive.erasing import (
    Found,
    Selection,
    attached_file,
    find_in_live_database,
    find_in_table,
    rewrite_without,
)
from training_archive.exceptions import ArchiveError
from training_archive.locks import only_run
from training_archive.made_from import made_from
from training_archive.models import Erasure
from training_archive.receipts import Receipt, selector_hmac, write_receipt
from training_archive.records import missing_chunks, remember_change
from training_archive.sealed import sealed_files, sealed_folder
from training_archive.services.archive import archived_names, store_sealed_files
from training_archive.shipping.service import ship_archive
from training_archive.zip_archive import extract_chunk, list_all_chunks, open_zip

logger = logging.getLogger("training_archive")

# Keys of Erasure.progress: what was removed where, and what is still to be done.
_WAITING: Final = "live_and_sealed"
_CHUNKS: Final = "chunks"
_SELECTOR: Final = "selector"  # what was asked for, sealed, until the request is finished
_ELSEWHERE: Final = ("quarantine", "withheld", "judgments", "blobs")
_IDS_AT_ONCE: Final = 900  # in one question to Django's database; SQLite may be built to take 999 at most


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetReport:
    """The requests that were finished: those that a killed run had left, and this one."""

    receipts: list[Receipt]
    paths: list[Path]  # of the receipts
    found: int | None = None  # in a dry run: examples that would be erased


@dataclass(slots=True)
class _Findings:
    """What a search found."""

    ids: set[str] = field(default_factory=set)
    blobs: set[str] = field(default_factory=set)
    contents: dict[str, tuple[str, str]] = field(default_factory=dict)  # see erasing.Found
    corrections: dict[str, set[str]] = field(default_factory=dict)  # likewise
    waiting: int = 0  # examples in the live database and in sealed files
    chunks: Counter[str] = field(default_factory=Counter)  # chunk -> examples
    zips_searched: int = 0
    chunks_searched: int = 0
    cold: ColdFindings = field(default_factory=ColdFindings)

    @property
    def searched(self) -> dict[str, int]:
        """For the receipt."""
        found = {"zips": self.zips_searched, "chunks": self.chunks_searched + self.cold.chunks_searched}
        return {**found, "parts in cold storage": self.cold.parts_searched} if self.cold.parts_searched else found

    def add(self, found: Found, chunk: str | None = None) -> None:
        self.ids.update(found.ids)
        self.blobs |= found.blobs
        self.contents |= found.contents
        for example_id, hashes in found.corrections.items():
            self.corrections.setdefault(example_id, set()).update(hashes)
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
    dry_run: bool = False,
    progress: Progress = silent,
) -> ForgetReport:
    """Erase the examples of a user or a conversation, or those with the ids, everywhere that Gleaner keeps them.

    That is: inbox, live database, sealed files, every chunk of every ZIP, here and in cold storage, quarantine, index,
    what people said of them, blobs that nobody else refers to, copies that other apps keep, and those that were
    shipped; and other examples that say the same again, see `copies`. `by` says who asked. With no user, conversation
    or id, only what a killed run left is finished. A user is found under the pseudonym, too. Calls made after this run
    began are not reached (the run that finishes what a killed one left searches anew), nor is what another host still
    keeps for itself (run `forward_captures` there first). With `dry_run` it only counts.

    Raises ValueError for more than one kind of selector, ArchiveBusy while another run works, ArchiveError and others
    when something cannot be changed: the request is pending then, and running this again goes on. ColdStorageUnreached
    says that only what is in cold storage is still to be erased.
    """
    selection = _selection(user, conversation, ids)
    _refuse_no_archive(zip_path)
    zip_path = (zip_path or archive_settings().zip_path).resolve()
    with only_run(sealed_folder(), zip_path), alone():
        drain_captures(progress=progress)
        _refuse_incomplete(zip_path)
        if dry_run:
            return ForgetReport(receipts=[], paths=[], found=_count_found(selection, zip_path, progress))
        own = [_request(selection, by)] if selection else []
        left = _pending().exclude(pk__in=[erasure.pk for erasure in own])
        requests = [*left, *own]
        receipts = _finish_all(requests, zip_path, progress)
    return ForgetReport(receipts=receipts, paths=[Path(erasure.receipt) for erasure in requests])


def _count_found(selection: Selection | None, zip_path: Path, progress: Progress) -> int:
    if selection is None:
        return 0
    findings = _search_all(selection, zip_path, progress)[1]
    if findings.cold.problem:
        raise ColdStorageUnreached(f"Cold storage could not be searched: {findings.cold.problem} Nothing was changed.")
    return len(findings.ids)


def _finish_all(requests: Sequence[Erasure], zip_path: Path, progress: Progress) -> list[Receipt]:
    """A request that waits for cold storage keeps no other one waiting; it is told at the end."""
    receipts, unreached = [], None
    for erasure in requests:
        try:
            receipts.append(_finish(erasure, zip_path, progress))
        except ColdStorageUnreached as error:
            unreached = error
    if unreached:
        raise unreached
    return receipts


def _refuse_no_archive(zip_path: Path | None) -> None:
    if zip_path and not archive_zips(zip_path):
        raise ArchiveError(f"There is no archive at {zip_path}. Nothing was changed; check --zip-path.")


def _refuse_incomplete(zip_path: Path) -> None:
    """What cannot be searched cannot be said to be forgotten."""
    missing = sorted(missing_chunks(zip_path))
    if missing:
        raise ArchiveError(
            f"The archive at {zip_path} lacks {counted(len(missing), 'chunk')} that should be there, {missing[0]} "
            "among them, and what is in them could not be forgotten. Nothing was changed. Mount the disk or put the "
            "ZIPs back; if they are gone for good, `manage.py rebuild_example_index` takes note of it."
        )


def _selection(user: str | None, conversation: str | None, ids: Sequence[str]) -> Selection | None:
    found = [
        Selection("user", [user, pseudonym(user)] if user else []),
        Selection("conversation", [conversation] if conversation else []),
        Selection("id", list(ids)),
    ]
    given = [selection for selection in found if selection.values]
    if len(given) > 1 or "" in (user, conversation, *ids):
        raise ValueError("Name either a user, or a conversation, or ids, and nothing empty.")
    return given[0] if given else None


def _pending() -> QuerySet[Erasure]:
    """Oldest first."""
    return Erasure.objects.filter(finished_at=None).order_by("requested_at")


def _request(selection: Selection, by: str) -> Erasure:
    """The request for this, pending from now on: the one that a killed run left, or a new one.

    Until it is finished it keeps what was asked for, sealed.
    """
    digest = selector_hmac(selection.kind, list(selection.values))
    pending = _pending().filter(kind=selection.kind, selector_hmac=digest).first()
    if pending:
        return pending
    sealed = cipher().encrypt(orjson.dumps(list(selection.values))).decode()
    return Erasure.objects.create(
        id=f"forget-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}",
        kind=selection.kind,
        selector_hmac=digest,
        requested_by=by,
        requested_at=datetime.now(UTC),
        progress={_SELECTOR: sealed},
    )


def _selection_of(erasure: Erasure) -> Selection:
    """What it asks for, and what a killed run had written down for it."""
    try:
        values = orjson.loads(cipher().decrypt(erasure.progress[_SELECTOR].encode()))
    except InvalidToken as error:
        raise ArchiveError(
            f"What the pending request {erasure.pk} asks for cannot be read: SECRET_KEY is another one now. Nothing "
            "was changed. Put the old key into SECRET_KEY_FALLBACKS and run this again."
        ) from error
    return Selection(erasure.kind, values, ids=_known_ids(erasure))


def _finish(erasure: Erasure, zip_path: Path, progress: Progress) -> Receipt:
    """Search, write down, remove, and say so. Each step may be repeated.

    Blobs are marked before the ids are written down, because an archive run leaves out what is written down, and nobody
    would find any more what it referred to. Judgments go as soon as the ids are: from then on no new one comes.
    """
    selection, findings = _search_all(_selection_of(erasure), zip_path, progress)
    wanted = _wanted(selection, findings.ids)
    mark_blobs(findings.blobs | blobs_in_quarantine(capture_settings().data_dir, wanted))
    _write_down(erasure, findings, selection, wanted)
    _erase_put_aside(erasure, wanted)
    ids = _known_ids(erasure)
    _erase_judgments(erasure, ids)
    _erase_copies(erasure, replace(wanted, ids={*wanted.ids, *ids}))
    _remove_from_archive(findings, ids, zip_path, progress)
    _remove_from_index(ids)
    _count(erasure, "blobs", sweep_marked_blobs(zip_path, progress))
    erasure.save(update_fields=["progress"])
    shipped_to = _ship(zip_path, progress)
    erase_in_cold(zip_path, findings.cold, ids, progress)
    return _close(erasure, ids, findings, shipped_to)


def _ship(zip_path: Path, progress: Progress) -> str:
    """Replace the shipped copies; the storage's alias, "" when nothing is shipped."""
    if not archive_settings().ship_to:
        return ""
    return ship_archive(zip_path=zip_path, progress=progress).storage


def _found_before(erasure: Erasure) -> set[str]:
    """By runs that did not finish; what they were only asked for may be found later, where they could not look."""
    found = ForgottenExample.objects.filter(erasure=erasure.pk).exclude(content_hmac="")
    return set(found.values_list("pk", flat=True))


def _known_ids(erasure: Erasure) -> list[str]:
    """What was written down for this request."""
    return list(ForgottenExample.objects.filter(erasure=erasure.pk).values_list("pk", flat=True))


# --- Searching -------------------------------------------------------------------------------------------------------


def _search_all(selection: Selection, zip_path: Path, progress: Progress) -> tuple[Selection, _Findings]:
    """Search for those that are meant, and once more if others say the same again: then they are meant, too."""
    findings = _search(selection, zip_path, progress)
    others = said_again(_wanted(selection, findings.ids)) - findings.ids
    if not others:
        return selection, findings
    selection = replace(selection, ids=[*selection.ids, *sorted(others)])
    return selection, _search(selection, zip_path, progress)


def _search(selection: Selection, zip_path: Path, progress: Progress) -> _Findings:
    findings = _Findings()
    findings.add(find_in_live_database(capture_settings().live_database, selection))
    with scratch_directory(capture_settings().data_dir) as scratch:
        for sealed in sealed_files():
            findings.add(_find_in_file(sealed, selection, scratch))
        for path in archive_zips(zip_path):
            _search_zip(path, selection, findings, scratch, progress)

        def look(chunk: Path, name: str) -> bool:
            found = _find_in_file(chunk, selection, scratch)
            findings.add(found, name)
            return bool(found.ids)

        findings.cold = search_cold(zip_path, look, scratch, progress)
    return findings


def _search_zip(path: Path, selection: Selection, findings: _Findings, scratch: Path, progress: Progress) -> None:
    findings.zips_searched += 1
    with open_zip(path) as archive:
        for member in list_all_chunks(archive):
            findings.chunks_searched += 1
            chunk = extract_chunk(archive, member, scratch, progress)
            findings.add(_find_in_file(chunk, selection, scratch), member.name)
            chunk.unlink()


def _find_in_file(path: Path, selection: Selection, scratch: Path) -> Found:
    with attached_file(path, scratch) as (connection, table):
        return find_in_table(connection, table, selection)


def _write_down(erasure: Erasure, findings: _Findings, selection: Selection, wanted: Wanted) -> None:
    """Keep what was found before any of it is removed. What a killed run had found already counts once.

    Ids that were asked for are kept even if they were not found: a record may still wait in a queue elsewhere. Those of
    records put aside are, too: of them nothing else stays, but people may have judged what they hold.
    """
    known = _found_before(erasure)
    waiting = max(erasure.progress.get(_WAITING, 0), findings.waiting)
    chunks = Counter(erasure.progress.get(_CHUNKS, {})) | findings.chunks  # the larger count of each
    erasure.examples += len(findings.ids - known)
    erasure.progress = {**erasure.progress, _WAITING: waiting, _CHUNKS: dict(chunks)}
    with transaction.atomic():
        erasure.save()
        asked_for = {*selection.ids, *(selection.values if selection.kind == "id" else ())}
        aside = ids_put_aside(capture_settings().data_dir, wanted)
        _remember_forgotten(erasure, sorted((findings.ids | asked_for | aside) - known), findings)


def _remember_forgotten(erasure: Erasure, ids: Sequence[str], findings: _Findings) -> None:
    """With the hashes of what they held. Those of one that is not found this time stay as they were."""
    contents = findings.contents
    others = [ForgottenExample(pk=example_id, erasure=erasure.pk) for example_id in ids if example_id not in contents]
    found = [
        ForgottenExample(pk=key, erasure=erasure.pk, content_hmac=contents[key][0], corrected_hmac=contents[key][1])
        for key in ids
        if key in contents
    ]
    for rows, update in ((others, ["erasure"]), (found, ["erasure", "content_hmac", "corrected_hmac"])):
        ForgottenExample.objects.bulk_create(
            rows, batch_size=_IDS_AT_ONCE, update_conflicts=True, unique_fields=["id"], update_fields=update
        )
    corrected = [(key, each) for key in ids for each in sorted(findings.corrections.get(key, ()))]
    ForgottenCorrection.objects.bulk_create(
        [ForgottenCorrection(example_id=key, content_hmac=each) for key, each in corrected],
        batch_size=_IDS_AT_ONCE,
        ignore_conflicts=True,
    )


# --- Removing --------------------------------------------------------------------------------------------------------


def _remove_from_archive(findings: _Findings, ids: list[str], zip_path: Path, progress: Progress) -> None:
    """What is live or sealed becomes a chunk without them, as an archive run has it; the ZIPs are rewritten."""
    if findings.waiting:
        taken = {*archived_names(zip_path), *(path.stem for path in sealed_files())}
        sealed = sealed_folder() / (chunk_name(datetime.now(UTC), taken) + CHUNK_SUFFIX)
        rotate_live_database(db_path=capture_settings().live_database, sealed=sealed)
        store_sealed_files(sealed_folder(), zip_path, progress=progress)
    for path in archive_zips(zip_path) if findings.chunks else []:
        with scratch_directory(capture_settings().data_dir) as scratch:
            rewrite_without(
                path,
                ids,
                findings.chunks,
                zip_path=zip_path,
                scratch=scratch,
                compresslevel=archive_settings().compresslevel,
                progress=progress,
            )
    remember_change(zip_path)


def _erase_judgments(erasure: Erasure, ids: Sequence[str]) -> None:
    _count(erasure, "judgments", erase_judgments(ids))
    erasure.save(update_fields=["progress"])


def _erase_copies(erasure: Erasure, wanted: Wanted) -> None:
    for place, removed in erase_copies(wanted).items():
        _count(erasure, place, removed)
    erasure.save(update_fields=["progress"])


def _remove_from_index(ids: Sequence[str]) -> None:
    for start in range(0, len(ids), _IDS_AT_ONCE):
        ExampleIndex.objects.filter(pk__in=ids[start : start + _IDS_AT_ONCE]).delete()


def _wanted(selection: Selection, found: Collection[str]) -> Wanted:
    return Wanted(
        ids={*found, *selection.ids, *(selection.values if selection.kind == "id" else [])},
        users=selection.values if selection.kind == "user" else [],
        conversations=selection.values if selection.kind == "conversation" else [],
    )


def _erase_put_aside(erasure: Erasure, wanted: Wanted) -> None:
    data_dir = capture_settings().data_dir
    _count(erasure, "quarantine", erase_quarantined(data_dir, wanted))
    _count(erasure, "withheld", erase_withheld(data_dir, wanted))
    with lock_live_database(capture_settings().live_database):  # who quarantines holds it
        erase_unfinished(data_dir, wanted)


def _count(erasure: Erasure, place: str, removed: int) -> None:
    """Add to what was removed from a place that is not searched beforehand. It is saved with what comes next."""
    if removed:
        erasure.progress[place] = erasure.progress.get(place, 0) + removed


# --- The receipt -----------------------------------------------------------------------------------------------------


def _close(erasure: Erasure, ids: Sequence[str], findings: _Findings, shipped_to: str) -> Receipt:
    progress = erasure.progress
    del progress[_SELECTOR]
    erasure.finished_at = datetime.now(UTC)
    receipt = Receipt(
        id=erasure.pk,
        kind=erasure.kind,
        selector_hmac=erasure.selector_hmac,
        requested_by=erasure.requested_by,
        requested_at=erasure.requested_at.isoformat(),
        finished_at=erasure.finished_at.isoformat(),
        searched=findings.searched,
        examples=erasure.examples,
        removed={place: progress.get(place, 0) for place in (_WAITING, *_ELSEWHERE, *places())},
        chunks=progress.get(_CHUNKS, {}),
        shipped_to=shipped_to,
        made_from_them=[asdict(found) for found in made_from(ids)],
    )
    erasure.receipt = str(write_receipt(receipt))
    erasure.save()
    logger.info("Forgot %d examples; the receipt is %s.", erasure.examples, erasure.receipt)
    return receipt
