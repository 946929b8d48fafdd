"""python -m benchmarks.console_site ROWS: fill the configured project, so that its pages have much to show.

Most examples are in the index alone, which is all that the list looks at. The newest are in a chunk too, for the page
of an example. Prints JSON: what the pages are to be asked for.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402  (after Django's settings, as those below)
from django.core.management import call_command  # noqa: E402  (as above)
from django.db import connection  # noqa: E402  (as above)

from benchmarks.bulk import Bulk, bulk_session  # noqa: E402  (as above)
from capture_app.conf import capture_settings  # noqa: E402  (as above)
from capture_app.models import ExampleIndex, ExampleTag, Feedback, Review  # noqa: E402  (as above)
from capture_app.services import index_live_database  # noqa: E402  (as above)
from console.examples.search.entries import enter_examples  # noqa: E402  (as above)
from console.figures.refresh import refresh_figures  # noqa: E402  (as above)
from training_archive.services import archive_training_data  # noqa: E402  (as above)

USER: Final = "benchmark"
_NIGHT: Final = 10_000  # examples in the chunk
_SHARES: Final = {"verdict": 100, "feedback": 50, "tag": 200}  # one example in so many has one


def _main(rows: int) -> None:
    call_command("migrate", verbosity=0)
    User.objects.create_superuser(USER)
    with TemporaryDirectory(prefix="gleaner-bench-") as folder, bulk_session(Path(folder)) as bulk:
        _fill(bulk, rows)
    _judge()
    while enter_examples():
        pass
    refresh_figures()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE" if connection.vendor == "sqlite" else "VACUUM ANALYZE")
    json.dump(_questions(), sys.stdout)


def _fill(bulk: Bulk, rows: int) -> None:
    night = min(_NIGHT, rows // 10)
    bulk.index(rows - night, "elsewhere")
    bulk.fill_live(capture_settings().live_database, night, first=rows - night)
    index_live_database()
    archive_training_data()


def _judge() -> None:
    """Reviews, feedback and tags of examples all over the index."""
    ids = list(ExampleIndex.objects.order_by("created_at").values_list("pk", flat=True))
    said = {"reviewed_by": USER, "reviewed_at": datetime.now(UTC)}
    reviews = [
        Review(pk=example_id, verdict="bad" if number % 10 == 0 else "good", **said)
        for number, example_id in enumerate(ids[:: _SHARES["verdict"]])
    ]
    Review.objects.bulk_create(reviews, batch_size=5000)
    feedback = [
        Feedback(example_id=example_id, score=(number % 10) / 10, source=USER, created_at=datetime.now(UTC))
        for number, example_id in enumerate(ids[:: _SHARES["feedback"]])
    ]
    Feedback.objects.bulk_create(feedback, batch_size=5000)
    tags = [
        ExampleTag(example_id=example_id, tag=f"tag-{number % 5}", tagged_by=USER, tagged_at=datetime.now(UTC))
        for number, example_id in enumerate(ids[:: _SHARES["tag"]])
    ]
    ExampleTag.objects.bulk_create(tags, batch_size=5000)


def _questions() -> dict[str, Any]:
    """What there is to ask for: some examples of all ages, and of the newest, whose text is in the chunk."""
    step = max(1, ExampleIndex.objects.count() // 100)
    fields = ("pk", "prompt_hash", "conversation_id", "prompt_preview", "task", "model_name", "provider")
    rows = list(ExampleIndex.objects.order_by("created_at", "pk").values(*fields))[::step]
    newest = ExampleIndex.objects.order_by("-created_at", "-pk").values_list("pk", flat=True)[:100]
    return {"rows": rows, "newest": list(newest)}


if __name__ == "__main__":
    _main(int(sys.argv[1]))
