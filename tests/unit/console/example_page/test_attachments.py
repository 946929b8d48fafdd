"""Images and files out of messages: to who may read, from the page of their example, and never as what could run."""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.http import Http404
from django.test import Client
from django.urls import reverse

from capture_app.blobs import Blob, blob_path, store_blobs
from capture_app.models import ExampleIndex, ForgottenExample
from console.example_page.addresses import page_address
from console.example_page.attachments import attacher, send_attachment
from tests.unit.console.example_page.conftest import Show, Store
from tests.unit.console.hostile import Page

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'

pytestmark = pytest.mark.django_db


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def with_blob(store: Store, data_dir: Path) -> Callable[..., ExampleIndex]:
    """An example with one message, which has an image or a file."""

    def make(content: bytes, media_type: str, **facts: Any) -> ExampleIndex:
        store_blobs(data_dir, [Blob(sha256(content), media_type, content)])
        part = {"type": "image_url", "image_url": {"url": f"blob:sha256:{sha256(content)}"}}
        fact = {"media_type": media_type, "bytes": len(content), **facts}
        gleaner = {"messages": [{"role": "user", "content": [part]}], "blobs": {sha256(content): fact}}
        return store(metadata={"gleaner": gleaner})

    return make


def addresses(page: Page) -> list[str]:
    return [value for tag, name, value in page.attributes if name in ("src", "href") and "/attachments/" in value]


def test_an_image_is_shown_as_what_it_is(
    with_blob: Callable[..., ExampleIndex], show: Show, admin_client: Client
) -> None:
    row = with_blob(PNG, "image/svg+xml")  # whatever its message says

    [link, image] = addresses(show(row.pk))
    answer = admin_client.get(image)

    assert link == image
    assert b"".join(answer) == PNG
    assert answer["Content-Type"] == "image/png"
    assert answer["Content-Disposition"] == f'inline; filename="{sha256(PNG)}.png"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize(
    ("content", "media_type", "ending"),
    [
        (SVG, "image/svg+xml", "bin"),
        (SVG, "image/png", "bin"),
        (b"<script>alert(1)</script>", "text/html", "bin"),
        (b"%PDF-1.4", "application/pdf", "pdf"),
        (b"x", "../../etc/passwd\r\nX: y", "bin"),
    ],
)
def test_all_else_is_a_download_under_a_safe_name(
    content: bytes,
    media_type: str,
    ending: str,
    with_blob: Callable[..., ExampleIndex],
    show: Show,
    admin_client: Client,
) -> None:
    page = show(with_blob(content, media_type).pk)

    [url] = addresses(page)
    answer = admin_client.get(url)

    assert "img" not in {tag for tag, _ in page.elements}
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == f'attachment; filename="{sha256(content)}.{ending}"'
    answer.close()


def test_an_image_over_the_limit_or_missing_is_said(
    with_blob: Callable[..., ExampleIndex], show: Show, data_dir: Path
) -> None:
    over, missing = with_blob(PNG, "image/png", kept=False), with_blob(PNG, "image/png")
    blob_path(data_dir, sha256(PNG)).unlink()

    for row, words in ((over, "larger than is kept"), (missing, "missing in blobs/")):
        page = show(row.pk)
        assert addresses(page) == []
        assert page.texts_with(words)


def test_a_link_serves_only_the_user_whose_page_it_was_on(
    with_blob: Callable[..., ExampleIndex], show: Show, client_of: Callable[..., Client]
) -> None:
    [url, _] = addresses(show(with_blob(PNG, "image/png").pk))
    other = client_of("console.view_text")

    assert other.get(url).status_code == 404


def test_who_may_not_read_gets_no_image(
    with_blob: Callable[..., ExampleIndex], show: Show, client_of: Callable[..., Client], client: Client
) -> None:
    [url, _] = addresses(show(with_blob(PNG, "image/png").pk))

    assert client_of("console.view_figures").get(url).status_code == 403
    client.logout()
    assert client.get(url).status_code == 302


def test_an_address_that_holds_a_nul_names_no_example(admin_client: Client) -> None:
    address = reverse("admin:console_example_attachment", args=["a\0b", f"{sha256(PNG)}.png"])

    assert admin_client.get(address).status_code == 404


@pytest.mark.parametrize("size", [10**400, -1, "many", None])
def test_a_size_that_is_none_is_not_known(with_blob: Callable[..., ExampleIndex], show: Show, size: object) -> None:
    row = with_blob(PNG, "image/png", bytes=size)

    assert show(row.pk).texts_with("size unknown")


def test_the_images_of_a_forgotten_example_are_gone_at_once(
    with_blob: Callable[..., ExampleIndex], show: Show, admin_client: Client
) -> None:
    row = with_blob(PNG, "image/png")
    [url, _] = addresses(show(row.pk))
    ForgottenExample.objects.create(id=row.pk, erasure="x")

    assert admin_client.get(url).status_code == 404


@pytest.mark.parametrize("name", ["", "x.png", "../../etc/passwd", f"{'0' * 64}.png", f"{'0' * 64}.png/..", "\0" * 64])
def test_no_other_name_leads_anywhere(name: str, data_dir: Path) -> None:
    with pytest.raises(Http404):
        send_attachment("1", "e-1", name, "no key")


def test_a_key_is_good_for_its_name_alone(data_dir: Path) -> None:
    store_blobs(data_dir, [Blob(sha256(content), "image/png", content) for content in (PNG, SVG)])
    attach = attacher("1", "e-1", lambda name: name)
    name, _, key = attach(sha256(PNG), {}).url.partition("?key=")

    send_attachment("1", "e-1", name, key).close()
    for owner, example_id, other in (("2", "e-1", name), ("1", "e-2", name), ("1", "e-1", f"{sha256(SVG)}.bin")):
        with pytest.raises(Http404):
            send_attachment(owner, example_id, other, key)


@pytest.mark.parametrize("fact", [{}, {"bytes": "x", "media_type": 7}, {"bytes": -1}, {"bytes": 10**30}])
def test_odd_facts_of_an_attachment_are_borne(fact: dict[str, Any]) -> None:
    attacher("1", "e-1", lambda name: name)("no hash", fact)


def test_an_address_without_a_key_is_refused(
    with_blob: Callable[..., ExampleIndex], show: Show, admin_client: Client
) -> None:
    row = with_blob(PNG, "image/png")
    [url, _] = addresses(show(row.pk))

    assert admin_client.get(url.partition("?")[0]).status_code == 404
    assert page_address(row.pk) in url
