"""The pages of the console, and a site on which each of them has something to show."""

from typing import Final

from tests.browser.site import Site

_EXAMPLES = "capture_app/exampleindex/"

_FILES: Final = "training_files/trainingfile/"

# By name, the address below the admin; what stands in braces is what `fill` gives.
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
    "training_file_add": _EXAMPLES + "actions/training-file/?id={example}",
    "conversations": "training_files/conversation/",
    "conversation": "training_files/conversation/{conversation}/change/",
    "training_files": _FILES,
    "training_file": _FILES + "{file}/change/",
    "suggestions": _FILES + "{file}/suggestions/",
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

_CURATE = """
import django
django.setup()
from dataclasses import replace
from itertools import cycle, product
from tests.unit.training_files.filling import ADA, conversation, store, training_file
from training_files.service import new_version
said = [("I keep putting off my will. Where would I even begin?",
         "Many people do, and that you ask is the first step. May I show you the three papers that matter most?"),
        ("Yes, please. I am afraid of doing it wrong.",
         "That is understandable. Let us take one at a time, and begin with who would look after your children.")]
personas = "anxious_planner", "pragmatic_optimist", "overwhelmed_avoider"
arcs = "confusion_to_clarity", "shame_to_acceptance"
cells = list(product(personas, arcs, ("estate_planning", "student_loans", "budgeting")))
def one(n, score):
    made = conversation(f"conversation-{n}", cell=cells[n * n % 18], score=score, pairs=4)
    words = zip(made.pairs, cycle(said))
    return replace(made, pairs=[{**p, "current_user_input": ask, "target_response": told} for p, (ask, told) in words])
ids = store(*(one(n, 2 + n % 30 / 10) for n in range(90)))
made = training_file(ids[:50], name="Financial planning, spring", by=ADA)
new_version(made.pk, by=ADA, note="with what was reviewed in May")
store(one(0, 4.9))
print(ids[1], made.pk)
"""


def fill(site: Site) -> dict[str, str]:
    """Archived, judged and fresh examples, and conversations in a training file; the ids that PAGES name.

    The example is one that was corrected.
    """
    ids = site.capture(60)
    site.manage("archive_training_data")
    site.run(_JUDGE, *ids[:12])
    site.capture(25)
    conversation, training_file = site.run(_CURATE).split()
    return {"example": ids[0], "conversation": conversation, "file": training_file}
