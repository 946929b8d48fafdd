"""Where examples go whose redaction failed: sealed, so that they are neither lost nor readable.

A line of `quarantine/withheld/<day>-<pid>.jsonl` says in clear only when, why, and which task; the example itself, and
the images and files in it, are encrypted under a key made from Django's SECRET_KEY.
"""

import base64
import fcntl
import logging
import os
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.core.signals import setting_changed
from django.utils.crypto import salted_hmac

from capture_app.blobs import Blob
from capture_app.conf import SETTING
from capture_app.example import Example, storable
from capture_app.metrics import count_withheld
from capture_app.quarantine import FOLDER, WITHHELD

logger = logging.getLogger("capture_app")

_TAKEN: Final = ".taken.jsonl"
_SALT: Final = "capture_app.withheld"
_said: set[str] = set()  # reasons; there are as many as lines in a redactor that can fail


class Withholding(NamedTuple):
    """What is sealed: a record as the inbox would have taken it, and its blobs."""

    line: bytes
    blobs: list[Blob]


def withhold(data_dir: Path, example: Example, blobs: Iterable[Blob], reason: str) -> None:
    """Keep the example sealed. Raises OSError when it cannot be written."""
    now = datetime.now(UTC)
    line = {
        "id": example.id,
        "task": storable(example.task),
        "reason": reason,
        "withheld_at": now,
        "sealed": _seal(Withholding(example.to_json_line(), [*blobs])),
    }
    path = data_dir / FOLDER / WITHHELD / f"{now:%Y%m%d}-{os.getpid()}.jsonl"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _append(path, orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
    count_withheld()
    _say(reason, example.id)


def _say(reason: str, example_id: str) -> None:
    """As an error once for each reason: a redactor that fails, fails on every call."""
    level = logging.DEBUG if reason in _said else logging.ERROR
    _said.add(reason)
    logger.log(
        level,
        "An example could not be redacted and is withheld, sealed, in quarantine: %s. Further ones are counted.",
        reason,
        extra={"example_id": example_id},
    )


def _forget_said(*, setting: str, **kwargs: Any) -> None:
    if setting == SETTING:
        _said.clear()


setting_changed.connect(_forget_said, dispatch_uid="capture_app.withheld")


def unseal(sealed: str) -> Withholding:
    """What is behind a line's `sealed`. Raises cryptography's InvalidToken when SECRET_KEY is another one now."""
    content = orjson.loads(cipher().decrypt(sealed.encode()))
    blobs = [Blob(sha256, kind, base64.b64decode(encoded)) for sha256, kind, encoded in content["blobs"]]
    return Withholding(content["line"].encode(), blobs)


def _seal(withholding: Withholding) -> str:
    blobs = [(blob.sha256, blob.media_type, base64.b64encode(blob.content).decode()) for blob in withholding.blobs]
    return cipher().encrypt(orjson.dumps({"line": withholding.line.decode(), "blobs": blobs})).decode()


def take_files(data_dir: Path) -> list[Path]:
    """The files of what is withheld, each renamed so that no process appends to it any more. Oldest first.

    What was taken before keeps its name.
    """
    return sorted(path if path.name.endswith(_TAKEN) else _take(path) for path in withheld_files(data_dir))


def withheld_files(data_dir: Path) -> list[Path]:
    return sorted((data_dir / FOLDER / WITHHELD).glob("*.jsonl"))


def _take(path: Path) -> Path:
    taken = path.with_name(f"{path.stem}-{uuid.uuid4().hex[:12]}{_TAKEN}")
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # a record under way is finished first
        path.rename(taken)
    finally:
        os.close(descriptor)
    return taken


def _append(path: Path, line: bytes) -> None:
    descriptor = _open_locked(path)
    try:
        size = os.lseek(descriptor, 0, os.SEEK_END)
        rest = line
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except BaseException:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def _open_locked(path: Path) -> int:
    """A descriptor for appending, with the file's lock. It is closed by the caller, which ends the lock."""
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # threads of this process, and who takes the file
            if _is_at(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # taken while we waited: nobody would look for a record that came to it now


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def cipher() -> MultiFernet:
    """Of SECRET_KEY, which seals; the fallbacks open what was sealed before it changed."""
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    keys = (salted_hmac(_SALT, "key", secret=secret, algorithm="sha256").digest() for secret in secrets)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])
