"""Downloads over the API: the answer of the seed, and what its link leads to."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from unittest.mock import patch

import pytest
from django.core.handlers.asgi import ASGIRequest

from tests.unit.training_files.api.asking import Asking, actor, problem, program
from tests.unit.training_files.filling import many, training_file
from tests.unit.training_files.material import both_files
from training_files.api.download_views import ContentView
from training_files.models import TrainingFilePart
from training_files.storage import open_files

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader() -> Asking:
    return program("reader", "read")


def link(reader: Asking, file_id: Any, query: str = "format=json") -> Any:
    return reader.get(f"/{file_id}/download?{query}")


def followed(url: str, method: str = "get") -> Any:
    """By a client that nobody knows."""
    return getattr(Asking().client, method)(url.removeprefix("http://testserver"))


def test_a_download_is_answered_exactly_as_in_the_seed(reader: Asking) -> None:
    made = training_file(many("c", 2), name="my file")

    response = link(reader, made.pk, "format=jsonl")

    found = response.json()
    assert response.status_code == 200
    assert list(found) == ["download_url", "filename", "expires_in_seconds"]
    assert found["download_url"].startswith("http://testserver/api/training-files/content/")
    assert (found["filename"], found["expires_in_seconds"]) == ("my file.jsonl", 3600)


@pytest.mark.parametrize(("kind", "content_type"), [("json", "application/json"), ("jsonl", "application/x-ndjson")])
def test_a_link_leads_to_the_file(reader: Asking, kind: str, content_type: str) -> None:
    made = training_file(many("c", 2), name="my file")

    response = followed(link(reader, made.pk, f"format={kind}").json()["download_url"])

    content = b"".join(response.streaming_content)
    assert content == dict(zip(("json", "jsonl"), both_files(made), strict=True))[kind]
    assert response["Content-Length"] == str(len(content))
    assert response["Content-Type"] == content_type
    assert response["Content-Disposition"] == f'attachment; filename="my file.{kind}"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]


def test_head_tells_the_length_and_reads_nothing(reader: Asking) -> None:
    made = training_file(many("c", 1))
    url = link(reader, made.pk).json()["download_url"]

    with patch.object(type(open_files()), "read", side_effect=AssertionError):
        response = followed(url, "head")

    assert int(response["Content-Length"]) == len(both_files(made)[0])


def test_an_older_version_is_downloaded_as_it_was(reader: Asking) -> None:
    made = training_file(many("c", 2), by=actor("writer"))
    first = both_files(made)[0]
    writer = program("writer", "write")
    writer.post(f"/{made.pk}/versions", {})
    writer.post(f"/{made.pk}/remove-conversations", {"conversation_ids": ["c0"]})

    response = followed(link(reader, made.pk, "format=json&version=1").json()["download_url"])

    assert b"".join(response.streaming_content) == first


def test_a_name_full_of_tricks_stays_in_its_header(reader: Asking) -> None:
    made = training_file(many("c", 1), name='../"x"; filename=evil.exe \u2192 \u00fc')

    response = followed(link(reader, made.pk).json()["download_url"])

    assert re.fullmatch(r"attachment; filename\*=utf-8''[\w%.-]+", response["Content-Disposition"])
    assert "/" not in response["Content-Disposition"].removeprefix("attachment")


@pytest.mark.parametrize("query", ["", "format=", "format=xml", "format=json&version=one", "format=json&version=0"])
def test_what_is_no_format_or_version_is_refused(reader: Asking, query: str) -> None:
    assert problem(link(reader, training_file(many("c", 1)).pk, query)) == (400, "invalid")


def test_a_version_that_there_is_not_is_not_found(reader: Asking) -> None:
    assert problem(link(reader, training_file(many("c", 1)).pk, "format=json&version=2")) == (404, "not_found")


def test_a_link_that_was_changed_is_refused(reader: Asking) -> None:
    first, second = (link(reader, training_file(many(name, 1), name=name).pk).json()["download_url"] for name in "ab")
    head, _, signature = second.rpartition(":")
    payload = first.rpartition("/")[2].split(":")[0]

    assert problem(followed(f"{head}:{signature[::-1]}")) == (403, "link_refused")
    assert problem(followed(f"{first.rpartition('/')[0]}/{payload}:{signature}")) == (403, "link_refused")
    assert problem(followed(f"{first.rpartition('/')[0]}/nonsense")) == (403, "link_refused")


def test_an_expired_link_is_refused(reader: Asking, settings: Any) -> None:
    url = link(reader, training_file(many("c", 1)).pk).json()["download_url"]
    later = (datetime.now(UTC) + timedelta(seconds=3601)).timestamp()

    with patch("django.core.signing.time.time", return_value=later):
        assert problem(followed(url)) == (403, "link_refused")


def test_a_link_is_for_what_the_file_was(reader: Asking) -> None:
    made = training_file(many("c", 2), by=actor("writer"))
    url = link(reader, made.pk).json()["download_url"]
    program("writer", "write").post(f"/{made.pk}/remove-conversations", {"conversation_ids": ["c0"]})

    assert problem(followed(url)) == (403, "link_refused")


def test_a_damaged_part_breaks_the_download_off(reader: Asking) -> None:
    url = link(reader, training_file(many("c", 1)).pk).json()["download_url"]
    part = TrainingFilePart.objects.get()
    open_files().put(f"{part.stem}.json", b"x" * part.json_bytes)

    with pytest.raises(Exception, match="is not what was written"):
        b"".join(followed(url).streaming_content)


def test_a_server_of_async_kind_streams_it_as_well(reader: Asking) -> None:
    made = training_file(many("c", 1))
    token = link(reader, made.pk).json()["download_url"].rpartition("/")[2]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}

    response = ContentView.as_view()(ASGIRequest(scope, BytesIO()), token=token)

    assert response.is_async
    assert asyncio.run(whole(response)) == both_files(made)[0]


async def whole(response: Any) -> bytes:
    return b"".join([block async for block in response.streaming_content])
