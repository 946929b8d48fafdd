"""The page of the API: it shows the description, tries requests out, and needs nothing from elsewhere."""

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.site import Site

CONVERSATION = """{"dataset_metadata": {}, "training_pairs": [{"id": "1", "turn_number": 1, "conversation_history": [],
"current_user_input": "", "target_response": "", "training_metadata": {}}]}"""


def test_somebody_who_is_logged_in_tries_requests_out(site: Site, visit: Callable[..., Page]) -> None:
    """The page's policy allows nothing inline; the watch fails on what it refused, and on what did not load. What
    changes something carries the CSRF token."""
    page = visit()
    page.goto(f"{site.url}/api/training-files/docs")

    status = tried_out(page.locator("#operations-training_files-listTrainingFiles"))
    expect(status).to_have_text("200")
    status = tried_out(page.locator("#operations-conversations-importConversation"), CONVERSATION)
    expect(status).to_have_text("201")


def tried_out(operation: Locator, body: str = "") -> Locator:
    """Send the request from the page; where its status is shown."""
    operation.get_by_role("button").first.click()
    operation.get_by_role("button", name="Try it out").click()
    if body:
        operation.locator("textarea").fill(body)
    operation.get_by_role("button", name="Execute").click()
    return operation.locator(".live-responses-table tbody .response-col_status")
