"""The storage's S3 bucket: objects written as a stream, and presigned URLs of them. Needs django-storages.

An object comes to be when its last byte is there: a multipart upload that was broken off shows nothing. Each part goes
with its SHA-256, which the server checks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase
from typing import Any, Final

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError
from django.utils.http import content_disposition_header
from storages.backends.s3 import S3Storage
from storages.utils import safe_join

from training_archive.shipping.exceptions import ShippingError
from training_archive.shipping.sources import BLOCK

SMALLEST_PART: Final = 8 * 2**20  # bytes; S3 takes 5 MiB to 5 GiB
_MOST_PARTS: Final = 9_000  # S3 takes 10,000


class Bucket:
    """The bucket of one of Django's STORAGES. `key_prefix` is that of the names in it."""

    def __init__(self, storage: S3Storage, prefix: str) -> None:
        self._storage = storage
        self._prefix = prefix
        self._client: Any = storage.connection.meta.client
        # Where nobody has chosen, botocore presigns with the outdated version 2.
        self._client.meta.events.register_first("choose-signer.s3.GetObject", _version_4, unique_id="training_files")

    def write(self, name: str, blocks: Iterator[bytes], size: int, content_type: str) -> None:
        """A new object of `size` bytes, in bounded memory. What `blocks` raises ends it, without an object."""
        part = max(SMALLEST_PART, -(-size // _MOST_PARTS))
        config = TransferConfig(multipart_threshold=part, multipart_chunksize=part, use_threads=False)
        options = {
            "ContentType": content_type,
            **self._storage.get_object_parameters(name),
            "ChecksumAlgorithm": "SHA256",
        }
        with BufferedReader(_Blocks(blocks), BLOCK) as stream, self._told():
            self._client.upload_fileobj(stream, self._bucket, self._key(name), ExtraArgs=options, Config=config)
            written = self._client.head_object(Bucket=self._bucket, Key=self._key(name))["ContentLength"]
        if written != size:
            raise ShippingError(f"{name} has {written:,} bytes in the bucket, and not {size:,}. Nothing names it.")

    def link(self, name: str, *, filename: str, seconds: int) -> str:
        """A URL that is good for so many seconds and for this object alone."""
        request = {
            "Bucket": self._bucket,
            "Key": self._key(name),
            "ResponseContentDisposition": content_disposition_header(True, filename),
        }
        with self._told():
            url: str = self._client.generate_presigned_url("get_object", Params=request, ExpiresIn=seconds)
        return url

    def abort_unfinished(self, name: str) -> None:
        """Drop the parts of uploads of this object that were broken off by a kill."""
        key = self._key(name)
        with self._told():
            found = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key).get("Uploads", [])
            for upload in found:
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"])

    @property
    def _bucket(self) -> str:
        name: str = self._storage.bucket_name
        return name

    def _key(self, name: str) -> str:
        key: str = safe_join(self._storage.location, f"{self._prefix}/{name}" if self._prefix else name)
        return key

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (Boto3Error, BotoCoreError, ClientError) as error:
            raise ShippingError(
                f"The bucket {self._bucket} did not do what was asked: {error}. Nothing was changed; do it again when "
                "it answers, or see the storage's options and what its keys may do."
            ) from error


class _Blocks(RawIOBase):
    """Blocks as a file that can only be read on."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = memoryview(block)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _version_4(signature_version: str, **_: Any) -> str | None:
    return "s3v4-query" if signature_version in ("v4-query", "s3v4-query") else None
