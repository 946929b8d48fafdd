"""A site of its own for each test, and a browser to visit it with."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.site import Site, serve_site, work
from tests.browser.watching import DESK, Watch, chromium, log_in
from tests.conftest import find_program


@pytest.fixture(scope="module")  # not longer: while Playwright runs, Django takes this thread for an event loop's
def browser() -> Iterator[Browser]:
    """Headless Chromium; without it the test is skipped, or fails when REQUIRE_ALL is set."""
    program = find_program("chromium")
    with sync_playwright() as playwright, chromium(playwright, program) as started:
        yield started


@pytest.fixture
def site(browser: Browser, migrated: Path, tmp_path: Path) -> Iterator[Site]:
    """The site, with nobody and nothing in it. It asks for the browser first: without one, nothing need be served."""
    with serve_site(tmp_path, migrated) as served:
        yield served


@pytest.fixture
def worker(site: Site) -> Iterator[None]:
    """A Celery worker for the site."""
    with work(site):
        yield


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that remembers nothing of other tests; `watch` makes it critical."""
    with browser.new_context(viewport=DESK) as opened:
        opened.set_default_timeout(20_000)  # milliseconds; a page of a busy machine takes one or two
        yield opened


@pytest.fixture
def watch(context: BrowserContext) -> Iterator[Watch]:
    """Fails the test at its end when a page had an error. Add statuses that the test provokes to `expected`."""
    watching = Watch(context)
    yield watching
    assert watching.problems == []


@pytest.fixture
def visit(site: Site, context: BrowserContext, watch: Watch) -> Callable[..., Page]:
    """Log in as somebody with these rights, or as a superuser without any; the page is being watched."""

    def log_in_with(*rights: str, name: str = "anna") -> Page:
        site.add_user(name, *(rights or ("*",)))
        return log_in(context, site, name)

    return log_in_with
