"""What is in cold storage, noted beside the archive's ZIP; the storage keeps a copy, should this host be lost.

.llm_training_dataset.zip.cold.json:
{"parts": [{"name": "llm_training_dataset.cold-202603-0123456789abcdef.zip", "storage": "cold", "prefix": "cold",
            "size": 4096, "sha256": "...", "moved_at": "2026-10-01T11:30:00+00:00", "blobs": 2, "state": "there",
            "chunks": [{the sidecar of each chunk}]}],
 "loose": [{"name": "llm_training_dataset.cold-...", "storage": "cold", "prefix": "cold"}]}

A part is `leaving` from when it is safe there until its chunks are gone here, and `returning` while it comes back: of a
killed run, `settling` finds out how far it was. What is `loose` is no part, or none any more, and may be in the storage
all the same: it is named before it is sent, and until it is deleted. Whoever writes holds the archive's locks.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import orjson

from capture_app.files import write_atomically
from training_archive.chunks import Sidecar, is_chunk_name
from training_archive.exceptions import ArchiveDamaged, ArchiveError
from training_archive.shipping.manifest import Names

_VERSION: Final = 1
_LARGEST: Final = 2**50  # bytes of one part; what claims more lies
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class InColdStorage(ArchiveError):
    """What is wanted is in cold storage. It is safe there, and `fetch_archive --from-cold` brings it back."""


class State(StrEnum):
    LEAVING = "leaving"
    THERE = "there"
    RETURNING = "returning"


class Place(NamedTuple):
    """An object in a storage."""

    storage: str  # its alias in STORAGES
    prefix: str
    name: str


@dataclass(frozen=True, slots=True)
class ColdNames(Names):
    """What the objects of an archive are called in cold storage, after its active ZIP."""

    @property
    def manifest(self) -> str:
        """Of the storage's copy of the ledger."""
        return f"{self.zip_path.stem}.cold.json"

    def part(self, month: str, sha256: str) -> str:
        """`month`: YYYYmm. It bears its own hash, so that the same name is the same part."""
        return f"{self.zip_path.stem}.cold-{month}-{sha256[:16]}{self.zip_path.suffix}"

    def is_zip(self, name: str) -> bool:
        """The name of a part, which leads nowhere but to a file in the same folder."""
        stem, suffix = map(re.escape, (self.zip_path.stem, self.zip_path.suffix))
        return re.fullmatch(rf"{stem}\.cold-\d{{6}}-[0-9a-f]{{16}}{suffix}", name, re.ASCII) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdPart:
    """A ZIP in cold storage."""

    place: Place
    size: int  # bytes
    sha256: str  # hex
    moved_at: datetime  # aware
    blobs: int  # images and files in it
    chunks: tuple[Sidecar, ...]
    state: State = State.THERE

    @property
    def name(self) -> str:
        return self.place.name

    @property
    def month(self) -> str:
        """YYYYmm, as its name has it: of its youngest example."""
        return self.name.rpartition(".cold-")[2][:6]

    @property
    def rows(self) -> int:
        return sum(chunk.rows for chunk in self.chunks)

    @property
    def youngest(self) -> datetime:
        return max(map(youngest, self.chunks))

    def to_values(self) -> dict[str, Any]:
        return {
            **self.place._asdict(),
            "size": self.size,
            "sha256": self.sha256,
            "moved_at": self.moved_at.astimezone(UTC).isoformat(),
            "blobs": self.blobs,
            "state": self.state,
            "chunks": [asdict(chunk) for chunk in self.chunks],
        }

    @classmethod
    def from_values(cls, values: Mapping[str, Any], place: Place) -> Self:
        """Raises ArchiveDamaged, KeyError, TypeError or ValueError unless each value is what it should be."""
        if not _SHA256.fullmatch(values["sha256"]):
            raise ValueError(f"{values['sha256']!r:.100} is no SHA-256 in hex")
        moved_at = datetime.fromisoformat(values["moved_at"])
        if moved_at.tzinfo is None:
            raise ValueError("moved_at has no time zone")
        return cls(
            place=place,
            size=_number(values["size"]),
            sha256=values["sha256"],
            moved_at=moved_at,
            blobs=_number(values["blobs"]),
            state=State(values["state"]),
            chunks=tuple(_sidecar(chunk) for chunk in values["chunks"]),
        )


def youngest(sidecar: Sidecar) -> datetime:
    """When its last example was made."""
    return datetime.fromisoformat(sidecar.last_created_at or sidecar.created_at)


@dataclass(slots=True)
class Ledger:
    """All of it. Changes are kept by `write`."""

    zip_path: Path
    parts: dict[str, ColdPart] = field(default_factory=dict)  # by name
    loose: set[Place] = field(default_factory=set)

    @classmethod
    def read(cls, zip_path: Path) -> Self:
        """Raises ArchiveDamaged for a file that is no ledger."""
        try:
            values = orjson.loads(_path(zip_path).read_bytes())
            found = [ColdPart.from_values(each, _place(each)) for each in values["parts"]]
            loose = {_place(each) for each in values["loose"]}
        except (FileNotFoundError, NotADirectoryError):
            return cls(zip_path)
        except (ArchiveDamaged, AttributeError, KeyError, TypeError, ValueError) as error:
            raise ArchiveDamaged(
                f"{_path(zip_path)} cannot be understood: {error!r}. It says what is in cold storage, where everything "
                "is as it was. Put it back from a backup; without it, the storage's copy is taken."
            ) from error
        return cls(zip_path, {part.name: part for part in found}, loose)

    def write(self) -> None:
        path = _path(self.zip_path)
        if not self.parts and not self.loose:
            path.unlink(missing_ok=True)
            return
        parts = [part.to_values() for part in self.parts.values()]
        loose = [place._asdict() for place in sorted(self.loose)]
        write_atomically(path, orjson.dumps({"parts": parts, "loose": loose}))

    def put(self, part: ColdPart) -> None:
        """It is a part from now on, or in another state."""
        self.parts[part.name] = part
        self.loose.discard(part.place)
        self.write()

    def let_go(self, part: ColdPart, *, instead: ColdPart | None = None) -> None:
        """It is none any more: `instead` is, if anything."""
        del self.parts[part.name]
        self.loose.add(part.place)
        if instead:
            self.parts[instead.name] = instead
            self.loose.discard(instead.place)
        self.write()

    def becomes(self, part: ColdPart, state: State) -> ColdPart:
        changed = replace(part, state=state)
        self.put(changed)
        return changed

    def copy_of(self, storage: str, prefix: str) -> bytes:
        """For the storage: what it has. For who has to rely on that, no chunk is still here."""
        there = (replace(part, state=State.THERE) for part in self.parts.values())
        here = [part for part in there if part.place[:2] == (storage, prefix)]
        return orjson.dumps({"version": _VERSION, "parts": [part.to_values() for part in here]})

    def part_of(self, chunk: str) -> ColdPart | None:
        """The part that holds the chunk; None: it is not in cold storage."""
        return next((part for part in self.parts.values() if chunk in chunk_names([part])), None)


def parse_copy(content: bytes, storage: str, prefix: str, names: ColdNames) -> list[ColdPart]:
    """What `copy_of` made. Whatever comes from a storage is not trusted: ArchiveDamaged unless it is one."""
    try:
        values = orjson.loads(content)
        if values["version"] != _VERSION:
            raise ValueError(f"its version is {values['version']!r}, and {_VERSION} is the one known here")
        return [ColdPart.from_values(each, Place(storage, prefix, _name(each, names))) for each in values["parts"]]
    except (ArchiveDamaged, AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ArchiveDamaged(
            f"{names.manifest} in the storage {storage!r} is refused: {error!r}. Nothing here was changed; look who "
            "else writes there."
        ) from error


def cold_parts(zip_path: Path) -> list[ColdPart]:
    """What of the archive is in cold storage, the oldest first. Takes no lock and asks no storage."""
    parts = Ledger.read(zip_path).parts.values()
    return sorted((part for part in parts if part.state != State.LEAVING), key=lambda part: part.youngest)


def chunk_names(parts: Collection[ColdPart]) -> set[str]:
    return {chunk.chunk for part in parts for chunk in part.chunks}


def _path(zip_path: Path) -> Path:
    return zip_path.with_name(f".{zip_path.name}.cold.json")


def _place(values: Mapping[str, Any]) -> Place:
    return Place(str(values["storage"]), str(values["prefix"]), str(values["name"]))


def _name(values: Mapping[str, Any], names: ColdNames) -> str:
    name = values["name"]
    if not isinstance(name, str) or not names.is_zip(name):
        raise ValueError(f"{name!r:.100} is no name of a part of this archive")
    return name


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise ValueError(f"{value!r:.100} is no number of bytes or blobs")
    return value


def _sidecar(values: Any) -> Sidecar:
    found = Sidecar.from_json(orjson.dumps(values))
    if not is_chunk_name(found.chunk):
        raise ValueError(f"{found.chunk!r:.100} is no name of a chunk")
    return found
