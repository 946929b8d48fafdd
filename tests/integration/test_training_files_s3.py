"""Training files in an S3 bucket: parts go there, and whole files are written there once to be presigned."""

import os
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.integration.s3_server import S3Server, new_bucket, s3_server, storage_on
from tests.unit.training_files.material import ADA, both_files, made, stored
from training_archive.shipping.exceptions import ShippingError
from training_files import service
from training_files.bucket import SMALLEST_PART
from training_files.downloads import download_link
from training_files.exceptions import PartDamaged
from training_files.models import JoinedFile, LooseFile, TrainingFilePart
from training_files.storage import open_bucket, sweep_loose_files

pytestmark = pytest.mark.django_db

PREFIX = "curated"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def bucket(server: S3Server) -> Iterator[Any]:
    """The bucket, empty, as boto3 knows it."""
    with new_bucket(server) as bucket:
        yield bucket


@pytest.fixture(autouse=True)
def in_bucket(settings: Any, bucket: Any, server: S3Server) -> None:
    settings.STORAGES = {**settings.STORAGES, "curated": storage_on(server.url)}
    settings.TRAINING_FILES = {"STORAGE": "curated", "PREFIX": PREFIX}


def fetched(url: str) -> tuple[bytes, Any]:
    with urllib.request.urlopen(url) as answer:
        return answer.read(), answer.headers


def joined(bucket: Any) -> list[str]:
    return [found.key for found in bucket.objects.filter(Prefix=f"{PREFIX}/joined/")]


def test_a_link_is_presigned_and_leads_to_the_whole_file(bucket: Any) -> None:
    training_file = made(1, 2, name="spring ü")
    service.add_conversations(training_file.pk, stored(3), by=ADA)

    for kind, expected in zip(("json", "jsonl"), both_files(training_file), strict=True):
        link = download_link(training_file.pk, kind, by=ADA)
        content, headers = fetched(link.url)

        signed = parse_qs(urlsplit(link.url).query)
        assert content == expected
        assert (link.expires_in_seconds, link.filename) == (3600, f"spring ü.{kind}")
        assert (signed["X-Amz-Algorithm"], signed["X-Amz-Expires"]) == (["AWS4-HMAC-SHA256"], ["3600"])
        assert "spring%20%C3%BC" in signed["response-content-disposition"][0]
        assert headers["Content-Type"] in ("application/json", "application/x-ndjson")
    assert len(joined(bucket)) == 2
    assert not LooseFile.objects.exclude(name__startswith="conversations/").exists()


def test_a_file_of_several_parts_of_an_upload_is_whole(bucket: Any) -> None:
    text = os.urandom(SMALLEST_PART // 4).hex()
    training_file = made(1)
    service.add_conversations(training_file.pk, stored(7, text=text), by=ADA)  # some 20 MB

    link = download_link(training_file.pk, "jsonl", by=ADA)

    content, _ = fetched(link.url)
    assert len(content) > 2 * SMALLEST_PART
    assert content == both_files(training_file)[1]
    etag = bucket.Object(joined(bucket)[0]).e_tag.strip('"')
    assert int(etag.split("-")[1]) == -(-len(content) // SMALLEST_PART)


def test_it_is_written_once_for_each_state(bucket: Any, settings: Any) -> None:
    training_file = made(1)
    keys = []
    for _ in range(2):
        download_link(training_file.pk, "json", by=ADA)
        keys.append(joined(bucket))
    assert keys[0] == keys[1]

    service.add_conversations(training_file.pk, stored(2), by=ADA)
    assert not JoinedFile.objects.exists()
    link = download_link(training_file.pk, "json", by=ADA)

    assert fetched(link.url)[0] == both_files(training_file)[0]
    settings.TRAINING_FILES = {**settings.TRAINING_FILES, "ORPHAN_HOURS": 0, "URL_SECONDS": 0}
    sweep_loose_files()
    assert len(joined(bucket)) == 1
    assert keys[0] != joined(bucket)
    service.delete_training_file(training_file.pk, by=ADA)
    sweep_loose_files()
    assert [found.key for found in bucket.objects.filter(Prefix=f"{PREFIX}/parts/")] == []
    assert joined(bucket) == []


def test_a_damaged_part_makes_no_file(bucket: Any) -> None:
    training_file = made(1)
    name = f"{PREFIX}/{TrainingFilePart.objects.get().stem}.json"
    bucket.Object(name).put(Body=b"x" * bucket.Object(name).content_length)

    with pytest.raises(PartDamaged):
        download_link(training_file.pk, "json", by=ADA)

    assert joined(bucket) == []
    assert not JoinedFile.objects.exists()


def test_a_large_upload_that_breaks_off_leaves_no_file_and_a_sweep_what_was_sent(bucket: Any, settings: Any) -> None:
    training_file = made(1, text="x" * (SMALLEST_PART // 4))
    part = TrainingFilePart.objects.get()
    name = f"{PREFIX}/{part.stem}.json"
    content = bucket.Object(name).get()["Body"].read()
    bucket.Object(name).put(Body=content[:-1] + b"x")

    with pytest.raises(PartDamaged):
        download_link(training_file.pk, "json", by=ADA)
    assert list(bucket.multipart_uploads.all()) == []  # the uploader aborts what it knows of

    killed = LooseFile.objects.get(name__startswith="joined/").name
    bucket.Object(f"{PREFIX}/{killed}").initiate_multipart_upload()  # as a kill would have left it
    settings.TRAINING_FILES = {**settings.TRAINING_FILES, "ORPHAN_HOURS": 0, "URL_SECONDS": 0}
    sweep_loose_files()
    assert list(bucket.multipart_uploads.all()) == []


def test_what_the_bucket_refuses_or_has_not_whole_is_told(bucket: Any, server: S3Server) -> None:
    files = open_bucket()
    assert files is not None
    server.trouble(refuse=1)

    with pytest.raises(ShippingError, match="did not do what was asked"):
        files.write("joined/one", iter([b"abc"]), 3, "text/plain")
    with pytest.raises(ShippingError, match="3 bytes in the bucket, and not 4"):
        files.write("joined/one", iter([b"abc"]), 4, "text/plain")
