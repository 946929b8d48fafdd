"""A version as one file: its head, its parts as they are in the storage, and its tail, as a stream of blocks.

What is joined is decided before the first block: parts that go meanwhile stay in the storage for ORPHAN_HOURS, so a
long download ends as it began. Each part is compared with its SHA-256 while it passes.
"""

import hashlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from training_archive.shipping.exceptions import NotInStorage
from training_archive.shipping.stores.base import Store
from training_files.describing import Described, parts_in
from training_files.exceptions import ChangedMeanwhile, PartDamaged
from training_files.models import JoinedFile, TrainingFileVersion
from training_files.storage import open_files
from training_files.v4.writing import JSON_BETWEEN, JSONL_BETWEEN, json_head, json_tail, jsonl_head

JSON: Final = JoinedFile.Format.JSON.value
JSONL: Final = JoinedFile.Format.JSONL.value
FORMATS: Final = (JSON, JSONL)


class _Piece(NamedTuple):
    """A part in one format."""

    name: str  # in the storage
    sha256: bytes


def blocks(described: Described, format: str) -> Iterator[bytes]:  # noqa: A002  (as the API calls it)
    """The whole file in the format "json" or "jsonl"."""
    return json_blocks(described) if format == JSON else jsonl_blocks(described)


def json_blocks(described: Described) -> Iterator[bytes]:
    """The full JSON file. Raises ChangedMeanwhile at once, PartDamaged in the midst of it."""
    pieces = _pieces(described, JSON)
    head = json_head(described.heading, described.figures)
    return _joined(head, pieces, JSON_BETWEEN, json_tail(described.figures))


def jsonl_blocks(described: Described) -> Iterator[bytes]:
    """The JSON Lines file. Raises as `json_blocks` does."""
    pieces = _pieces(described, JSONL)
    head = jsonl_head(described.heading, described.figures)
    return _joined(head + JSONL_BETWEEN if pieces else head, pieces, JSONL_BETWEEN, b"")


def _pieces(described: Described, format: str) -> list[_Piece]:  # noqa: A002  (as the API calls it)
    """Those that are not empty."""
    facts = parts_in(described.file, described.version.number).values_list("stem", f"{format}_sha256")
    rows = facts.filter(**{f"{format}_bytes__gt": 0}).iterator(chunk_size=2_000)
    pieces = [_Piece(f"{stem}.{format}", bytes.fromhex(sha256)) for stem, sha256 in rows]
    version = described.version
    if not TrainingFileVersion.objects.filter(pk=version.pk, revision=version.revision).exists():
        raise ChangedMeanwhile(
            f"The training file {described.file.name!r} was changed while it was about to be read. Nothing is lost; "
            "ask for it again."
        )
    return pieces


def _joined(head: bytes, pieces: list[_Piece], between: bytes, tail: bytes) -> Iterator[bytes]:
    files = open_files()
    yield head
    for number, piece in enumerate(pieces):
        if number:
            yield between
        yield from _verified(files, piece)
    if tail:
        yield tail


def _verified(files: Store, piece: _Piece) -> Iterator[bytes]:
    digest = hashlib.sha256()
    try:
        for block in files.read(piece.name):
            digest.update(block)
            yield block
    except NotInStorage as error:
        raise _damaged(piece, "is missing") from error
    if digest.digest() != piece.sha256:
        raise _damaged(piece, "is not what was written")


def _damaged(piece: _Piece, what: str) -> PartDamaged:
    return PartDamaged(
        f"{piece.name} {what} in the storage, so the training file was not read to its end. Restore it from a backup; "
        "or remove its conversations from the training file, and add them again."
    )
