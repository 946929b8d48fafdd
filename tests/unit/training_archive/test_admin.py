"""Chunks in the admin: to look at, and nothing else."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from training_archive.models import ArchivedChunk

pytestmark = pytest.mark.django_db

LIST = "admin:training_archive_archivedchunk_changelist"
ADD = "admin:training_archive_archivedchunk_add"
CHANGE = "admin:training_archive_archivedchunk_change"
DELETE = "admin:training_archive_archivedchunk_delete"


@pytest.fixture
def chunk() -> ArchivedChunk:
    return ArchivedChunk.objects.create(
        name="llm_training_chunk_20260101T110000_000000Z",
        zip_name="<script>alert(1)</script>.zip",
        rows=1234,
        size=5678,
        sha256="0123456789abcdef" * 4,
        archived_at=datetime(2026, 1, 1, 11, tzinfo=UTC),
    )


def test_the_list_shows_each_chunk(admin_client: Client, chunk: ArchivedChunk) -> None:
    page = admin_client.get(reverse(LIST)).content.decode()

    assert chunk.name in page
    assert "1234" in page


def test_a_chunk_is_found_by_its_name_or_checksum(admin_client: Client, chunk: ArchivedChunk) -> None:
    for question, is_found in (("20260101", True), (chunk.sha256[:10], True), ("nothing", False)):
        page = admin_client.get(reverse(LIST), {"q": question}).content.decode()
        assert (chunk.name in page) is is_found


def test_the_page_of_a_chunk_shows_it_as_text_only(admin_client: Client, chunk: ArchivedChunk) -> None:
    page = admin_client.get(reverse(CHANGE, args=[chunk.pk])).content.decode()

    assert chunk.sha256 in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.zip" in page
    assert "<script>alert(1)" not in page
    assert 'name="_save"' not in page


@pytest.mark.parametrize("method", ["get", "post"])
def test_not_even_a_superuser_adds_a_chunk(admin_client: Client, method: str) -> None:
    assert getattr(admin_client, method)(reverse(ADD)).status_code == 403


def test_not_even_a_superuser_changes_a_chunk(admin_client: Client, chunk: ArchivedChunk) -> None:
    assert admin_client.post(reverse(CHANGE, args=[chunk.pk]), {"rows": 1}).status_code == 403
    assert ArchivedChunk.objects.get().rows == 1234


def test_not_even_a_superuser_deletes_a_chunk(admin_client: Client, chunk: ArchivedChunk) -> None:
    assert admin_client.post(reverse(DELETE, args=[chunk.pk]), {"post": "yes"}).status_code == 403
    selected = {"action": "delete_selected", "_selected_action": chunk.pk, "post": "yes"}
    admin_client.post(reverse(LIST), selected)
    assert ArchivedChunk.objects.exists()


def test_staff_need_the_permission_to_view_chunks(client: Client, chunk: ArchivedChunk) -> None:
    user = User.objects.create_user("reader", is_staff=True)
    client.force_login(user)
    assert client.get(reverse(LIST)).status_code == 403

    user.user_permissions.add(Permission.objects.get(codename="view_archivedchunk"))
    assert chunk.name in client.get(reverse(LIST)).content.decode()


def test_strangers_are_sent_to_the_login(client: Client) -> None:
    answer = client.get(reverse(LIST))

    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("admin:login"))
