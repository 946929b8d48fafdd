"""A page that is looked at critically: its errors, what its policy refused, and what a screen reader would miss."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it says no types
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    Request,
    Response,
    ViewportSize,
)

from tests.browser.site import PASSWORD, Site

DESK: Final[ViewportSize] = {"width": 1280, "height": 900}
PHONE: Final[ViewportSize] = {"width": 360, "height": 740}

_SERIOUS: Final = ("serious", "critical")
_LEFT: Final = "net::ERR_ABORTED"  # by somebody who went on to another page
_ASKED_BY_THE_BROWSER: Final = "/favicon.ico"


@dataclass(frozen=True, slots=True)
class Look:
    """How a page is looked at."""

    name: str
    scheme: Literal["light", "dark"]
    size: ViewportSize

    def put_on(self, page: Page) -> None:
        page.emulate_media(color_scheme=self.scheme)
        page.set_viewport_size(self.size)

    def __str__(self) -> str:
        return self.name


LOOKS: Final = (Look("light", "light", DESK), Look("dark", "dark", DESK), Look("phone", "dark", PHONE))
EXTREMES: Final = (LOOKS[0], LOOKS[-1])  # all colours and both widths, in two looks


@contextmanager
def chromium(playwright: Playwright, program: str) -> Iterator[Browser]:
    """The system's browser. Its sandbox needs what containers do not allow."""
    browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
    try:
        yield browser
    finally:
        browser.close()


def log_in(context: BrowserContext, site: Site, user: str) -> Page:
    """A page on which that user, see Site.add_user, came to the admin's first one."""
    page = context.new_page()
    page.goto(site.admin)
    page.get_by_label("Username").fill(user)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(site.admin)
    return page


def axe(page: Page) -> None:
    """Fail on what axe-core calls serious or critical."""
    found = Axe().run(page).response["violations"]
    serious = [
        f"{each['impact']}: {each['help']}\n" + "\n".join(f"    {node['html']}" for node in each["nodes"])
        for each in found
        if each["impact"] in _SERIOUS
    ]
    assert not serious, f"{page.url}\n" + "\n".join(serious)


def is_wider_than_its_window(page: Page) -> bool:
    """Whether it has to be scrolled sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


class Watch:
    """Collects what went wrong on all pages of a browser context: errors of scripts, refusals, what did not load."""

    def __init__(self, context: BrowserContext) -> None:
        self.problems: list[str] = []
        self.expected: set[int] = set()  # status codes of errors that a test provokes
        context.on("console", self._note_console)
        context.on("weberror", lambda error: self.problems.append(f"uncaught: {error.error}"))
        context.on("requestfailed", self._note_failure)
        context.on("response", self._note_status)

    def _note_console(self, message: ConsoleMessage) -> None:
        """What the page's policy refused comes this way, too. What did not load is in the statuses."""
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.problems.append(f"{message.type}: {message.text}")

    def _note_failure(self, request: Request) -> None:
        if request.failure != _LEFT:
            self.problems.append(f"not loaded: {request.url}: {request.failure}")

    def _note_status(self, response: Response) -> None:
        expected = response.ok or 300 <= response.status < 400 or response.status in self.expected
        if not expected and not response.url.endswith(_ASKED_BY_THE_BROWSER):
            self.problems.append(f"{response.status}: {response.url}")
