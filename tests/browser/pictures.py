"""`python -m tests.browser.pictures [NAME ...]`: each page of the console as it looks, into docs/pictures/console/.

A site is filled with the demo's calls, archived and judged. Then every page is photographed: light, dark, on a phone. A
page that does not answer is told at the end, and the command fails.
"""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser.pages import PAGES, fill
from tests.browser.site import Site, serve_site
from tests.browser.watching import DESK, LOOKS, chromium, log_in
from tests.conftest import find_program
from tests.integration.conftest import ROOT
from tests.migrating import migrated_database

FOLDER: Final = ROOT / "docs" / "pictures" / "console"
MOST_BYTES: Final = 150_000
_COLOURS: Final = (128, 64, 32, 16)  # of a palette; fewer when the file would be too large


def main(names: list[str]) -> None:
    unknown = set(names) - PAGES.keys()
    if unknown:
        raise SystemExit(f"No such page: {', '.join(sorted(unknown))}. There are {', '.join(PAGES)}.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    program = find_program("chromium")
    with (
        filled_site() as (site, filled),
        sync_playwright() as playwright,
        chromium(playwright, program) as browser,
        browser.new_context(viewport=DESK) as context,
    ):
        page = log_in(context, site, "anna")
        missing = [name for name in names or PAGES if not photograph(page, site, name, filled)]
    if missing:
        raise SystemExit(f"There was no picture to take of: {', '.join(missing)}.")


@contextmanager
def filled_site() -> Iterator[tuple[Site, dict[str, str]]]:
    """A site to photograph, and what is on it, see pages.fill."""
    with TemporaryDirectory(prefix="gleaner-pictures-") as name:
        folder = Path(name)
        (folder / "migrated").mkdir()
        (folder / "site").mkdir()
        with serve_site(folder / "site", migrated_database(folder / "migrated")) as site:
            site.add_user("anna", "*")
            yield site, fill(site)


def photograph(page: Page, site: Site, name: str, filled: dict[str, str]) -> bool:
    """Write the three pictures of a page; False when it does not answer."""
    answer = page.goto(site.admin + PAGES[name].format(**filled))
    if answer is None or not answer.ok:
        return False
    for look in LOOKS:
        look.put_on(page)
        path = FOLDER / f"{name}-{look.name}.png"
        path.write_bytes(small_png(page.screenshot(animations="disabled")))
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size:,} bytes", flush=True)
    return True


def small_png(picture: bytes) -> bytes:
    """The picture in as many colours as MOST_BYTES allow."""
    image, smallest = Image.open(io.BytesIO(picture)).convert("RGB"), picture
    for colours in _COLOURS:
        output = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(output, "PNG", optimize=True)
        smallest = output.getvalue()
        if len(smallest) <= MOST_BYTES:
            break
    return smallest


if __name__ == "__main__":
    main(sys.argv[1:])
