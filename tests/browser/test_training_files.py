"""From conversations to a training file, as people go: pick, make a file, even it out, review, download."""

import json
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.site import Site
from tests.browser.watching import axe

_STORE = """
import django
django.setup()
from tests.unit.training_files.filling import conversation, store
store(conversation("first", pairs=2), conversation("second", cell=("other", "a", "t")))
"""


def test_pick_make_even_out_review_and_download(site: Site, visit: Callable[..., Page], tmp_path: Path) -> None:
    site.run(_STORE)
    page = visit("view_conversation", "change_conversation", "view_trainingfile", "add_trainingfile")

    page.goto(f"{site.admin}training_files/conversation/?q=first")
    page.locator("tbody input.action-select").check()
    page.get_by_label("Action:").select_option("add_to_file")
    page.get_by_role("button", name="Go", exact=True).click()
    axe(page)
    page.get_by_label("Name of a new one").fill("Spring <b>2026</b>")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("heading", name="Training file Spring <b>2026</b>")).to_be_visible()

    page.get_by_role("link", name="Suggestions").first.click()
    page.get_by_role("button", name="Add second").click()
    expect(page.get_by_text("There is none")).to_be_visible()
    page.get_by_role("link", name="Spring <b>2026</b>").click()

    with page.expect_download() as download:
        page.get_by_role("link", name="Download JSONL").click()
    download.value.save_as(tmp_path / "file.jsonl")
    lines = (tmp_path / "file.jsonl").read_text().splitlines()
    assert [json.loads(line)["conversation_id"] for line in lines[1:]] == ["first", "first", "second"]

    page.get_by_role("link", name="first").click()
    page.locator("#pair-2").get_by_label("Quality, 1 to 5").fill("4.9")
    page.locator("#pair-2").get_by_role("button", name="Save the review").click()
    expect(page.get_by_text("The review of pair 2 is stored.")).to_be_visible()
    axe(page)
    assert site.rows("SELECT reviewed_pairs FROM training_files_conversation WHERE id = 'first'") == [(1,)]
