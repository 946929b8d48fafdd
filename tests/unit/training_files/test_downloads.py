"""A link leads to one state of one version in one format, for a while, and to nothing else."""

from typing import Any

import pytest
from django.core import signing

from tests.unit.training_files.material import ADA, BOB, both_files, made
from training_files import downloads, service
from training_files.downloads import download_link, open_download
from training_files.exceptions import DownloadRefused, InvalidRequest, NotFound
from training_files.models import TrainingFile

pytestmark = pytest.mark.django_db


def token(training_file: TrainingFile, kind: str = "json", **options: Any) -> str:
    return download_link(training_file.pk, kind, by=ADA, **options).url.rsplit("/", 1)[1].replace("%3A", ":")


def refusal(token: str) -> str:
    with pytest.raises(DownloadRefused) as found:
        open_download(token)
    return str(found.value)


@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_a_link_leads_to_the_file(kind: str) -> None:
    training_file = made(1, 2)

    link = download_link(training_file.pk, kind, by=BOB)
    download = open_download(token(training_file, kind))

    content = b"".join(download.blocks)
    assert (link.filename, link.expires_in_seconds) == (f"a file.{kind}", 3600)
    assert content == both_files(training_file)[kind == "jsonl"]
    assert (download.filename, download.size) == (link.filename, len(content))


def test_an_older_version_has_links_of_its_own() -> None:
    training_file = made(1, 2)
    old = token(training_file)
    before = both_files(training_file)[0]
    service.new_version(training_file.pk, by=ADA)
    service.remove_conversations(training_file.pk, ["c1"], by=ADA)

    for each in (old, token(training_file, number=1)):
        download = open_download(each)
        assert b"".join(download.blocks) == before
        assert download.filename == "a file-v1.json"


def test_a_link_that_was_changed_is_refused() -> None:
    training_file, other = made(1), made(2, name="other")
    good, foreign = token(training_file), token(other)

    payload, stamp, signature = good.split(":")
    forged = [
        "",
        "x" * 100_000,
        good[:-1],
        good + "A",
        f"{foreign.split(':')[0]}:{stamp}:{signature}",
        f"{payload}:{foreign.split(':')[1]}x:{signature}",
        f"{payload}:{stamp}:{foreign.split(':')[2]}",
        signing.dumps({"file": other.pk.hex}, salt="another purpose"),
        signing.dumps(
            signing.loads(good, salt="training_files.download"), key="foreign", salt="training_files.download"
        ),
        "ünï:cödé:\x00",
    ]

    assert {refusal(each) for each in forged} == {
        "The link is none of ours, or was changed on its way. Ask for a new one."
    }


def test_a_link_expires(settings: Any) -> None:
    good = token(made(1))

    settings.TRAINING_FILES = {"URL_SECONDS": 0}

    assert "expired" in refusal(good)


def test_a_link_is_not_good_for_what_came_later() -> None:
    training_file = made(1, 2)
    good = token(training_file)

    service.remove_conversations(training_file.pk, ["c1"], by=ADA)

    assert "was changed since" in refusal(good)
    open_download(token(training_file))


def test_a_link_to_what_was_deleted_is_refused() -> None:
    training_file = made(1)
    good = token(training_file)

    service.delete_training_file(training_file.pk, by=ADA)

    assert "not there any more" in refusal(good)


def test_there_must_be_such_a_format_version_and_file() -> None:
    training_file = made(1)

    with pytest.raises(InvalidRequest) as found:
        download_link(training_file.pk, "exe", by=ADA)
    assert found.value.field == "format"
    with pytest.raises(NotFound):
        download_link(training_file.pk, "json", number=2, by=ADA)
    with pytest.raises(NotFound):
        download_link("../../etc/passwd", "json", by=ADA)


@pytest.mark.parametrize(
    ("name", "filename"),
    [
        ("../../etc/passwd", "_.._etc_passwd-3754d6cb.json"),
        ('a "b"\\c:d', "a _b__c_d-709d7970.json"),
        ("...", "ab5df625.json"),
        ("ü" * 200, "ü" * 75 + "-cb26b0de.json"),
        ("a _b__c_d", "a _b__c_d.json"),
    ],
)
def test_what_a_file_is_called_leads_nowhere(name: str, filename: str) -> None:
    described = service.describe(made(1, name=name))

    assert downloads.filename(described, "json") == filename
