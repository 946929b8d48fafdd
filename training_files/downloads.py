"""Links to download a version, which need no login and are good for a while.

A storage that is an S3 bucket serves the file itself, by a presigned URL of an object that is written once for each
state of a version. Every other one is served by us: the link holds a signed token, and the file is joined while it is
sent. Either link is for one state of one version in one format, not for what comes of it.
"""

import hashlib
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.core import signing
from django.db import transaction
from django.db.models import F
from django.urls import reverse

from training_files.actors import Actor
from training_files.conf import training_files_settings
from training_files.describing import Described, describe, get_training_file
from training_files.exceptions import ChangedMeanwhile, DownloadRefused, InvalidRequest, NotFound
from training_files.joining import FORMATS, blocks
from training_files.models import JoinedFile, TrainingFile, TrainingFileVersion
from training_files.storage import JOINED, keep, let_go, note_loose, open_bucket

if TYPE_CHECKING:
    from training_files.bucket import Bucket

VIEW: Final = "training_files:content"  # of the local links; takes `token`

_SALT: Final = "training_files.download"
_LONGEST_TOKEN: Final = 2_000  # characters
_LONGEST_STEM: Final = 150  # bytes of a file's name without its ending; file systems take 255
_UNUSABLE: Final = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')  # some file system or other refuses these
_CONTENT_TYPES: Final = {"json": "application/json", "jsonl": "application/x-ndjson"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadLink:
    url: str  # absolute in an S3 bucket, else a path on this site
    filename: str
    expires_in_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    filename: str
    size: int  # bytes that `blocks` gives; fewer, and an exception, when a part is damaged
    blocks: Iterator[bytes]
    content_type: str


def download_link(
    file_id: UUID | str,
    format: str,  # noqa: A002  (as the API calls it)
    *,
    number: int | None = None,
    by: Actor,
) -> DownloadLink:
    """A link to a version, by default the current one, in the format "json" or "jsonl". Not within a transaction.

    In an S3 bucket the first link to a state writes the whole file there, which takes its time. Raises NotFound,
    InvalidRequest, ChangedMeanwhile, PartDamaged.
    """
    if format not in FORMATS:
        raise InvalidRequest(f"The format is one of {', '.join(FORMATS)}.", field="format")
    described = describe(get_training_file(file_id), number)
    seconds = int(training_files_settings().url_lifetime.total_seconds())
    name, bucket = filename(described, format), open_bucket()
    if bucket is None:
        url = reverse(VIEW, kwargs={"token": _token(described, format, by)})
    else:
        url = bucket.link(_object(described, format, bucket), filename=name, seconds=seconds)
    return DownloadLink(url=url, filename=name, expires_in_seconds=seconds)


def filename(described: Described, format: str) -> str:  # noqa: A002  (as the API calls it)
    """What the file is called where it is saved: no path, whatever the training file is called."""
    version = described.version
    older = "" if version.number == described.file.version else f"-v{version.number}"
    return f"{_stem(version.file_name)}{older}.{format}"


def _stem(name: str) -> str:
    """The name, if it can stand; what had to be changed ends with a hash, so that no two names become one."""
    usable = _UNUSABLE.sub("_", name).strip(". ").encode()[:_LONGEST_STEM].decode(errors="ignore")
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return name if usable == name else "-".join(filter(None, (usable, digest)))


# --- Local links -----------------------------------------------------------------------------------------------------


def open_download(token: str) -> Download:
    """What a link is for. Raises DownloadRefused when it is forged, expired, or for what is not there any more."""
    described, format = _meant_by(_unsigned(token))  # noqa: A001  (as the API calls it)
    try:
        stream = blocks(described, format)
    except ChangedMeanwhile as error:
        raise _outdated() from error
    return Download(
        filename=filename(described, format),
        size=described.size(format),
        blocks=stream,
        content_type=_CONTENT_TYPES[format],
    )


def _token(described: Described, format: str, by: Actor) -> str:  # noqa: A002  (as the API calls it)
    version = described.version
    meant = {
        "file": described.file.pk.hex,
        "version": version.number,
        "revision": version.revision,
        "format": format,
        "by": by.name,
    }
    return signing.dumps(meant, salt=_SALT)


def _unsigned(token: str) -> dict[str, Any]:
    try:
        if len(token) > _LONGEST_TOKEN:
            raise signing.BadSignature
        found: dict[str, Any] = signing.loads(token, salt=_SALT, max_age=training_files_settings().url_lifetime)
    except signing.SignatureExpired as error:
        raise DownloadRefused("The link has expired. Ask for a new one.") from error
    except signing.BadSignature as error:
        raise DownloadRefused("The link is none of ours, or was changed on its way. Ask for a new one.") from error
    return found


def _meant_by(found: dict[str, Any]) -> tuple[Described, str]:
    try:
        described = describe(get_training_file(found["file"]), found["version"])
    except NotFound as error:
        raise DownloadRefused("What the link was for is not there any more.") from error
    if described.version.revision != found["revision"]:
        raise _outdated()
    return described, found["format"]


def _outdated() -> DownloadRefused:
    return DownloadRefused("The training file was changed since the link was made. Ask for a new one.")


# --- In an S3 bucket -------------------------------------------------------------------------------------------------


def _object(described: Described, format: str, bucket: "Bucket") -> str:  # noqa: A002  (as the API calls it)
    """The name of the object that is this state of the version; it is written unless it is there."""
    version = described.version
    there = version.joined_files.filter(format=format, revision=version.revision).first()
    if there is not None:
        return there.name
    key = uuid.uuid4().hex
    name, size = f"{JOINED}{key[:2]}/{key}.{format}", described.size(format)
    note_loose(name)
    bucket.write(name, blocks(described, format), size, _CONTENT_TYPES[format])
    return _named(
        described, JoinedFile(version=version, format=format, revision=version.revision, name=name, size=size)
    )


def _named(described: Described, written: JoinedFile) -> str:
    """Name what was written, unless somebody was faster; then theirs is it, and a sweep removes ours."""
    with transaction.atomic():
        TrainingFile.objects.filter(pk=described.file.pk).update(version=F("version"))  # takes the lock
        version = TrainingFileVersion.objects.filter(pk=written.version_id, revision=written.revision).first()
        if version is None:
            raise ChangedMeanwhile(
                f"The training file {described.file.name!r} was changed while it was being written for the download. "
                "Nothing is lost; ask for the link again."
            )
        old = version.joined_files.filter(format=written.format).first()
        if old is not None and old.revision == written.revision:
            return old.name
        if old is not None:
            let_go([old.name])
            old.delete()
        written.save(force_insert=True)
        keep([written.name])
    return written.name
