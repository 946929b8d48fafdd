"""What is readable of one damaged ZIP, brought into a new one: member by member, each as it can be had best.

A chunk whose bytes are what they were is copied as it is, compressed, with its sidecar; a sidecar that is gone or not
true is made anew from the chunk. A chunk that is damaged gives the rows that DuckDB can still read. Everything else is
named with its reason.
"""

import shutil
import zipfile
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Final

import orjson

from capture_app.progress import Progress
from capture_app.wording import counted
from training_archive.chunks import CHUNK_SUFFIX, SIDECAR_SUFFIX, Sidecar, check_chunk, describe, sha256_of
from training_archive.compaction import compact
from training_archive.exceptions import ArchiveDamaged, ArchiveError
from training_archive.row_salvage import salvage_rows
from training_archive.salvage import Allowance, Found, extract_readable, partner, read_found
from training_archive.zip_archive import LARGEST_SIDECAR, ZIP_ERRORS
from training_archive.zip_layout import read_head
from training_archive.zip_names import is_plain_name, shown
from training_archive.zip_writer import NewChunk, add_chunk, put_compressed

# What an old sidecar says of its chunk's history, which the chunk itself does not know.
_HISTORY: Final = ("generation", "created_at", "quarantined_lines", "forgotten_rows", "merged_from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """A member of the new ZIP that is not byte for byte the old one's."""

    member: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """What is not in the new ZIP, or not all of it."""

    member: str
    reason: str
    rows: int | None  # examples that are gone with it; None: nobody knows how many


@dataclass(slots=True)
class Rescued:
    """What came of a damaged ZIP."""

    chunks: list[Sidecar] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # files of another kind
    mended: list[Mended] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _OldSidecar:
    """A sidecar as far as it can be read."""

    found: Found | None = None
    whole: Sidecar | None = None
    values: dict[str, Any] = field(default_factory=dict)  # whatever they are
    fault: str = "it has no sidecar"

    @property
    def rows(self) -> int | None:
        return self.whole.rows if self.whole else None


class Rescue:
    """Brings the members of a damaged ZIP into `new`."""

    def __init__(
        self,
        source: IO[bytes],
        new: zipfile.ZipFile,
        *,
        scratch: Path,
        allowance: Allowance,
        compresslevel: int,
        waiting: Collection[str],  # names of chunks that are still sealed beside the ZIP
        forgotten: Iterable[str],  # ids that must not come back
        progress: Progress,
    ) -> None:
        self._source, self._new, self._scratch = source, new, scratch
        self._allowance, self._compresslevel, self._progress = allowance, compresslevel, progress
        self._waiting, self._forgotten = waiting, list(forgotten)
        self.rescued = Rescued()

    def run(self, members: list[Found], unknown: list[str]) -> Rescued:
        chunks: dict[str, list[Found]] = {}
        sidecars: dict[str, list[Found]] = {}
        others: dict[str, list[Found]] = {}
        for found in members:
            kind = others
            if partner(found.name):
                kind = chunks if found.name.endswith(CHUNK_SUFFIX) else sidecars
            kind.setdefault(found.name, []).append(found)
        for number, name in enumerate(chunks):  # in the order of the ZIP: of equal ids readers take the first
            self._progress("saving chunks", number, len(chunks))
            self._save_chunk(name.removesuffix(CHUNK_SUFFIX), chunks[name], sidecars.pop(partner(name), []))
        for name, found_here in sorted(sidecars.items()):
            old = self._old_sidecar(name.removesuffix(SIDECAR_SUFFIX), found_here)
            self._lose(name, "its chunk is not in the ZIP any more", old.rows)
        for name, found_here in sorted(others.items()):
            self._save_other(name, found_here)
        for stretch in unknown:
            self._lose("", stretch, None)
        return self.rescued

    # --- Chunks ------------------------------------------------------------------------------------------------------

    def _save_chunk(self, name: str, chunks: list[Found], sidecars: list[Found]) -> None:
        path = self._scratch / (name + CHUNK_SUFFIX)
        old = self._old_sidecar(name, sidecars)
        faults: list[str] = []
        try:
            for found in chunks:
                fault = self._save_whole(found, path, old)
                if not fault:
                    self._name_the_others(found, chunks)
                    return
                faults.append(fault)
            self._save_rows(name, chunks, old, faults[0])
        finally:
            path.unlink(missing_ok=True)

    def _save_whole(self, found: Found, path: Path, old: _OldSidecar) -> str:
        """Bring the chunk over with all that was in it. Why it cannot be done; "" when it was."""
        fault = self._extract(found, path)
        vouched = old.whole is not None and sha256_of(path) == old.whole.sha256
        if fault and not vouched:
            return fault
        try:
            sidecar, sidecar_fault = self._true_sidecar(path, old, vouched)
        except ArchiveDamaged as error:
            return str(error).removeprefix(f"{path.name}: ")
        if fault:
            add_chunk(self._new, NewChunk(path, sidecar), self._compresslevel, self._progress)
            self._mend(path.name, f"whole by its SHA-256; what the ZIP said of it was wrong: {fault}")
        else:
            self._put(found)
            self._put_sidecar(sidecar, old.found if not sidecar_fault else None)
        if sidecar_fault:
            self._mend(path.stem + SIDECAR_SUFFIX, f"made anew from the chunk: {sidecar_fault}")
        if old.rows is not None and old.rows > sidecar.rows:
            self._lose(path.name, f"its sidecar tells of {counted(old.rows, 'example')}", old.rows - sidecar.rows)
        self.rescued.chunks.append(sidecar)
        return ""

    def _true_sidecar(self, path: Path, old: _OldSidecar, vouched: bool) -> tuple[Sidecar, str]:
        """A sidecar that is true of the chunk, and why that is not the old one. ArchiveDamaged if it is no chunk."""
        fault = old.fault or "its SHA-256 is not the chunk's"
        if old.whole and vouched:
            try:
                check_chunk(path, old.whole, scratch=self._scratch)
                if path.stat().st_size == old.whole.size:
                    return old.whole, ""
                fault = "it tells of another size"
            except ArchiveDamaged as error:
                fault = str(error)
        return self._described(path, old), fault

    def _extract(self, found: Found, path: Path) -> str:
        """Write to `path` what can be read of the member, if only nothing; what was wrong, "" when nothing was."""
        path.write_bytes(b"")
        free = shutil.disk_usage(self._scratch).free
        if (found.size or 0) > free:
            return f"it needs {found.size} bytes and {self._scratch.parent} has {free} free"
        return extract_readable(self._source, found, path, self._allowance)

    def _described(self, path: Path, old: _OldSidecar) -> Sidecar:
        """A new sidecar; ArchiveDamaged unless every row can be read, for which only an old one would vouch."""
        rows = self._scratch / "rows.duckdb"
        try:
            sidecar = describe(path, scratch=self._scratch)
            if salvage_rows(path, rows, scratch=self._scratch).saved < sidecar.rows:
                raise ArchiveDamaged("not all of its rows can be read")
        finally:
            rows.unlink(missing_ok=True)
        return _with_history(sidecar, old.values)

    def _save_rows(self, name: str, chunks: list[Found], old: _OldSidecar, fault: str) -> None:
        """Make the chunk anew from the rows that DuckDB can read of it."""
        if name in self._waiting:
            self._mend(name + CHUNK_SUFFIX, f"left out ({fault}): its sealed file is still there to be archived again")
            return
        for found in chunks:
            try:
                sidecar, expected = self._made_of_rows(name, found, old)
            except ArchiveDamaged as error:
                fault += f"; {str(error).removeprefix(f'{name}{CHUNK_SUFFIX}: ')}"
                continue
            if sidecar.rows:
                self.rescued.chunks.append(sidecar)
                saved = f"{counted(sidecar.rows, 'example')} of {expected:,}"
                self._mend(name + CHUNK_SUFFIX, f"made anew from the {saved} that can be read: {fault}")
            lost = expected - sidecar.rows
            if lost or not sidecar.rows:
                self._lose(name + CHUNK_SUFFIX, fault, lost)
            return
        self._lose(name + CHUNK_SUFFIX, fault, old.rows)

    def _made_of_rows(self, name: str, found: Found, old: _OldSidecar) -> tuple[Sidecar, int]:
        """The new chunk's sidecar, and how many rows it should have had. It is put into the new ZIP if it has any."""
        damaged, rows = self._scratch / (name + CHUNK_SUFFIX), self._scratch / "rows.duckdb"
        folder = self._scratch / "new"
        folder.mkdir(exist_ok=True)
        chunk = folder / damaged.name
        try:
            self._extract(found, damaged)
            saved = salvage_rows(damaged, rows, scratch=self._scratch, progress=self._progress)
            sidecar = self._compacted(rows, chunk)
            sidecar = _with_history(replace(sidecar, generation=name), old.values)
            if sidecar.rows:
                add_chunk(self._new, NewChunk(chunk, sidecar), self._compresslevel, self._progress)
        finally:
            rows.unlink(missing_ok=True)
            chunk.unlink(missing_ok=True)
        erased = saved.saved - sidecar.rows
        return sidecar, max((old.rows if old.rows is not None else saved.total) - erased, sidecar.rows)

    def _compacted(self, rows: Path, chunk: Path) -> Sidecar:
        try:
            return compact(rows, chunk, scratch=self._scratch, without=self._forgotten)
        except ArchiveDamaged as error:  # what was just written is not damaged: the disk or the memory is too small
            raise ArchiveError(f"{chunk.name} could not be made anew: {error} Nothing was changed.") from error

    def _name_the_others(self, kept: Found, members: Iterable[Found]) -> None:
        if any(found.offset != kept.offset and self._begins(found) for found in members):
            self._lose(kept.name, "another member bears the same name; the first sound one was kept", None)

    def _begins(self, found: Found) -> bool:
        """Whether the member stands where the directory says, which may be mistaken."""
        try:
            return read_head(self._source, found.offset).name == found.name
        except ZIP_ERRORS:
            return False

    # --- Sidecars ----------------------------------------------------------------------------------------------------

    def _old_sidecar(self, name: str, sidecars: list[Found]) -> _OldSidecar:
        """The first that can be read whole, or else what can be read of one."""
        best = _OldSidecar()
        for found in sidecars:
            old = self._read_sidecar(name, found)
            if old.whole:
                return old
            best = old if old.values or not best.values else best
        return best

    def _read_sidecar(self, name: str, found: Found) -> _OldSidecar:
        if (found.size or 0) > LARGEST_SIDECAR:
            return _OldSidecar(fault="no sidecar is as large as it claims to be")
        try:
            content = b"".join(read_found(self._source, found, self._allowance))
            values = orjson.loads(content)
        except ZIP_ERRORS as error:
            return _OldSidecar(fault=str(error).rstrip("."))
        try:
            whole = Sidecar.from_json(content)
        except ArchiveDamaged as error:
            return _OldSidecar(values=values if isinstance(values, dict) else {}, fault=str(error))
        if whole.chunk != name:
            return _OldSidecar(fault="it is another chunk's")
        return _OldSidecar(found, whole, values, fault="")

    # --- The rest ----------------------------------------------------------------------------------------------------

    def _save_other(self, name: str, members: list[Found]) -> None:
        if not is_plain_name(name):
            self._lose(name, "its name is no plain file name", 0)
            return
        faults = []
        for found in members:
            try:
                for _ in read_found(self._source, found, self._allowance):
                    pass
            except ZIP_ERRORS as error:
                faults.append(str(error).rstrip("."))
                continue
            self._put(found)
            self.rescued.others.append(name)
            self._name_the_others(found, members)
            return
        self._lose(name, faults[0], 0)

    def _put_sidecar(self, sidecar: Sidecar, found: Found | None) -> None:
        """The old one as it was, if there is one to keep."""
        if found is None:
            self._new.writestr(sidecar.chunk + SIDECAR_SUFFIX, sidecar.to_json())
        else:
            self._put(found)

    def _put(self, found: Found) -> None:
        put_compressed(self._new, found.as_info(), self._source, found.start)

    def _mend(self, member: str, what: str) -> None:
        self.rescued.mended.append(Mended(member=shown(member), what=what))

    def _lose(self, member: str, reason: str, rows: int | None) -> None:
        self.rescued.lost.append(Lost(member=shown(member), reason=reason, rows=rows))


def _with_history(sidecar: Sidecar, old: dict[str, Any]) -> Sidecar:
    """The sidecar with what an old one says of _HISTORY, each fact where it has the right form."""
    for name in _HISTORY:
        if name in old:
            try:
                sidecar = Sidecar.from_json(orjson.dumps({**asdict(sidecar), name: old[name]}))
            except ArchiveDamaged:
                continue
    return sidecar
