"""By what pairs are told apart: what an export noted of each, and what a run was given, meet in these hashes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeVar

from continuous_training.exporting.layout import hash_of
from continuous_training.models import ExportedExample
from continuous_training.models.exports import FORGOTTEN

T = TypeVar("T")

_AT_ONCE: Final = 900  # values in one question; SQLite may be built to take 999 at most


@dataclass(frozen=True, slots=True)
class Known:
    """What exports know of some pairs."""

    unknown: int  # how many no export wrote
    forgotten: int  # how many are of examples that were erased on request, and of no other


def pair_digest(line: bytes) -> bytes:
    """The SHA-256 of a line of chat JSONL, of which an export notes the hex digits as `pair_hash`."""
    return bytes.fromhex(hash_of(line))


def digests_of(ids: Iterable[str]) -> set[bytes]:
    """Those of the pairs that the examples were exported as."""
    rows = (
        ExportedExample.objects.filter(pk__in=some).exclude(pair_hash="").values_list("pair_hash", flat=True)
        for some in _batches(ids)
    )
    return {bytes.fromhex(found) for some in rows for found in some}


def forgotten_digests() -> set[bytes]:
    """Those of all pairs that are of examples that were erased on request, and of no other."""
    hashes = (
        ExportedExample.objects.filter(left_out=FORGOTTEN).exclude(pair_hash="").values_list("pair_hash", flat=True)
    )
    return {
        bytes.fromhex(pair_hash)
        for some in _batches(hashes.distinct().iterator())
        for pair_hash in set(some) - _alive(some)
    }


def known_of(digests: Iterable[bytes]) -> Known:
    unknown = forgotten = 0
    for some in _batches(digest.hex() for digest in digests):
        rows = ExportedExample.objects.filter(pair_hash__in=some)
        known = set(rows.values_list("pair_hash", flat=True))
        erased = set(rows.filter(left_out=FORGOTTEN).values_list("pair_hash", flat=True))
        unknown += len(some) - len(known)
        forgotten += len(erased - _alive(erased)) if erased else 0
    return Known(unknown=unknown, forgotten=forgotten)


def _alive(hashes: Iterable[str]) -> set[str]:
    """Those that an example stands for that was not erased."""
    rows = ExportedExample.objects.filter(pair_hash__in=list(hashes)).exclude(left_out=FORGOTTEN)
    return set(rows.values_list("pair_hash", flat=True))


def _batches(values: Iterable[T]) -> Iterator[list[T]]:
    left = iter(values)
    while some := list(islice(left, _AT_ONCE)):
        yield some
