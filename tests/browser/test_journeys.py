"""From page to page as people go: browse, open, correct, export; run the archive, watch it, verify; forget."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.site import Site
from tests.browser.watching import axe

Visit = Callable[..., Page]
CORRECTION = "What a person would have said."
SECONDS = 60_000  # milliseconds that a worker may take


def open_newest(site: Site, page: Page) -> None:
    """From the list of examples to the page of the first one."""
    page.goto(f"{site.admin}capture_app/exampleindex/")
    page.locator("#result_list tbody tr").first.locator("th a").click()
    axe(page)


def test_browse_open_correct_and_export(site: Site, visit: Visit, tmp_path: Path) -> None:
    *_, newest = site.capture(3)
    page = visit("review_examples", "export_examples")
    open_newest(site, page)

    with page.expect_navigation():  # until it is loaded, its script too: keys mean nothing before
        page.get_by_role("link", name="Review").click()
    page.keyboard.press("c")
    page.get_by_label("What the answer should have been").fill(CORRECTION)
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")
    open_newest(site, page)
    expect(page.get_by_role("heading", name="Correction")).to_be_visible()

    page.get_by_role("link", name="Export").first.click()
    axe(page)
    page.get_by_label("Format").select_option("trl-preference")
    page.get_by_role("button", name="Write the data set").click()
    axe(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as ZIP").click()
    download.value.save_as(tmp_path / "export.zip")
    with zipfile.ZipFile(tmp_path / "export.zip") as archive:
        records = b"".join(archive.read(name) for name in archive.namelist() if name.endswith(".jsonl"))
    assert records.count(b"\n") == 1
    assert CORRECTION.encode() in records
    assert site.rows("SELECT example_id, correction FROM capture_app_review") == [(newest, CORRECTION)]


@pytest.mark.usefixtures("worker")
def test_run_the_archive_watch_it_and_verify(site: Site, visit: Visit) -> None:
    site.capture(5)
    page = visit("run_archive")
    page.goto(f"{site.admin}training_archive/archiverun/")
    axe(page)

    page.get_by_role("button", name="Archive now").click()
    expect(page.get_by_text("Succeeded", exact=True).first).to_be_visible(timeout=SECONDS)
    axe(page)
    page.goto(f"{site.admin}training_archive/archiverun/")
    page.get_by_role("button", name="Verify now").click()
    expect(page.get_by_text("Succeeded", exact=True).first).to_be_visible(timeout=SECONDS)
    axe(page)

    runs = site.rows("SELECT kind, state, problems FROM training_archive_archiverun ORDER BY id")
    assert [(kind, state) for kind, state, _ in runs] == [("archive", "succeeded"), ("verify", "succeeded")]
    assert runs[1][2] == 0


def test_forget(site: Site, visit: Visit) -> None:
    *kept, newest = site.capture(2)
    page = visit("view_text", "forget_examples")
    open_newest(site, page)

    page.get_by_role("link", name="Forget").first.click()
    axe(page)
    page.locator("form:has(.danger) input[type=text], form:has(.danger) input[type=number]").fill("1")
    page.get_by_role("button", name="Forget for ever").click()
    expect(page.get_by_text("receipt").first).to_be_visible(timeout=SECONDS)
    axe(page)

    assert [key for (key,) in site.rows("SELECT id FROM capture_app_exampleindex")] == kept
    assert site.rows("SELECT id FROM capture_app_forgottenexample") == [(newest,)]
