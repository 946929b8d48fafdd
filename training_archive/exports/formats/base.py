"""What every export format has in common: an example becomes a record, and records become the shards of a split.

A format says what it cannot hold by raising `Refused`; nothing is left out in silence, and nothing else is raised,
whatever shape the example has: it may come from a file that others wrote.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

Example = Mapping[str, Any]  # the fifteen columns; metadata and slot_specs as dicts, created_at aware, in UTC


class Refused(Exception):
    """This format cannot hold the example. Its text is the reason: short and without content, for it is counted."""


@dataclass(frozen=True)
class Pair:
    """Two answers to one prompt, for the preference formats."""

    chosen: Example
    rejected: Example


@dataclass(frozen=True)
class ShardLimits:
    """When a shard is full: at so many rows or bytes, whichever comes first. None is no limit.

    A Parquet shard's bytes are counted before compression, as lines of JSON.
    """

    rows: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Shard:
    """A file of an export, finished."""

    path: Path
    rows: int
    bytes: int
    sha256: str  # hex


class ShardWriter(ABC):
    """Writes the records of one split. Used in a `with` block: leaving it before `close` removes what was written."""

    @abstractmethod
    def write(self, record: Any) -> None:
        """Take one record that the format's `convert` made."""

    @abstractmethod
    def close(self) -> list[Shard]:
        """Flush, fsync, and give the shards their names, which hold the number of shards; none for no records."""

    @abstractmethod
    def discard(self) -> None:
        """Remove what was written. Does nothing after `close`."""

    def changes(self) -> Mapping[str, int]:
        """What had to be changed to be written at all, counted by what it was, for the manifest."""
        return {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


class Format(ABC):
    """One format of an export."""

    name: ClassVar[str]
    about: ClassVar[str]  # a sentence or two of Markdown, for the card
    wants_pairs: ClassVar[bool] = False

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir  # where blobs/ is

    @abstractmethod
    def convert(self, item: Any) -> Any:
        """The record of an example; of a `Pair`, where `wants_pairs`. Raises Refused, and nothing else."""

    @abstractmethod
    def open(self, folder: Path, split: str, limits: ShardLimits, scratch: Path) -> ShardWriter:
        """A writer of the split's shards, in `folder`. `scratch` is for work in progress; the caller removes it."""

    def finish(self, folder: Path, summary: Mapping[str, Any]) -> list[Path]:
        """Write what describes the finished export, such as a card; the files written.

        `summary` is the manifest, of which this is read (what is missing is left out of the card):
        {"splits": {"train": {"rows": 3, "tasks": {"generic": 3},
                              "shards": [{"name": "data/train-00000-of-00001.parquet", "rows": 3, "bytes": 4096}]}}}
        with the shards' names relative to `folder`.
        """
        return []
