"""What shipping needs of a storage. Django's own interface has neither a rename, nor a resume, nor a checksum."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import ClassVar, TypeVar

from capture_app.progress import Progress, silent
from training_archive.shipping.exceptions import NotInStorage, ShippingError, StorageUnreachable
from training_archive.shipping.manifest import Names
from training_archive.shipping.retries import PATIENT, Backoff, patiently
from training_archive.shipping.sources import Fingerprint, Source

Publish = Callable[[], None]
_Result = TypeVar("_Result")


class Store(ABC):
    """A place for objects. Every method may raise ShippingError; what may pass was tried again before."""

    workers: ClassVar[int] = 1  # how many small objects to send or fetch at once

    def __init__(self, prefix: str = "", backoff: Backoff = PATIENT) -> None:
        self.backoff = backoff
        self.bytes_sent = 0  # of contents, as far as they went over the network or into the folder
        self._counting = Lock()
        self._prefix = prefix.strip("/")

    def count(self, sent: int) -> None:
        """`sent` more bytes went there. Several threads send."""
        with self._counting:
            self.bytes_sent += sent

    def full_name(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def part_size(self, size: int) -> int | None:
        """In how large parts a file of `size` bytes is sent; None: the store knows no parts."""
        return None

    @abstractmethod
    def size(self, name: str) -> int | None:
        """In bytes; None when there is no such object."""

    def holds(self, name: str, print_: Fingerprint) -> bool | None:
        """Whether the object has this content, as far as the store knows without reading it. None: it may."""
        return None if self.size(name) == print_.size else False

    @abstractmethod
    def stage(self, source: Source, print_: Fingerprint, *, alike: str = "", progress: Progress = silent) -> Publish:
        """Send the source, without touching the object of its name where the store can; calling the result does that.

        What an interrupted run had sent is taken up. `alike` names an object that may have the same bytes, whole or at
        its beginning. What was sent is verified before, or as soon as, it is published.
        """

    def send(self, source: Source, print_: Fingerprint) -> None:
        self.stage(source, print_)()

    @abstractmethod
    def put(self, name: str, content: bytes) -> None:
        """Store a small object, replacing the one of that name."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Also what an interrupted run had sent of it. No error when there is no such object."""

    @abstractmethod
    def clear_unfinished(self, names: Names) -> None:
        """Remove what interrupted runs had sent and did not publish. Nothing is being sent meanwhile."""

    def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
        """The object's bytes from `offset` on. Cut off, the reading goes on where it was. NotInStorage when missing."""
        failures = 0
        while True:
            try:
                for block in self._blocks(name, offset):
                    yield block
                    offset += len(block)
                    failures = 0
                return
            except StorageUnreachable:
                failures += 1
                if failures >= self.backoff.attempts:
                    raise
                self.backoff.wait(failures - 1)

    @abstractmethod
    def _blocks(self, name: str, offset: int) -> Iterator[bytes]:
        """One attempt of `read`."""

    def is_sound(self, name: str, print_: Fingerprint, progress: Progress = silent) -> bool:
        """Whether the object, read back whole, is what it should be."""
        digest, done = hashlib.sha256(), 0
        try:
            for block in self.read(name):
                digest.update(block)
                done += len(block)
                progress(f"reading back {name}", done, print_.size)
        except NotInStorage:
            return False
        return (done, digest.hexdigest()) == (print_.size, print_.sha256)

    def _check_back(self, name: str, print_: Fingerprint) -> None:
        if not self.is_sound(name, print_):
            raise ShippingError(
                f"{name} did not come back from the storage as it was sent. What is here is untouched, and the "
                "manifest there is still the old one; the next run sends it again."
            )

    def _patiently(self, call: Callable[[], _Result]) -> _Result:
        return patiently(call, self.backoff)


@contextmanager
def passing_trouble(what: str) -> Iterator[None]:
    """Tell an error of the network, which may pass, from the others."""
    try:
        yield
    except (ConnectionError, TimeoutError) as error:
        raise unreachable(what, error) from error


def unreachable(what: str, error: Exception) -> StorageUnreachable:
    return StorageUnreachable(
        f"{what} could not be reached: {error}. What is here is untouched; run this again when it answers, and it goes "
        "on where it was."
    )
