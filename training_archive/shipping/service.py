"""Shipping: the storage gets what it lacks, then the manifest that names it, and only then loses what is not named.

The set of ZIPs is opened at one moment and read through those descriptors, so appends, roll-overs and erasures that
happen meanwhile change nothing of what is shipped; the next run ships them. In the storage the order is this: ZIPs of
new names; a manifest that names them beside the old ones; ZIPs that change; the manifest; deletions. A reader who takes
what a manifest names therefore misses no chunk, whenever it looks and wherever a run was killed; at worst it finds an
object newer than the manifest says, notices, and asks again.
"""

import logging
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from capture_app.conf import capture_settings
from capture_app.exceptions import JobBusy
from capture_app.files import scratch_directory
from capture_app.jobs import describe, job, only_run
from capture_app.models import Job
from capture_app.progress import Progress, silent
from capture_app.wording import counted
from training_archive.archive_set import open_archive
from training_archive.chunks import is_chunk_name
from training_archive.conf import archive_settings
from training_archive.dated_names import archive_zips
from training_archive.exceptions import ArchiveDamaged
from training_archive.removed_blobs import forget_noted_blobs, removed_blobs
from training_archive.removed_chunks import forget_noted, removed_chunks
from training_archive.shipping.blob_lists import BlobListing
from training_archive.shipping.blob_shipping import BlobShipment
from training_archive.shipping.exceptions import ManifestRefused, NotInStorage, SetChanged, ShippingError
from training_archive.shipping.manifest import Manifest, Names, ShippedBlobs, ShippedFile, Unsettled
from training_archive.shipping.reading import read_listing, read_manifest
from training_archive.shipping.removal import Removal, chunks_in
from training_archive.shipping.sources import Fingerprint, Source
from training_archive.shipping.stores import open_store
from training_archive.shipping.stores.base import Store
from training_archive.zip_archive import list_chunks, read_sidecar

logger = logging.getLogger("training_archive")

SHIP: Final = "ship"
_FINGERPRINTS: Final = "fingerprints"  # key of the job's notes
_NOTHING: Final[Mapping[str, Any]] = {
    **{key: [] for key in ("zips", "sent", "deleted", "damaged_blobs")},
    **dict.fromkeys(("blobs", "blobs_sent", "blobs_deleted", "missing_blobs"), 0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipReport:
    """What one run of shipping did."""

    storage: str  # its alias
    zips: list[str]  # the set, oldest first
    sent: list[str]  # those that the storage lacked, or had otherwise
    deleted: list[str]  # ZIPs there that are no longer in the set
    blobs: int
    blobs_sent: int
    blobs_deleted: int
    damaged_blobs: list[str]  # here: their content is not what their name says; not shipped
    missing_blobs: int  # not here, though nobody removed them; the copy keeps them
    bytes_sent: int  # over the network, or into the folder
    seconds: float


@dataclass(frozen=True, slots=True)
class _Zip:
    """A ZIP of the set, open."""

    source: Source
    print_: Fingerprint
    chunks: tuple[str, ...]
    merged: Mapping[str, tuple[str, ...]]  # chunk -> those it was merged from

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def entry(self) -> ShippedFile:
        size, sha256 = self.print_.size, self.print_.sha256
        return ShippedFile(name=self.name, size=size, sha256=sha256, chunks=self.chunks, merged=self.merged)


def ship_archive(
    *,
    zip_path: Path | None = None,
    recheck: bool = False,
    allow_loss: bool = False,
    progress: Progress = silent,
) -> ShipReport:
    """Bring the storage SHIP_TO up to what is here; an interrupted run is taken up where it was.

    `recheck` reads back all that is there and sends again what is wrong. The copy loses what was merged, pruned or
    forgotten here. Other chunks of it that are not here are refused, for a folder that is not mounted looks the same,
    unless `allow_loss` says that they are to go; other blobs that are not here it keeps. With no archive, neither here
    nor there, nothing is done.

    Raises JobBusy while another run ships, ArchiveDamaged when a ZIP is unreadable, ShippingError when the copy would
    lose chunks, or the storage refuses or stays away. No ZIP here is ever changed.
    """
    started = time.monotonic()
    conf = archive_settings()
    if not conf.ship_to:
        raise ShippingError(
            "TRAINING_ARCHIVE['SHIP_TO'] names no storage, so nothing was shipped. Let it name an alias of STORAGES."
        )
    usual = conf.zip_path.resolve()
    zip_path = (zip_path or usual).resolve()
    with only_run(SHIP), job(SHIP, recorded=zip_path == usual) as run:
        run.started()
        store = open_store(conf.ship_to, conf.ship_prefix)
        with _open_zips(zip_path, store, progress) as zips:
            shipment = _Shipment(store, Names(zip_path), zips, recheck, progress)
            shipment.ship(allow_loss)
            run.notes = {_FINGERPRINTS: {zip_.name: _note(zip_) for zip_ in zips}}
        report = ShipReport(
            storage=conf.ship_to, **shipment.facts, bytes_sent=store.bytes_sent, seconds=time.monotonic() - started
        )
        run.rows = len(report.sent) + report.blobs_sent
    _log(report)
    return report


def ship_after_run(*, progress: Progress = silent) -> ShipReport | None:
    """Ship after an archive run, if SHIP_TO is set. Never raises: the run has succeeded, whatever comes of the copy.

    A failure is in the log, and in the job's row for `archive_status`; the next run ships what this one did not.
    """
    if not archive_settings().ship_to:
        return None
    try:
        return ship_archive(progress=progress)
    except JobBusy as busy:
        logger.info("%s", busy)
    except Exception as error:  # a storage may raise anything, and the archive run is not to fail by its copy
        logger.exception("The archive could not be shipped; it is safe here.", extra={"problem": describe(error)})
    return None


def _log(report: ShipReport) -> None:
    for sha256 in report.damaged_blobs:
        logger.warning("The blob %s is gone, or not what its name says. It was not shipped.", sha256)
    if report.missing_blobs:
        logger.warning(
            "%s of the copy %s not here, and neither pruned nor forgotten; the copy keeps what it has. See that blobs/ "
            "is mounted, or bring them back from there; if they are to go there too, say `ship_archive --allow-loss`.",
            counted(report.missing_blobs, "blob"),
            "is" if report.missing_blobs == 1 else "are",
        )
    logger.info(
        "Shipped %d objects to %s in %.1f s.",
        len(report.sent) + report.blobs_sent,
        report.storage,
        report.seconds,
        extra={"bytes": report.bytes_sent, "seconds": report.seconds},
    )


# --- What is here ----------------------------------------------------------------------------------------------------


@contextmanager
def _open_zips(zip_path: Path, store: Store, progress: Progress) -> Iterator[list[_Zip]]:
    """The set as it is at one moment, oldest first."""
    if not archive_zips(zip_path):
        yield []
        return
    known = _remembered()
    with open_archive(zip_path) as archives:
        zips = []
        for archive in archives:
            assert archive.fp is not None  # noqa: S101  (it is open; for mypy)
            source = Source(Path(str(archive.filename)).name, archive.fp.fileno())
            chunks = tuple(member.name for member in list_chunks(archive))
            zips.append(_Zip(source, _fingerprint(source, store, known, progress), chunks, _merged(archive)))
        yield zips


def _merged(archive: zipfile.ZipFile) -> dict[str, tuple[str, ...]]:
    """What the sidecars say of chunks that were merged. Of a damaged one nothing is known; the ZIP goes as it is."""
    found = {}
    for member in list_chunks(archive):
        try:
            sources = [source["chunk"] for source in read_sidecar(archive, member).merged_from]
        except ArchiveDamaged:
            continue
        if sources:
            found[member.name] = tuple(filter(is_chunk_name, sources))
    return found


def _fingerprint(source: Source, store: Store, known: Mapping[str, Any], progress: Progress) -> Fingerprint:
    """Out of the job's notes while the file is the one that was read then; dated ZIPs stay the same for years."""
    part_size = store.part_size(source.size)
    note = known.get(source.name)
    if isinstance(note, Mapping) and note.get("version") == list(source.version):
        remembered = Fingerprint.remembered(note.get("print"), part_size)
        if remembered is not None:
            return remembered
    return Fingerprint.of(source, part_size, progress)


def _note(zip_: _Zip) -> Mapping[str, Any]:
    return {"version": zip_.source.version, "print": asdict(zip_.print_)}


def _remembered() -> Mapping[str, Any]:
    row = Job.objects.filter(name=SHIP).first()
    return row.notes.get(_FINGERPRINTS, {}) if row else {}


# --- What is there ---------------------------------------------------------------------------------------------------


class _Shipment:
    """One run, from what the storage has to what it shall have."""

    def __init__(self, store: Store, names: Names, zips: Sequence[_Zip], recheck: bool, progress: Progress) -> None:
        self.facts: dict[str, Any] = dict(_NOTHING)  # for the report
        self._store = store
        self._names = names
        self._zips = zips
        self._recheck = recheck
        self._progress = progress
        previous = self._read_previous()
        self._is_first = previous is None
        self._previous = previous or Manifest(shipped_at=datetime.now(UTC))
        self._gone = self._previous.gone
        self._entries = {file.name: file for file in self._previous.files}  # by name, what the storage had
        self._ever = self._previous.unsettled  # all that may be there: what a manifest does not name is to go

    def _read_previous(self) -> Manifest | None:
        """What was shipped last. A manifest that is none of ours names nothing, so nothing is deleted on its word."""
        try:
            return read_manifest(self._store, self._names)
        except NotInStorage:
            return None
        except ManifestRefused as error:
            if not self._zips:  # nothing here is worth that it is replaced
                raise
            logger.warning("What was shipped before is not known, so nothing there will be deleted. %s", error)
        return Manifest(shipped_at=datetime.now(UTC))

    def ship(self, allow_loss: bool) -> None:
        """Raises ShippingError, before anything is changed, when chunks would be lost and that is not allowed."""
        if self._is_first and not self._zips:
            return
        here = [zip_.entry for zip_ in self._zips]
        removal = Removal(shipped=self._previous.files, here=here, noted=removed_chunks(self._names.zip_path))
        if not allow_loss:
            removal.refuse_losses(self._names.zip_path)
        self._gone = (self._gone | removal.gone) - chunks_in(here)
        self._ship(allow_loss)
        forget_noted(self._names.zip_path, removal.told)

    def _ship(self, allow_loss: bool) -> None:
        data_dir = capture_settings().data_dir
        with scratch_directory(data_dir) as scratch:
            blobs = BlobShipment(
                store=self._store,
                data_dir=data_dir,
                shipped=self._shipped_blobs(scratch),
                removed=removed_blobs(data_dir, scratch / "blobs-removed.txt"),
                scratch=scratch,
                names=self._names,
                progress=self._progress,
                recheck=self._recheck,
                allow_loss=allow_loss,
            )
            lacking = [zip_ for zip_ in self._zips if not self._is_there(zip_)]
            self._announce(lacking, blobs.announce())
            described = blobs.send()  # before the ZIPs whose examples refer to them
            self._send_zips(lacking, described)
            deleted = self._settle(described, blobs)
            forget_noted_blobs(data_dir, blobs.told())
        self.facts = {
            "zips": [zip_.name for zip_ in self._zips],
            "sent": [zip_.name for zip_ in lacking],
            "deleted": deleted,
            "blobs": described.count,
            "blobs_sent": blobs.sent,
            "blobs_deleted": blobs.deleted,
            "damaged_blobs": blobs.damaged,
            "missing_blobs": blobs.missing,
        }

    def _shipped_blobs(self, scratch: Path) -> BlobListing:
        try:
            return read_listing(self._store, self._previous.blobs.listing, scratch / "blobs-there.txt")
        except (NotInStorage, SetChanged, ManifestRefused) as error:
            logger.warning("Which blobs were shipped before is not known, so each is looked for. %s", error)
            return BlobListing()

    def _is_there(self, zip_: _Zip) -> bool:
        if self._recheck:
            return self._store.is_sound(zip_.name, zip_.print_, self._progress)
        held = self._store.holds(zip_.name, zip_.print_)
        return self._entries.get(zip_.name) == zip_.entry if held is None else held

    def _announce(self, lacking: Sequence[_Zip], blobs: ShippedBlobs) -> None:
        """Name what will be sent before it is: the archive there stays the previous one."""
        names = (*self._ever.files, *self._entries, *(zip_.name for zip_ in lacking))
        listings = (*self._ever.listings, self._previous.blobs.listing, blobs.listing)
        self._ever = Unsettled(files=tuple(dict.fromkeys(names)), listings=tuple(dict.fromkeys(filter(None, listings))))
        if set(names) - set(self._entries) or blobs.listing != self._previous.blobs.listing:
            self._put(self._previous.files, self._previous.blobs, self._previous.shipped_at)

    def _send_zips(self, lacking: Sequence[_Zip], blobs: ShippedBlobs) -> None:
        fresh = [zip_ for zip_ in lacking if zip_.name not in self._entries]
        self._send(fresh)
        if fresh and self._entries:
            files = (*self._previous.files, *(zip_.entry for zip_ in fresh))
            self._put(files, blobs, self._previous.shipped_at)
        self._send([zip_ for zip_ in lacking if zip_.name in self._entries])

    def _send(self, zips: Sequence[_Zip]) -> None:
        """Send all, then publish all: what takes long happens while nobody sees it."""
        publishes = [
            self._store.stage(zip_.source, zip_.print_, alike=self._alike(zip_), progress=self._progress)
            for zip_ in zips
        ]
        for publish in publishes:
            publish()

    def _alike(self, zip_: _Zip) -> str:
        """What the storage has of the same content under another name, as after a roll-over; else of the same name."""
        same = (name for name, entry in self._entries.items() if entry.sha256 == zip_.print_.sha256)
        return next(same, zip_.name if zip_.name in self._entries else "")

    def _settle(self, blobs: ShippedBlobs, shipment: BlobShipment) -> list[str]:
        """Write the new manifest, then delete what it does not name. The names of the ZIPs deleted."""
        now, files = datetime.now(UTC), tuple(zip_.entry for zip_ in self._zips)
        rest = self._put(files, blobs, now)
        for name in rest.files:
            self._store.delete(name)
        for listing in rest.listings:
            shipment.delete_unlisted(listing)
        self._store.clear_unfinished(self._names)
        if rest != Unsettled():
            self._ever = Unsettled()
            self._put(files, blobs, now)
        return list(rest.files)

    def _put(self, files: tuple[ShippedFile, ...], blobs: ShippedBlobs, shipped_at: datetime) -> Unsettled:
        """Write the manifest of this archive; what it names as unsettled, which is all the rest."""
        named = {file.name for file in files}
        rest = Unsettled(
            files=tuple(name for name in self._ever.files if name not in named),
            listings=tuple(listing for listing in self._ever.listings if listing != blobs.listing),
        )
        manifest = Manifest(shipped_at=shipped_at, files=files, blobs=blobs, unsettled=rest, gone=self._gone)
        self._store.put(self._names.manifest, manifest.to_json())
        return rest
