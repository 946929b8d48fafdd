"""The manifest: which objects in the storage are the archive. Whoever reads one from there does not trust it.

{
  "version": 1,
  "shipped_at": "2026-11-21T11:00:07+00:00",
  "files": [{"name": "llm_training_dataset.zip", "size": 4096, "sha256": "...", "chunks": ["llm_training_chunk_..."],
             "merged": {"llm_training_chunk_...": ["llm_training_chunk_...", "llm_training_chunk_..."]}}],
  "blobs": {"count": 2, "bytes": 300000,
            "listing": {"name": "llm_training_dataset.blobs-0123456789abcdef.txt", "size": 150, "sha256": "..."}},
  "unsettled": {"files": [], "listings": []},
  "gone": ["llm_training_chunk_..."]
}

`files` has the oldest ZIP first; `merged` says of a chunk that was merged which ones it was merged from. `gone` names
chunks that earlier manifests had and that are no longer there on purpose: merged, pruned, or forgotten. The listing is
an object of its own, with a line `<SHA-256> <size>` for each blob, in ascending order; it bears its own hash in its
name, so that the old and the new one stand beside each other. `unsettled` is not part of the archive: it names what a
ship that is at work, or was interrupted, may have put there or has yet to delete. So whatever was shipped is named by
the manifest that is there, and nothing stays when it is to go.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import orjson

from capture_app.blobs import FOLDER
from training_archive.chunks import is_chunk_name
from training_archive.shipping.exceptions import ManifestRefused

VERSION: Final = 1
LARGEST_MANIFEST: Final = 64 * 2**20  # bytes; a chunk a day for a century has 2 MB
_MOST_FILES: Final = 100_000
_MOST_GONE: Final = 500_000  # the youngest are kept
_LARGEST: Final = 2**50  # bytes of one file or of all blobs; what claims more lies
_BLOB = re.compile(rf"{FOLDER}/[0-9a-f]{{2}}/[0-9a-f]{{64}}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedObject:
    """An object as the manifest describes it."""

    name: str  # without SHIP_PREFIX
    size: int  # bytes
    sha256: str  # hex


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedFile(ShippedObject):
    """A ZIP of the archive."""

    chunks: tuple[str, ...]
    merged: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # chunk -> those it was merged from

    def sources(self, chunk: str) -> tuple[str, ...]:
        """The chunks, as they were archived, whose examples are in this one."""
        return self.merged.get(chunk, (chunk,))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedBlobs:
    """The blobs, by their number; which ones is in the listing."""

    count: int = 0
    bytes: int = 0
    listing: ShippedObject | None = None  # None: there are no blobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """What may be in the storage besides the archive."""

    files: tuple[str, ...] = ()  # names of ZIPs
    listings: tuple[ShippedObject, ...] = ()  # of blobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What one ship left in the storage."""

    shipped_at: datetime  # aware
    files: tuple[ShippedFile, ...] = ()  # the oldest first
    blobs: ShippedBlobs = field(default_factory=ShippedBlobs)
    unsettled: Unsettled = field(default_factory=Unsettled)
    gone: frozenset[str] = frozenset()  # chunks that are no longer there on purpose

    def to_json(self) -> bytes:
        values = {
            "version": VERSION,
            "shipped_at": self.shipped_at.astimezone(UTC).isoformat(),
            "files": self.files,
            "blobs": self.blobs,
            "unsettled": self.unsettled,
            "gone": sorted(self.gone)[-_MOST_GONE:],  # the time is in the name
        }
        return orjson.dumps(values, option=orjson.OPT_INDENT_2)

    @classmethod
    def from_json(cls, content: bytes, names: "Names") -> Self:
        """Raises ManifestRefused, with the reason, unless every value is one that a manifest of ours may have."""
        try:
            return cls._from_values(orjson.loads(content), names)
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise ManifestRefused(
                f"{names.manifest} in the storage is refused: {error!r}. Nothing was fetched from it, and nothing here "
                "was changed. Ship the archive again, or look who else writes there."
            ) from error

    @classmethod
    def _from_values(cls, values: Mapping[str, Any], names: "Names") -> Self:
        if values["version"] != VERSION:
            raise ValueError(f"its version is {values['version']!r}, and {VERSION} is the one known here")
        shipped_at = datetime.fromisoformat(values["shipped_at"])
        if shipped_at.tzinfo is None:
            raise ValueError("shipped_at has no time zone")
        files = tuple(_file(entry, names) for entry in _list(values["files"], _MOST_FILES))
        if len({file.name for file in files}) != len(files):
            raise ValueError("it names a file twice")
        return cls(
            shipped_at=shipped_at,
            files=files,
            blobs=_blobs(values["blobs"], names),
            unsettled=_unsettled(values["unsettled"], names),
            gone=frozenset(_chunks(values.get("gone", []), _MOST_GONE)),
        )


@dataclass(frozen=True, slots=True)
class Names:
    """What the objects of an archive are called, after its active ZIP: `llm_training_dataset.zip`, or as configured."""

    zip_path: Path

    @property
    def manifest(self) -> str:
        return f"{self.zip_path.stem}.manifest.json"

    def listing(self, sha256: str) -> str:
        return f"{self.zip_path.stem}.blobs-{sha256[:16]}.txt"

    def is_zip(self, name: str) -> bool:
        """A name of this archive's set, which leads nowhere but to a file in the same folder."""
        stem, suffix = map(re.escape, (self.zip_path.stem, self.zip_path.suffix))
        return re.fullmatch(rf"{stem}(-\d{{8}}(-\d{{1,9}})?)?{suffix}", name, re.ASCII) is not None

    def is_ours(self, name: str) -> bool:
        """A name that shipping gives: of a ZIP of this set, or of a blob."""
        return self.is_zip(name) or _BLOB.fullmatch(name) is not None


def blob_name(sha256: str) -> str:
    """What a blob is called in the storage, as it is in the data directory. ValueError for what is no hash."""
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"{sha256!r} is no SHA-256 in hex")
    return f"{FOLDER}/{sha256[:2]}/{sha256}"


def _file(entry: Mapping[str, Any], names: Names) -> ShippedFile:
    name = _zip_name(entry["name"], names)
    chunks = _chunks(entry["chunks"], _MOST_FILES)
    merged = {chunk: _chunks(sources, _MOST_FILES) for chunk, sources in entry.get("merged", {}).items()}
    if not set(merged) <= set(chunks):
        raise ValueError("it says of a chunk that is not there what it was merged from")
    return ShippedFile(
        name=name, size=_number(entry["size"]), sha256=_hash(entry["sha256"]), chunks=chunks, merged=merged
    )


def _chunks(values: Any, most: int) -> tuple[str, ...]:
    chunks = tuple(map(_text, _list(values, most)))
    odd = next((chunk for chunk in chunks if not is_chunk_name(chunk)), None)
    if odd is not None:
        raise ValueError(f"{odd!r:.100} is no name of a chunk")
    return chunks


def _zip_name(value: Any, names: Names) -> str:
    if not names.is_zip(_text(value)):
        raise ValueError(f"{value!r:.100} is no name of a ZIP of this archive")
    return str(value)


def _blobs(values: Mapping[str, Any], names: Names) -> ShippedBlobs:
    listing = None if values["listing"] is None else _listing(values["listing"], names)
    return ShippedBlobs(count=_number(values["count"]), bytes=_number(values["bytes"]), listing=listing)


def _listing(entry: Mapping[str, Any], names: Names) -> ShippedObject:
    sha256 = _hash(entry["sha256"])
    if entry["name"] != names.listing(sha256):
        raise ValueError(f"{entry['name']!r:.100} is no name of a listing of blobs")
    return ShippedObject(name=names.listing(sha256), size=_number(entry["size"]), sha256=sha256)


def _unsettled(values: Mapping[str, Any], names: Names) -> Unsettled:
    return Unsettled(
        files=tuple(_zip_name(name, names) for name in _list(values["files"], _MOST_FILES)),
        listings=tuple(_listing(entry, names) for entry in _list(values["listings"], _MOST_FILES)),
    )


def _list(value: Any, most: int) -> Iterable[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise TypeError(f"it has {type(value).__name__} where a list of at most {most:,} belongs")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.100} is no text")
    return value


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise ValueError(f"{value!r:.100} is no number of bytes or blobs")
    return value


def _hash(value: Any) -> str:
    if not _SHA256.fullmatch(_text(value)):
        raise ValueError(f"{value!r:.100} is no SHA-256 in hex")
    return str(value)
