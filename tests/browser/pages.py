"""The pages of the console, and a site on which each of them has something to show."""

from typing import Final

from tests.browser.site import Site

_EXAMPLES = "capture_app/exampleindex/"

# By name, the address below the admin; {example} is the id of a captured example.
PAGES: Final = {
    "dashboard": "",
    "examples": _EXAMPLES,
    "example": _EXAMPLES + "{example}/page/",
    "review": _EXAMPLES + "review/",
    "export": _EXAMPLES + "actions/export/?id={example}",
    "tag": _EXAMPLES + "actions/tag/?id={example}",
    "forget": _EXAMPLES + "actions/forget/?id={example}",
    "replay": _EXAMPLES + "actions/replay/?id={example}",
    "runs": "training_archive/archiverun/",
    "routes": "training_archive/archiverun/routes/",
    "trail": "console/auditevent/",
}

_JUDGE = """
import sys
import django
django.setup()
from capture_app import record_feedback
from capture_app.judgments import save_review, set_tags
for number, example in enumerate(sys.argv[1:]):
    save_review(example, by="bert", verdict="bad" if number % 3 == 0 else "good")
    record_feedback(example, score=(number % 5) / 4, label="thumbs", comment="from a reader")
    set_tags([example], add=["checked"], by="bert")
save_review(sys.argv[1], by="bert", correction="A shorter answer, which names what the code is for.")
"""


def fill(site: Site) -> str:
    """Archived, judged and fresh examples; the id of one that was corrected."""
    ids = site.capture(60)
    site.manage("archive_training_data")
    site.run(_JUDGE, *ids[:12])
    site.capture(25)
    return ids[0]
