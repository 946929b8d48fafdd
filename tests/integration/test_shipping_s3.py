"""The archive is shipped to an S3 server and fetched from it, through kills, outages and other hands' doing."""

import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from capture_app.models import Job
from tests.integration.conftest import ROOT, Project, project_in
from tests.integration.s3_server import S3Server, new_bucket, s3_server, storage_on
from tests.unit.training_archive.shipping.material import (
    ACTIVE,
    DATED,
    MANIFEST,
    add_blob,
    add_chunk,
    blobs_in,
    examples_in,
    prune,
    remove_blob,
    zips_in,
)
from training_archive.cold.forgetting import ColdStorageUnreached
from training_archive.cold.moving import move_to_cold_storage
from training_archive.cold.returning import fetch_from_cold
from training_archive.dated_names import roll_over
from training_archive.services import forget
from training_archive.shipping.exceptions import ShippingError
from training_archive.shipping.fetching import fetch_archive
from training_archive.shipping.retries import Backoff
from training_archive.shipping.service import ship_after_run, ship_archive

pytestmark = pytest.mark.django_db

MB = 10**6


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture(scope="module")
def large_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of some 30 MB, which S3 takes in four parts."""
    path = tmp_path_factory.mktemp("large") / ACTIVE
    add_chunk(path, 0, ["large"], response_strong=os.urandom(30 * MB).hex())
    assert path.stat().st_size > 25 * MB
    return path


@pytest.fixture
def bucket(server: S3Server) -> Iterator[Any]:
    """The bucket, empty, as boto3 knows it."""
    with new_bucket(server) as bucket:
        yield bucket


@pytest.fixture(scope="module")
def small_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive that S3 takes in one piece."""
    path = tmp_path_factory.mktemp("small") / ACTIVE
    add_chunk(path, 0, ["small"])
    return path


@pytest.fixture
def zip_path(data_dir: Path, large_zip: Path) -> Path:
    """The large archive, in its place."""
    data_dir.mkdir()
    return Path(shutil.copy(large_zip, data_dir))


@pytest.fixture
def small(data_dir: Path, small_zip: Path) -> Path:
    """The small archive, in its place."""
    data_dir.mkdir()
    return Path(shutil.copy(small_zip, data_dir))


@pytest.fixture(autouse=True)
def shipping(settings: Any, bucket: Any, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ship to the bucket, with short waits."""
    settings.STORAGES = {**settings.STORAGES, "bucket": storage_on(server.url)}
    settings.TRAINING_ARCHIVE = {"SHIP_TO": "bucket"}
    monkeypatch.setattr(Backoff, "wait", lambda self, failures: time.sleep(0.2))


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The training host's folder."""
    return tmp_path / "host"


def objects(bucket: Any) -> dict[str, bytes]:
    return {found.key: found.get()["Body"].read() for found in bucket.objects.all()}


def pending(bucket: Any) -> list[str]:
    return [upload.object_key for upload in bucket.multipart_uploads.all()]


# --- There and back --------------------------------------------------------------------------------------------------


def test_the_archive_goes_there_and_back(bucket: Any, zip_path: Path, data_dir: Path, host: Path) -> None:
    blobs = [add_blob(data_dir, os.urandom(1000 + number)) for number in range(30)]

    shipped = ship_archive()
    fetched = fetch_archive(to=host)

    assert {ACTIVE, MANIFEST, *blobs} <= set(objects(bucket))
    assert (shipped.sent, shipped.blobs_sent, fetched.fetched, fetched.blobs_fetched) == ([ACTIVE], 30, [ACTIVE], 30)
    assert (zips_in(host), blobs_in(host)) == (zips_in(data_dir), blobs_in(data_dir))
    assert (fetched.problems, pending(bucket)) == ([], [])


def test_anybody_can_download_and_unzip_it(bucket: Any, small: Path, tmp_path: Path) -> None:
    ship_archive()

    bucket.download_file(ACTIVE, str(tmp_path / "by hand.zip"))

    with zipfile.ZipFile(tmp_path / "by hand.zip") as archive:
        assert archive.testzip() is None


def test_after_an_append_the_server_copies_what_it_has(
    server: S3Server, bucket: Any, zip_path: Path, data_dir: Path, host: Path
) -> None:
    ship_archive()
    fetch_archive(to=host)
    add_chunk(zip_path, 1, ["new"])
    before = server.seen()

    report = ship_archive()
    fetched = fetch_archive(to=host)

    after = server.seen()
    assert report.bytes_sent < 9 * MB
    assert after["taken"] - before["taken"] < 9 * MB
    assert after["given"] - before["given"] < MB
    assert fetched.bytes_received < MB
    assert zips_in(host) == zips_in(data_dir)


def test_after_a_roll_over_the_server_copies_the_whole_zip(
    server: S3Server, bucket: Any, zip_path: Path, data_dir: Path, host: Path
) -> None:
    ship_archive()
    fetch_archive(to=host)
    roll_over(zip_path, datetime(2026, 11, 21, tzinfo=UTC))
    add_chunk(zip_path, 1, ["new"])
    before = server.seen()

    ship_archive()
    fetched = fetch_archive(to=host)

    after = server.seen()
    assert after["taken"] - before["taken"] < MB
    assert after["given"] - before["given"] < MB
    assert (fetched.taken, fetched.fetched) == ([DATED], [ACTIVE])
    assert examples_in(host / ACTIVE) == ["large", "new"]


def test_what_was_pruned_or_forgotten_is_deleted_there_and_nothing_else(
    bucket: Any, small: Path, data_dir: Path
) -> None:
    bucket.put_object(Key="notes.txt", Body=b"not ours")
    dated = roll_over(small, datetime(2026, 11, 21, tzinfo=UTC))
    add_chunk(small, 1, ["new"])
    blob = add_blob(data_dir, b"a face")
    ship_archive()
    assert {DATED, blob} <= set(objects(bucket))
    prune(dated)
    remove_blob(data_dir, blob)

    report = ship_archive()

    assert (report.deleted, report.blobs_deleted) == ([DATED], 1)
    assert set(objects(bucket)) == {ACTIVE, MANIFEST, "notes.txt"}


# --- Kills -----------------------------------------------------------------------------------------------------------


def killed(environment: dict[str, str], seen: Callable[[], int], enough: int, *arguments: str) -> None:
    """Run the command, and SIGKILL it once `seen` has grown by `enough`."""
    before = seen()
    with subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while seen() - before < enough:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.02)
        process.kill()


def test_an_upload_that_was_killed_is_taken_up(
    server: S3Server, bucket: Any, make_project: Callable[..., Project], zip_path: Path
) -> None:
    project = make_project(DJANGO_SETTINGS_MODULE="tests.integration.shipping_settings", S3_URL=server.url)
    server.trouble(delay=0.2)
    killed(project.environment, lambda: server.seen()["taken"], 18 * MB, "ship_archive")
    server.trouble(delay=0)
    assert ACTIVE not in objects(bucket)
    assert pending(bucket) == [ACTIVE]
    before = server.seen()["taken"]

    done = project.manage("ship_archive")

    assert done.returncode == 0, done.stderr
    assert server.seen()["taken"] - before < zip_path.stat().st_size - 8 * MB
    assert objects(bucket)[ACTIVE] == zip_path.read_bytes()
    assert pending(bucket) == []


def test_what_was_sent_of_another_version_is_sent_anew(bucket: Any, zip_path: Path) -> None:
    content, part_size = zip_path.read_bytes(), 8 * 2**20
    uploads = [bucket.Object(ACTIVE).initiate_multipart_upload(ChecksumAlgorithm="SHA256") for _ in range(2)]
    for upload in uploads:
        upload.Part(1).upload(Body=content[:part_size])
        upload.Part(2).upload(Body=b"of another version" * 500_000)
        upload.Part(9).upload(Body=b"its end")

    report = ship_archive()

    assert report.bytes_sent < len(content)
    assert objects(bucket)[ACTIVE] == content
    assert pending(bucket) == []


def test_what_was_sent_of_a_zip_that_is_gone_is_removed(bucket: Any, small: Path) -> None:
    upload = bucket.Object(DATED).initiate_multipart_upload()
    upload.Part(1).upload(Body=b"somebody who was forgotten")
    bucket.Object(f"blobs/ab/{'ab' * 32}").initiate_multipart_upload()
    bucket.Object("notes.zip").initiate_multipart_upload()

    ship_archive()

    assert pending(bucket) == ["notes.zip"]


def test_a_download_that_was_killed_is_taken_up_without_any_database(
    server: S3Server, bucket: Any, zip_path: Path, tmp_path: Path, host: Path
) -> None:
    ship_archive()
    project = project_in(
        tmp_path,
        DJANGO_SETTINGS_MODULE="tests.integration.shipping_settings",
        S3_URL=server.url,
        TRAINING_DATA_DIR=str(host),
        DATABASE_URL="postgres://nobody@127.0.0.1:9/nothing",
    )
    server.trouble(delay=0.03)
    killed(project.environment, lambda: server.seen()["given"], 12 * MB, "fetch_archive")
    server.trouble(delay=0)
    assert zips_in(host) == {}
    before = server.seen()["given"]

    done = project.manage("fetch_archive")

    assert done.returncode == 0, done.stderr
    assert server.seen()["given"] - before < zip_path.stat().st_size - 8 * MB
    assert zips_in(host) == {ACTIVE: zip_path.read_bytes()}


# --- Outages ---------------------------------------------------------------------------------------------------------


def test_a_server_that_is_away_for_a_while_is_waited_for(server: S3Server, bucket: Any, zip_path: Path) -> None:
    gone = iter([True])

    def progress(stage: str, done: int, total: int) -> None:
        if stage.startswith("shipping") and done < total and next(gone, False):
            server.trouble(away=0.5)

    ship_archive(progress=progress)

    assert next(gone, None) is None
    assert objects(bucket)[ACTIVE] == zip_path.read_bytes()


def test_a_download_that_is_cut_off_goes_on(server: S3Server, bucket: Any, zip_path: Path, host: Path) -> None:
    ship_archive()
    before = server.seen()["given"]
    server.trouble(cut=3)

    fetch_archive(to=host)

    assert zips_in(host) == {ACTIVE: zip_path.read_bytes()}
    assert server.seen()["given"] - before < zip_path.stat().st_size + 3 * MB


def test_a_server_that_is_overloaded_is_asked_again(server: S3Server, bucket: Any, small: Path) -> None:
    server.trouble(refuse=3)

    ship_archive()

    assert objects(bucket)[ACTIVE] == small.read_bytes()


def test_a_server_that_stays_away_fails_the_ship_and_not_the_run(server: S3Server, bucket: Any, small: Path) -> None:
    server.trouble(refuse=1000)

    assert ship_after_run() is None

    assert Job.objects.get(name="ship").problem == "StorageUnreachable (ClientError)"
    server.trouble(refuse=0)
    assert ship_after_run() is not None
    assert objects(bucket)[ACTIVE] == small.read_bytes()


def test_a_bucket_that_is_not_there_is_an_error_at_once(settings: Any, server: S3Server, small: Path) -> None:
    storage = storage_on(server.url)
    storage["OPTIONS"]["bucket_name"] = "no-such-bucket"
    settings.STORAGES = {**settings.STORAGES, "bucket": storage}

    with pytest.raises(ShippingError, match="no-such-bucket did not do what was asked"):
        ship_archive()


# --- Other hands -----------------------------------------------------------------------------------------------------


def test_wrong_bytes_there_are_refused_by_a_fetch_and_replaced_by_a_recheck(
    bucket: Any, zip_path: Path, host: Path
) -> None:
    ship_archive()
    wrong = bytearray(zip_path.read_bytes())
    wrong[len(wrong) // 2] ^= 1
    bucket.put_object(Key=ACTIVE, Body=bytes(wrong))

    with pytest.raises(ShippingError, match="not what the manifest says"):
        fetch_archive(to=host)
    assert zips_in(host) == {}
    assert ship_archive(recheck=True).sent == [ACTIVE]
    fetch_archive(to=host)
    assert zips_in(host) == {ACTIVE: zip_path.read_bytes()}


def test_a_server_that_says_nothing_of_a_content_is_read_back(server: S3Server, bucket: Any, zip_path: Path) -> None:
    server.trouble(opaque=1)
    before = server.seen()["given"]

    assert ship_archive().sent == [ACTIVE]

    assert server.seen()["given"] - before > zip_path.stat().st_size
    assert ship_archive().sent == []


def test_an_object_of_another_size_is_replaced_without_being_asked(bucket: Any, zip_path: Path) -> None:
    ship_archive()
    bucket.put_object(Key=ACTIVE, Body=b"short")

    assert ship_archive().sent == [ACTIVE]
    assert objects(bucket)[ACTIVE] == zip_path.read_bytes()


# --- Cold storage ----------------------------------------------------------------------------------------------------


@pytest.fixture
def cold(settings: Any) -> None:
    """Old chunks move into a folder of the same bucket."""
    settings.TRAINING_ARCHIVE = {"COLD_STORAGE": "bucket", "COLD_PREFIX": "cold"}


def keys_in(bucket: Any) -> list[str]:
    return sorted(found.key.partition(".")[0] for found in bucket.objects.all())


@pytest.mark.usefixtures("cold")
def test_a_large_part_moves_by_the_servers_own_checksums_and_comes_back(
    zip_path: Path, bucket: Any, server: S3Server
) -> None:
    given = server.seen()["given"]

    assert move_to_cold_storage(older_than=timedelta(days=1)).rows == 1

    assert server.seen()["given"] - given < MB  # it was not read back
    assert not zip_path.exists()
    assert keys_in(bucket) == ["cold/llm_training_dataset"] * 2

    fetch_from_cold()

    assert examples_in(zip_path) == ["large"]
    assert [found.key for found in bucket.objects.all()] == ["cold/llm_training_dataset.cold.json"]


@pytest.mark.usefixtures("cold", "small")
def test_to_forget_waits_for_a_server_that_is_away(data_dir: Path, bucket: Any, server: S3Server) -> None:
    move_to_cold_storage(older_than=timedelta(days=1))
    server.trouble(refuse=1000)
    with pytest.raises(ColdStorageUnreached):
        forget(by="ann", ids=["small"])
    server.trouble(refuse=0)

    [receipt] = forget(by="ann").receipts

    assert (receipt.examples, keys_in(bucket)) == (1, ["cold/llm_training_dataset"])
