"""S3, and what speaks its language, through django-storages: multipart uploads that are taken up, ranged reads.

The storage gives the client, the bucket and the options of each object. The transfers are made here, because Django's
interface knows neither a resume nor a checksum. Each part goes with its SHA-256, which the server checks; the object
made of the parts is compared with what the server then says of it: its SHA-256 over the parts, else its ETag. Where a
server offers neither, the object is read back.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any, ClassVar, Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NoConnection
from storages.backends.s3 import S3Storage
from storages.utils import safe_join

from capture_app.progress import Progress, silent
from training_archive.shipping.exceptions import NotInStorage, ShippingError
from training_archive.shipping.manifest import Names
from training_archive.shipping.sources import BLOCK, Fingerprint, Source
from training_archive.shipping.stores.base import Publish, Store, unreachable

SMALLEST_PART: Final = 8 * 2**20  # bytes; S3 takes 5 MiB to 5 GiB
_MOST_PARTS: Final = 9_000  # S3 takes 10,000
_NOT_FOUND: Final = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchUpload"})
_PASSING: Final = frozenset({"RequestTimeout", "SlowDown", "Throttling", "RequestLimitExceeded"})


class _Upload(NamedTuple):
    """A multipart upload that is not complete."""

    name: str
    id: str


class S3Store(Store):
    """A bucket, or a folder of one."""

    workers: ClassVar[int] = 8

    def __init__(self, storage: S3Storage, prefix: str = "") -> None:
        super().__init__(prefix)
        self._storage = storage
        self._client: Any = storage.connection.meta.client  # boto3 makes its classes at run time; threads may share it
        self._bucket: str = storage.bucket_name

    def part_size(self, size: int) -> int | None:
        if size <= SMALLEST_PART:
            return None
        return max(SMALLEST_PART, -(-size // _MOST_PARTS))

    # --- What is there -----------------------------------------------------------------------------------------------

    def size(self, name: str) -> int | None:
        head = self._head(name)
        return None if head is None else int(head["ContentLength"])

    def holds(self, name: str, print_: Fingerprint) -> bool | None:
        head = self._head(name)
        if head is None or head["ContentLength"] != print_.size:
            return False
        checksum = head.get("ChecksumSHA256", "").partition("-")[0]  # after the "-" comes the number of parts
        if checksum:
            return bool(checksum == (print_.parts_sha256 or _checksum(bytes.fromhex(print_.sha256))))
        return True if print_.etag and _etag(head) == print_.etag else None

    def _head(self, name: str) -> Mapping[str, Any] | None:
        try:
            return self._call("head_object", name, ChecksumMode="ENABLED")
        except NotInStorage:
            return None

    def _blocks(self, name: str, offset: int) -> Iterator[bytes]:
        options = {"Range": f"bytes={offset}-"} if offset else {}
        with self._told_apart(name):
            try:
                found = self._client.get_object(**self._object(name), **options)
            except ClientError as error:
                if _code(error) == "InvalidRange":  # it ends before, or just there
                    return
                raise
            if offset and not found.get("ContentRange", "").startswith(f"bytes {offset}-"):
                raise ShippingError(f"The storage gave another part of {name} than it was asked for.")
            with closing(found["Body"]) as body:
                while block := body.read(BLOCK):
                    yield block

    # --- Sending -----------------------------------------------------------------------------------------------------

    def stage(self, source: Source, print_: Fingerprint, *, alike: str = "", progress: Progress = silent) -> Publish:
        if print_.part_size is None:
            return lambda: self._put(source.name, source.read(0, source.size), print_)
        upload, there = self._pending(source.name)
        parts, done = [], 0
        for number, block in enumerate(source.blocks(length=print_.part_size), 1):
            part = there.get(number)
            if part is None or not _is_from(part, block):
                part = self._copied(upload, number, alike, (done, len(block)))
            if part is None or not _is_from(part, block):
                alike = ""  # from here on its bytes differ
                part = self._upload(upload, number, block)
            parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": _checksum_of(block)})
            done += len(block)
            progress(f"shipping {source.name}", done, source.size)
        return lambda: self._complete(upload, parts, print_)

    def put(self, name: str, content: bytes) -> None:
        sha256 = hashlib.sha256(content).hexdigest()
        self._put(name, content, Fingerprint(size=len(content), sha256=sha256))

    def _put(self, name: str, content: bytes, print_: Fingerprint) -> None:
        checksum = _checksum(bytes.fromhex(print_.sha256))
        options = {**self._options(name), "ChecksumAlgorithm": "SHA256", "ChecksumSHA256": checksum}
        answer = self._call("put_object", name, Body=content, **options)
        self.count(len(content))
        if checksum != answer.get("ChecksumSHA256") and _etag(answer) != _md5(content):
            self._check_back(name, print_)

    def _pending(self, name: str) -> tuple[_Upload, Mapping[int, Mapping[str, Any]]]:
        """The upload that an interrupted run began, with the parts it has by number; else a new one."""
        key = self._object(name)["Key"]
        uploads = [found for found in self._uploads(key) if found["Key"] == key]
        uploads.sort(key=lambda found: found["Initiated"])
        for old in uploads[:-1]:
            self._abort(old)
        if not uploads:
            begun = self._call("create_multipart_upload", name, ChecksumAlgorithm="SHA256", **self._options(name))
            return _Upload(name, begun["UploadId"]), {}
        upload = _Upload(name, uploads[-1]["UploadId"])
        parts = self._listed("list_parts", "Parts", **self._object(name), UploadId=upload.id)
        return upload, {part["PartNumber"]: part for part in parts}

    def _uploads(self, prefix: str) -> list[Mapping[str, Any]]:
        return self._listed("list_multipart_uploads", "Uploads", Bucket=self._bucket, Prefix=prefix)

    def _listed(self, operation: str, entries: str, **request: Any) -> list[Mapping[str, Any]]:
        def pages() -> list[Mapping[str, Any]]:
            with self._told_apart(operation):
                found = self._client.get_paginator(operation).paginate(**request)
                return [entry for page in found for entry in page.get(entries, [])]

        return self._patiently(pages)

    def _copied(self, upload: _Upload, number: int, alike: str, span: tuple[int, int]) -> Mapping[str, Any] | None:
        """Let the server take the part out of the object `alike`, if that has these bytes: (begin, length)."""
        begin, length = span
        if not alike or (self.size(alike) or 0) < begin + length:
            return None
        answer = self._call(
            "upload_part_copy",
            upload.name,
            UploadId=upload.id,
            PartNumber=number,
            CopySource=self._object(alike),
            CopySourceRange=f"bytes={begin}-{begin + length - 1}",
        )
        found: Mapping[str, Any] = answer["CopyPartResult"]
        return found

    def _upload(self, upload: _Upload, number: int, block: bytes) -> Mapping[str, Any]:
        answer = self._call(
            "upload_part",
            upload.name,
            UploadId=upload.id,
            PartNumber=number,
            Body=block,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=_checksum_of(block),
        )
        self.count(len(block))
        return answer

    def _complete(self, upload: _Upload, parts: Sequence[Mapping[str, Any]], print_: Fingerprint) -> None:
        with suppress(NotInStorage):  # completed before, and only the answer was lost: what follows tells
            self._call("complete_multipart_upload", upload.name, UploadId=upload.id, MultipartUpload={"Parts": parts})
        if self.holds(upload.name, print_) is not True:
            self._check_back(upload.name, print_)

    # --- Removing ----------------------------------------------------------------------------------------------------

    def delete(self, name: str) -> None:
        """What was sent of it in parts is left to clear_unfinished, which asks once for all."""
        self._call("delete_object", name)

    def clear_unfinished(self, names: Names) -> None:
        folder = self._object(names.manifest)["Key"].removesuffix(names.manifest)
        for found in self._uploads(folder):
            if names.is_ours(found["Key"].removeprefix(folder)):
                self._abort(found)

    def _abort(self, upload: Mapping[str, Any]) -> None:
        request = {"Bucket": self._bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
        with suppress(NotInStorage):
            self._patiently(lambda: self._once("abort_multipart_upload", request))

    # --- Requests ----------------------------------------------------------------------------------------------------

    def _object(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": safe_join(self._storage.location, self.full_name(name))}

    def _options(self, name: str) -> dict[str, Any]:
        """What the storage is configured to set on an object: its encryption, its class, its ACL."""
        options = {"ContentType": "application/octet-stream", **self._storage.get_object_parameters(name)}
        if self._storage.default_acl:
            options.setdefault("ACL", self._storage.default_acl)
        return options

    def _call(self, operation: str, name: str, **request: Any) -> Mapping[str, Any]:
        return self._patiently(lambda: self._once(operation, {**self._object(name), **request}))

    def _once(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        with self._told_apart(request["Key"]):
            answer: Mapping[str, Any] = getattr(self._client, operation)(**request)
            return answer

    @contextmanager
    def _told_apart(self, name: str) -> Iterator[None]:
        """Errors as NotInStorage, as StorageUnreachable when they may pass, as ShippingError else."""
        try:
            yield
        except ClientError as error:
            raise self._explained(error, name) from error
        except (NoConnection, HTTPClientError, IncompleteReadError) as error:
            raise unreachable(f"The bucket {self._bucket}", error) from error
        except BotoCoreError as error:
            raise self._refused(error) from error

    def _explained(self, error: ClientError, name: str) -> ShippingError:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if _code(error) in _NOT_FOUND:
            return NotInStorage(f"There is no {name} in the bucket {self._bucket}.")
        if status >= 500 or status == 429 or _code(error) in _PASSING:
            return unreachable(f"The bucket {self._bucket}", error)
        return self._refused(error)

    def _refused(self, error: Exception) -> ShippingError:
        return ShippingError(
            f"The bucket {self._bucket} did not do what was asked: {error}. What is here is untouched, and so is what "
            "the manifest there names. See the storage's options and what its keys may do; then run this again."
        )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _etag(answer: Mapping[str, Any]) -> str:
    return str(answer.get("ETag", "")).strip('"')


def _is_from(part: Mapping[str, Any] | None, block: bytes) -> bool:
    """Whether a part that the server has is this block: by its SHA-256 when the server says it, else by its ETag."""
    if part is None:
        return False
    if part.get("ChecksumSHA256"):
        return bool(part["ChecksumSHA256"] == _checksum_of(block))
    return _etag(part) == _md5(block)


def _checksum_of(block: bytes) -> str:
    return _checksum(hashlib.sha256(block).digest())


def _checksum(digest: bytes) -> str:
    return b64encode(digest).decode()


def _md5(block: bytes) -> str:
    return hashlib.md5(block, usedforsecurity=False).hexdigest()
