"""Every page of the console, as people with other eyes and other hands use it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.pages import PAGES, fill
from tests.browser.site import Site
from tests.browser.watching import EXTREMES, axe, is_wider_than_its_window


def test_every_page_can_be_used_by_everybody(site: Site, visit: Callable[..., Page], subtests: pytest.Subtests) -> None:
    """In the light at a desk, in the dark on a phone."""
    filled = fill(site)
    page = visit()
    for name, address in PAGES.items():
        for look in EXTREMES:
            look.put_on(page)
            page.goto(site.admin + address.format(**filled))
            with subtests.test(f"{name}, {look}"):
                axe(page)
                assert not is_wider_than_its_window(page)
