"""Review in a browser: by keys alone, on a phone, and without JavaScript."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from tests.browser.site import Site
from tests.browser.watching import EXTREMES, Watch, axe, is_wider_than_its_window, log_in

REVIEW = "review_examples"
Visit = Callable[..., Page]


def open_queue(site: Site, page: Page, query: str = "") -> None:
    page.goto(f"{site.admin}capture_app/exampleindex/review/{query}")


def press(page: Page, key: str) -> None:
    """Press a key that leads to another page."""
    with page.expect_navigation():
        page.keyboard.press(key)


def at(page: Page) -> str:
    """The id of the example on the page."""
    return page.url.rpartition("at=")[2]


def reviews(site: Site) -> list[tuple[str, str, str]]:
    """Of each review the example, verdict and correction."""
    return site.rows("SELECT example_id, verdict, correction FROM capture_app_review ORDER BY example_id")


def test_a_queue_is_judged_by_keys_alone(site: Site, visit: Visit) -> None:
    first, second, third = site.capture(3)
    page = visit(REVIEW)
    open_queue(site, page)

    assert at(page) == third
    press(page, "g")
    expect(page.get_by_text("Judged good.")).to_be_visible()
    press(page, "b")
    assert at(page) == first
    press(page, "p")
    assert at(page) == second
    press(page, "u")
    expect(page.get_by_text("taken back")).to_be_visible()
    assert at(page) == second
    press(page, "s")
    assert at(page) == first
    press(page, "n")
    expect(page.get_by_role("heading", name="That is the end of this queue")).to_be_visible()
    assert reviews(site) == [(third, "good", "")]


def test_a_correction_is_written_and_saved_by_keys(site: Site, visit: Visit) -> None:
    (example,) = site.capture(1)
    page = visit(REVIEW)
    open_queue(site, page)

    page.keyboard.press("c")
    expect(page.get_by_label("What the answer should have been")).to_be_focused()
    page.keyboard.type("Good, bad and tags are no keys here. ")
    press(page, "Control+Enter")

    ((corrected, verdict, correction),) = reviews(site)
    assert (corrected, verdict) == (example, "")
    assert correction.startswith("Good, bad and tags are no keys here. [offline")


def test_a_tag_is_put_on_by_keys(site: Site, visit: Visit) -> None:
    (example,) = site.capture(1)
    page = visit(REVIEW)
    open_queue(site, page)

    page.keyboard.press("t")
    page.keyboard.type("odd")
    press(page, "Enter")

    assert at(page) == example
    expect(page.get_by_label("Tags", exact=True).get_by_text("odd")).to_be_visible()
    assert reviews(site) == []


def test_letters_are_no_keys_when_they_are_switched_off(site: Site, visit: Visit) -> None:
    (example,) = site.capture(1)
    page = visit(REVIEW)
    open_queue(site, page)

    page.keyboard.press("?")
    page.get_by_label("Single letters are keys").uncheck()
    page.reload()
    page.keyboard.press("g")
    page.locator("summary", has_text="Keys").click()
    page.get_by_label("Single letters are keys").check()
    press(page, "b")

    assert reviews(site) == [(example, "bad", "")]


def test_what_was_typed_is_not_left_behind_without_a_question(site: Site, visit: Visit) -> None:
    (example, _) = site.capture(2)
    page = visit(REVIEW)
    open_queue(site, page)
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    here = at(page)

    page.get_by_label("Comment").fill("not saved yet")
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    page.wait_for_timeout(300)  # for the browser's question, which no page shows

    assert asked == ["beforeunload"]
    assert at(page) == here != example


def test_two_people_judge_the_same_example_and_the_second_is_told(
    site: Site, visit: Visit, watch: Watch, browser: Browser
) -> None:
    (example,) = site.capture(1)
    watch.expected.add(409)
    page = visit(REVIEW)
    open_queue(site, page)
    site.add_user("bert", REVIEW)
    with browser.new_context() as other:
        second = log_in(other, site, "bert")
        open_queue(site, second)
        expect(second.get_by_text("anna opened this one, too")).to_be_visible()
        press(second, "b")

    press(page, "g")

    expect(page.get_by_text("Somebody judged this example")).to_be_visible()
    assert reviews(site) == [(example, "bad", "")]
    axe(page)


def test_the_queue_can_be_used_by_everybody(site: Site, visit: Visit, subtests: pytest.Subtests) -> None:
    """Light and dark, at a desk and on a phone."""
    site.capture(1)
    page = visit(REVIEW)
    for look in EXTREMES:
        with subtests.test(str(look)):
            look.put_on(page)
            open_queue(site, page)
            for summary in page.locator(".review summary").all():
                summary.click()
            axe(page)
            assert not is_wider_than_its_window(page)
            open_queue(site, page, "?task=none")
            axe(page)


def test_the_queue_works_without_javascript(site: Site, browser: Browser) -> None:
    first, second = site.capture(2)
    site.add_user("anna", REVIEW)
    with browser.new_context(java_script_enabled=False) as context:
        page = log_in(context, site, "anna")
        open_queue(site, page)
        page.get_by_label("Comment").fill("why")
        page.get_by_role("button", name="Bad").click()
        page.get_by_role("button", name="Undo").click()
        assert at(page) == second
        page.get_by_role("link", name="Skip", exact=True).click()
        page.locator("summary", has_text="Correct the answer").click()
        page.get_by_label("What the answer should have been").fill("better")
        page.get_by_role("button", name="Save the correction").click()

    assert reviews(site) == [(first, "", "better")]
