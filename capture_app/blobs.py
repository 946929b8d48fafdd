"""Images and files in messages: kept once each, by their content's hash, and referred to from the messages.

A message carries them as base64 inside its JSON, and repeats them in every turn of a conversation. What is stored has
`blob:sha256:<hex>` in their place, and the content is in the data directory as `blobs/<first two digits>/<hex>`.
"""

import base64
import binascii
import hashlib
import os
import re
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from capture_app.example import storable
from capture_app.files import fsync_directory, fsync_file

FOLDER: Final = "blobs"
REFERENCE: Final = "blob:sha256:"

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*;base64,", re.ASCII)
_SHORTEST = 64  # characters; shorter data is left where it is
_ABANDONED_AFTER = 3600  # seconds; no writer takes so long over one blob


class Blob(NamedTuple):
    """An image or a file out of a message."""

    sha256: str  # hex
    media_type: str  # as the message names it: "image/png"
    content: bytes

    @property
    def reference(self) -> str:
        return REFERENCE + self.sha256


class BlobExtractor:
    """Takes the blobs out of values; remembers them, and what to say of each beside the messages."""

    __slots__ = ("_limit", "blobs", "facts")

    def __init__(self, limit: int = 20 * 2**20) -> None:
        self.blobs: dict[str, Blob] = {}  # by hash: to be stored
        self.facts: dict[str, dict[str, Any]] = {}  # by hash: media_type, bytes, and kept: False when over the limit
        self._limit = limit  # bytes

    def take_out_of(self, messages: Any) -> Any:
        """A copy of the messages, in which references stand for the blobs."""
        try:
            return self._replace(messages)
        except RecursionError:  # they contain themselves, or nest deeper than JSON may
            return self._replace(storable(messages))

    def _replace(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._replace_text(value)
        if isinstance(value, Mapping):
            return self._replace_mapping(value)
        if isinstance(value, list | tuple):
            return [self._replace(item) for item in value]
        return value

    def _replace_text(self, text: str) -> str:
        if len(text) < _SHORTEST or not text.startswith("data:"):
            return text
        head = _DATA_URL.match(text)
        return self._keep(text, text[head.end() :], head[1] or "text/plain") if head else text

    def _replace_mapping(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        replaced = {key: self._replace(item) for key, item in mapping.items()}
        audio = replaced.get("input_audio")  # OpenAI's audio parts hold bare base64, beside its format
        if isinstance(audio, dict) and isinstance(audio.get("data"), str) and len(audio["data"]) >= _SHORTEST:
            audio["data"] = self._keep(audio["data"], audio["data"], f"audio/{audio.get('format') or 'wav'}")
        return replaced

    def _keep(self, original: str, encoded: str, media_type: str) -> str:
        try:
            content = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):  # no base64 after all: leave it as it was sent
            return original
        blob = Blob(hashlib.sha256(content).hexdigest(), media_type, content)
        fact: dict[str, Any] = {"media_type": media_type, "bytes": len(content)}
        if len(content) <= self._limit:
            self.blobs[blob.sha256] = blob
        else:
            fact["kept"] = False
        self.facts[blob.sha256] = fact
        return blob.reference


def blob_path(data_dir: Path, sha256: str) -> Path:
    """Where the blob is. Raises ValueError for what is no hash: it may come from a file that others wrote."""
    if not re.fullmatch(r"[0-9a-f]{64}", sha256, re.ASCII):
        raise ValueError(f"{sha256!r} is no SHA-256 in hex.")
    return data_dir / FOLDER / sha256[:2] / sha256


def store_blobs(data_dir: Path, blobs: Iterable[Blob], *, fsync: bool = False) -> None:
    """Keep each blob that is not there yet. Raises OSError; then nothing half-written has a blob's name."""
    for blob in blobs:
        path = blob_path(data_dir, blob.sha256)
        if not _is_there(path, len(blob.content)):
            _store(path, blob.content, fsync=fsync)


def _is_there(path: Path, size: int) -> bool:
    """Whether the blob is there whole. Its time is renewed, for whoever removes what nothing refers to any more."""
    try:
        os.utime(path)
        return path.stat().st_size == size  # a power failure may leave the name of a file, and not its content
    except FileNotFoundError:
        return False


def remove_blobs(data_dir: Path, hashes: Iterable[str], *, unused_since: float) -> int:
    """Remove blobs to which nothing that came before `unused_since` (seconds since the epoch) refers; how many.

    One that was stored or used again since then stays. A writer that finds a blob renews its time before it goes on,
    and one that does not find it writes it anew: so the file is moved aside first, and only then is its time read.
    """
    removed = 0
    for sha256 in hashes:
        path, aside = blob_path(data_dir, sha256), _aside(data_dir, sha256)
        try:
            path.rename(aside)
        except FileNotFoundError:
            continue
        if aside.stat().st_mtime >= unused_since:
            aside.rename(path)
        else:
            aside.unlink()
            removed += 1
    return removed


def bring_back_blobs(data_dir: Path, hashes: Iterable[str]) -> None:
    """Put those of the blobs back that a killed run had moved aside. Only while nobody else removes blobs."""
    for sha256 in hashes:
        with suppress(FileNotFoundError):
            _aside(data_dir, sha256).rename(blob_path(data_dir, sha256))


def remove_unfinished_blobs(data_dir: Path) -> None:
    """Remove what writers that were killed have left half-written. What cannot be removed stays for the next time."""
    long_ago = time.time() - _ABANDONED_AFTER
    for path in (data_dir / FOLDER).glob("[0-9a-f][0-9a-f]/.*.tmp"):
        with suppress(OSError):  # it was just finished, or belongs to another user
            if path.stat().st_mtime < long_ago:
                path.unlink()


def _aside(data_dir: Path, sha256: str) -> Path:
    return blob_path(data_dir, sha256).with_name(f".{sha256}.leaving")


def _store(path: Path, content: bytes, *, fsync: bool) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Two processes may store the same blob at once: each has a name of its own, and either rename will do.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        temporary.write_bytes(content)
        if fsync:
            fsync_file(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if fsync:
        fsync_directory(path.parent)


def referenced_blobs(line: bytes) -> Sequence[str]:
    """The hashes of the blobs that a record refers to."""
    return [found.decode() for found in re.findall(rb"blob:sha256:([0-9a-f]{64})", line)]
