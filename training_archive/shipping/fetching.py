"""Fetching: a training host pulls what it lacks of a shipped archive, and trusts nothing that it has not checked.

All of a set is downloaded and checked beside what is here, and only then takes its place, dated ZIPs before the active
one: whenever a fetch is killed, what is here is the old set, the new one, or the new one with something of the old
beside it. Then the ZIPs that are new are looked through, member by member.
"""

import shutil
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from capture_app.blobs import blob_path
from capture_app.conf import capture_settings
from capture_app.files import fsync_directory, scratch_directory
from capture_app.progress import Progress, silent
from training_archive.conf import archive_settings
from training_archive.exceptions import ArchiveDamaged, ArchiveError
from training_archive.services.verify import Problem, check_zip
from training_archive.shipping.blob_lists import (
    BlobEntry,
    BlobListing,
    in_batches,
    in_either,
    only_in_first,
    write_listing,
)
from training_archive.shipping.downloads import Downloads
from training_archive.shipping.exceptions import FetchBusy, NotInStorage, SetChanged, ShippingError
from training_archive.shipping.local_set import (
    Fetched,
    LocalZips,
    chunks_of,
    listing_path,
    own_chunks,
    refuse_losses,
    refuse_to_replace,
)
from training_archive.shipping.manifest import Manifest, Names, ShippedFile, Unsettled
from training_archive.shipping.reading import read_listing, read_manifest
from training_archive.shipping.stores import open_store
from training_archive.shipping.stores.base import Store
from training_archive.zip_archive import open_zip

_TRIES: Final = 3  # with a new manifest each


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchReport:
    """What one fetch did."""

    storage: str  # its alias
    zip_path: Path  # the active ZIP here
    shipped_at: datetime  # aware
    zips: list[str]  # the set, oldest first
    fetched: list[str]
    taken: list[str]  # not fetched: the same content was here under another name
    removed: list[str]  # no longer in the archive
    left: list[str]  # no longer in the archive, and left here all the same
    problems: list[Problem]  # in the ZIPs, as they were shipped
    blobs: int
    blobs_fetched: int
    blobs_removed: int
    bytes_received: int
    seconds: float


@dataclass(kw_only=True)
class _Tally:
    """The part of the report that one attempt fills."""

    fetched: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    blobs_fetched: int = 0
    blobs_removed: int = 0


def fetch_archive(
    *,
    source: str | None = None,
    to: Path | None = None,
    keep: bool = False,
    allow_loss: bool = False,
    progress: Progress = silent,
) -> FetchReport:
    """Bring the folder `to` up to what was shipped to the storage `source`, an alias of STORAGES; default: SHIP_TO.

    The default of `to` is the configured archive's place. Interrupted, the next run goes on where this one was. `keep`
    leaves ZIPs that are no longer in the archive. `allow_loss` also removes fetched chunks that the storage has no more
    although nobody merged, pruned or forgot them.

    Raises FetchBusy while another run works there, ManifestRefused for a manifest that is none of ours, ShippingError
    when the storage stays away, holds what its manifest does not say, would replace a ZIP that was written here, or
    has lost chunks. Then what is here is as it was.
    """
    started = time.monotonic()
    conf = archive_settings()
    alias = source or conf.ship_to
    if not alias:
        raise ShippingError("No storage is named. Say --from ALIAS, an alias of STORAGES.")
    zip_path = (to / conf.zip_path.name if to else conf.zip_path).resolve()
    data_dir = zip_path.parent if to else capture_settings().data_dir
    store = open_store(alias, conf.ship_prefix)
    with _only_run(zip_path), scratch_directory(data_dir) as scratch:
        fetch = _Fetch(store, zip_path, data_dir, scratch, keep, allow_loss, progress)
        manifest, tally = fetch.run()
    return FetchReport(
        storage=alias,
        zip_path=zip_path,
        shipped_at=manifest.shipped_at,
        zips=[file.name for file in manifest.files],
        blobs=manifest.blobs.count,
        bytes_received=fetch.bytes_received,
        seconds=time.monotonic() - started,
        **vars(tally),
    )


@contextmanager
def _only_run(zip_path: Path) -> Iterator[None]:
    """The lock is the one that archive runs into this ZIP hold, too."""
    zip_path.parent.mkdir(parents=True, exist_ok=True)
    path = zip_path.with_name(f".{zip_path.name}.lock")
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise FetchBusy(
            f"Another fetch or archive run is at work on {zip_path.parent} ({path} is held). Nothing was changed; run "
            "this again when it has finished."
        ) from error
    try:
        yield
    finally:
        lock.release()


class _Fetch:
    """One run, on one folder."""

    def __init__(
        self,
        store: Store,
        zip_path: Path,
        data_dir: Path,
        scratch: Path,
        keep: bool,
        allow_loss: bool,
        progress: Progress,
    ) -> None:
        self._store = store
        self._zip_path = zip_path
        self._data_dir = data_dir
        self._scratch = scratch
        self._keep = keep
        self._allow_loss = allow_loss
        self._progress = progress
        self._names = Names(zip_path)
        self._local = LocalZips(zip_path, progress)
        self._downloads = Downloads(store, self._names, progress)
        self._fetched = Fetched.read(zip_path)  # by the last fetch

    @property
    def bytes_received(self) -> int:
        return self._downloads.bytes_received

    def run(self) -> tuple[Manifest, _Tally]:
        """A set that changes while it is fetched is asked for again, a few times as long as it goes on changing."""
        last = None
        for failures in range(_TRIES):
            manifest = self._manifest()
            try:
                return manifest, self._fetch(manifest)
            except (SetChanged, NotInStorage) as error:
                changed = error
            if manifest == last:
                break
            last = manifest
            self._store.backoff.wait(failures)
        raise ShippingError(
            f"{changed} The archive here is as it was. Let `manage.py ship_archive` finish where the archive comes "
            "from, with --recheck if this stays so, and fetch again."
        ) from changed

    def _manifest(self) -> Manifest:
        try:
            manifest = read_manifest(self._store, self._names)
        except NotInStorage as error:
            raise ShippingError(
                f"{error} Nothing was shipped there yet: run `manage.py ship_archive` where the archive is, and see "
                "that both hosts have the same SHIP_PREFIX."
            ) from error
        if not manifest.files and manifest.unsettled != Unsettled():
            raise ShippingError("The first ship has not finished yet. Nothing was changed; fetch again later.")
        return manifest

    def _fetch(self, manifest: Manifest) -> _Tally:
        tally = _Tally()
        listing = read_listing(self._store, manifest.blobs.listing, self._scratch / "blobs.txt")
        here = self._local.by_name()
        wanted = [file for file in manifest.files if here.get(file.name) != file.sha256]
        for file in wanted:
            self._refuse_own(file.name, here, manifest)
        self._refuse_losses(wanted, here, manifest)
        self._check_space(wanted, here, listing)
        tally.blobs_fetched = self._fetch_blobs(listing)
        for file in wanted:
            source = next((name for name, sha256 in here.items() if sha256 == file.sha256), None)
            if source is not None:
                self._downloads.take(self._zip_path.with_name(source), file)
                tally.taken.append(file.name)
            else:
                self._downloads.download(file)
                tally.fetched.append(file.name)
        self._place(wanted, manifest)
        self._remove_unnamed(manifest, here, tally)
        tally.blobs_removed = self._remove_blobs(listing)
        self._downloads.clear()
        self._look_through(manifest, tally)
        return tally

    def _refuse_own(self, name: str, here: dict[str, str], manifest: Manifest) -> None:
        if name in here:
            path = self._zip_path.with_name(name)
            refuse_to_replace(path, own_chunks(path, self._fetched, chunks_of(manifest)))

    def _refuse_losses(self, wanted: list[ShippedFile], here: dict[str, str], manifest: Manifest) -> None:
        if self._allow_loss:
            return
        replaced = [self._zip_path.with_name(file.name) for file in wanted if file.name in here]
        removed = [path for path in self._unnamed(here, manifest) if not self._is_left(path, manifest)]
        refuse_losses([*replaced, *removed], self._fetched, manifest)

    def _check_space(self, wanted: list[ShippedFile], here: dict[str, str], listing: BlobListing) -> None:
        """Before anything is downloaded; a size that lies is found out here, or when it is reached."""
        hashes = set(here.values())
        needed = sum(self._downloads.missing_bytes(file) for file in wanted if file.sha256 not in hashes)
        needed += sum(entry.size for entry in self._lacking(listing))
        free = shutil.disk_usage(self._zip_path.parent).free
        if needed > free:
            raise ArchiveError(
                f"The archive needs {needed:,} more bytes and {self._zip_path.parent} has {free:,} free. Nothing was "
                "changed; free some, or fetch into another folder with --to."
            )

    # --- Blobs -------------------------------------------------------------------------------------------------------

    def _lacking(self, listing: BlobListing) -> Iterator[BlobEntry]:
        return (entry for entry in listing if not self._has(entry))

    def _has(self, entry: BlobEntry) -> bool:
        try:
            return blob_path(self._data_dir, entry.sha256).stat().st_size == entry.size
        except FileNotFoundError:
            return False

    def _fetch_blobs(self, listing: BlobListing) -> int:
        """A blob takes its place at once: its name is its content's hash, and no example refers to it yet."""
        self._keep_listing(in_either(self._last_listing(), listing))
        count = 0
        with ThreadPoolExecutor(self._store.workers) as pool:
            for batch in in_batches(self._lacking(listing)):
                for _ in pool.map(lambda entry: self._downloads.blob(self._data_dir, entry), batch):
                    count += 1
                self._progress("fetching blobs", count, 0)
        return count

    def _remove_blobs(self, listing: BlobListing) -> int:
        """Those that were fetched once and are no longer listed: they were forgotten."""
        count = 0
        for entry in only_in_first(self._last_listing(), listing):
            blob_path(self._data_dir, entry.sha256).unlink(missing_ok=True)
            count += 1
        self._keep_listing(listing)
        return count

    def _last_listing(self) -> BlobListing:
        """What may be here of what was fetched."""
        path = listing_path(self._zip_path)
        return BlobListing(path if path.exists() else None)

    def _keep_listing(self, entries: Iterable[BlobEntry]) -> None:
        path = listing_path(self._zip_path)
        beside = path.with_name(f"{path.name}.tmp")
        write_listing(entries, beside, self._names)
        beside.replace(path)

    # --- ZIPs --------------------------------------------------------------------------------------------------------

    def _place(self, files: list[ShippedFile], manifest: Manifest) -> None:
        """All of it is here and checked; the oldest first, so that at no moment a chunk is missing."""
        chunks = self._fetched.chunks | chunks_of(manifest)
        names = {**dict.fromkeys((file.name for file in manifest.files), ""), **self._fetched.zips}
        Fetched(zips=names, chunks=chunks).write(self._zip_path)
        for file in files:
            self._downloads.part(file).replace(self._zip_path.with_name(file.name))
        fsync_directory(self._zip_path.parent)

    def _remove_unnamed(self, manifest: Manifest, here: dict[str, str], tally: _Tally) -> None:
        for path in self._unnamed(here, manifest):
            if self._is_left(path, manifest):
                tally.left.append(path.name)
            else:
                path.unlink()
                tally.removed.append(path.name)
        fsync_directory(self._zip_path.parent)

    def _unnamed(self, here: dict[str, str], manifest: Manifest) -> list[Path]:
        names = set(here) - {file.name for file in manifest.files}
        return [self._zip_path.with_name(name) for name in sorted(names)]

    def _is_left(self, path: Path, manifest: Manifest) -> bool:
        return self._keep or bool(own_chunks(path, self._fetched, chunks_of(manifest)))

    def _look_through(self, manifest: Manifest, tally: _Tally) -> None:
        """What is wrong in ZIPs that were not looked through before. They are what was shipped, so they stay."""
        sound = dict(self._fetched.zips)
        for file in manifest.files:
            if sound.get(file.name) != file.sha256:
                problems = self._problems(self._zip_path.with_name(file.name))
                tally.problems += problems
                sound[file.name] = "" if problems else file.sha256
        zips = {file.name: sound[file.name] for file in manifest.files}
        left = chunks_of(manifest) | (self._fetched.chunks if tally.left else frozenset())
        Fetched(zips=zips, chunks=left).write(self._zip_path)

    def _problems(self, path: Path) -> list[Problem]:
        try:
            with open_zip(path) as archive:
                found = check_zip(archive, self._scratch, self._progress)
                return [problem for problem in found if isinstance(problem, Problem)]
        except ArchiveDamaged as error:
            return [Problem(zip_name=path.name, member="", reason=str(error))]
