"""What an inbox is: records go in one by one, and come out in sealed batches, each until it is acknowledged."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from capture_app.blobs import Blob
from capture_app.conf import CaptureSettings
from capture_app.exceptions import CaptureConfigurationError, InboxError


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that no writer touches any more, as a file of JSON lines."""

    name: str  # unique for ever, the same when the batch is offered again after a crash
    path: Path
    size: int  # bytes
    may_repeat: bool = False  # records in it may have been stored before, even in a database that is archived by now


@dataclass(frozen=True, slots=True)
class InboxDepth:
    """How much waits in the inbox, and how long."""

    bytes: int
    oldest_at: datetime | None  # aware; when the record came that waits longest, or a little before; None: none waits


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardReport:
    """What a host brought from its own disk into the inbox that all hosts share."""

    records: int
    segments: int
    seconds: float


class ForwardingBusy(InboxError):
    """Another process of this host is forwarding already. Nothing was changed, and it takes what there is."""


class Inbox(ABC):
    """`append` runs in the process that made the call. `leftovers`, `seal` and `acknowledge` belong to the drain, and
    run under the live database's lock. The rest may run anywhere, at any time."""

    @classmethod
    @abstractmethod
    def from_settings(cls, conf: CaptureSettings) -> Self: ...

    @abstractmethod
    def append(self, line: bytes, blobs: Sequence[Blob] = ()) -> None:
        """Keep one record, a line of JSON with its newline, and the blobs it refers to.

        When this returns, no death of the process loses them.

        Raises InboxError when it cannot be kept for sure; then nothing half-written is left behind.
        """

    @abstractmethod
    def take_in(self, lines: Iterable[bytes]) -> int:
        """Keep records that may be stored already, because they are imported or requeued; how many there were.

        Each is a line of JSON with its newline, and its blobs are in the data directory already. When this returns, not
        even a power failure loses them. The batches that they come out in may repeat what is stored (see Batch).

        Raises InboxError when the disk refuses. Some may be kept by then: take in all of them again.
        """

    @abstractmethod
    def leftovers(self) -> list[Batch]:
        """Batches that an earlier drain sealed and did not acknowledge. They must be finished before anything else."""

    @abstractmethod
    def seal(self) -> Iterator[Batch]:
        """Seal what has been appended until now, batch by batch, each when it is asked for."""

    @abstractmethod
    def acknowledge(self, *batches: Batch) -> None:
        """The batches are in the live database for good: forget them, even if the power fails right after."""

    @abstractmethod
    def depth(self) -> InboxDepth:
        """Costs the same however much waits."""

    @abstractmethod
    def count_rows(self) -> int:
        """Records that wait. May read all of them."""

    def forward(self) -> ForwardReport:
        """Bring what this host kept for itself into the inbox that all hosts share. Safe at any time, and to repeat.

        Raises CaptureConfigurationError for an inbox that nobody shares, ForwardingBusy while another process of this
        host does it, InboxError when the shared inbox cannot be reached; what was not forwarded stays where it is.
        """
        raise CaptureConfigurationError(
            f"{type(self).__name__} forwards nothing: its records are drained on this host. Only an inbox that several "
            "hosts share needs this; see INBOX in TRAINING_CAPTURE."
        )
