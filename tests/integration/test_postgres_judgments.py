"""Judgments on a real PostgreSQL, where what another transaction writes is not seen before it commits."""

from collections.abc import Callable

import pytest

from tests.integration.conftest import Project

# Feedback that is stored, but not committed, when the example is forgotten: `forget` neither sees it nor is seen.
RACE = """
import threading, time
import django
django.setup()
from django.db import connection, transaction
from capture_app import call_llm, record_feedback
from capture_app.exceptions import ExampleForgotten
from capture_app.models import Feedback
from training_archive.services import forget

example_id = call_llm("Question", training_metadata={"user_id": "ada"}).example_id
with transaction.atomic():
    record_feedback(example_id, comment="It was about Ada.", idempotency_key="k")
    forgetting = threading.Thread(target=forget, kwargs={"user": "ada", "by": "tester"})
    forgetting.start()
    waits = False
    while forgetting.is_alive() and not waits:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            waits = cursor.fetchone()[0] > 0
        time.sleep(0.05)
forgetting.join()
print("waited" if waits else "did not wait", Feedback.objects.count())
try:
    record_feedback(example_id, score=1)
except ExampleForgotten:
    print("refused")
"""

SAY = """
import django
django.setup()
from capture_app import call_llm, record_feedback
from capture_app.judgments import annotations_of, save_review, set_tags

example_id = call_llm("Question", training_metadata={}).example_id
set_tags([example_id], add=["a", "b"], remove=["c"], by="ada")
set_tags([example_id], add=["a"], by="ada")
save_review(example_id, by="ada", verdict="bad", comment="nul \\0 half \\ud800")
save_review(example_id, by="ada", correction="Right.")
keys = [record_feedback(example_id, score=0.5, idempotency_key="k").is_new for _ in range(2)]
print(keys, annotations_of([example_id])[example_id])
"""


@pytest.fixture
def project(make_project: Callable[..., Project], postgres_url: str) -> Project:
    return make_project(DATABASE_URL=postgres_url)


def test_feedback_that_is_being_written_does_not_outlive_its_example(project: Project) -> None:
    done = project.run("-c", RACE)

    assert done.stdout.split("\n")[-3:] == ["waited 0", "refused", ""], done.stderr


def test_what_is_said_is_kept_and_exported(project: Project) -> None:
    said = project.run("-c", SAY)
    assert said.stdout.splitlines()[-1:] == [
        "[True, False] Annotation(tags=('a', 'b'), rating=0.0, correction='Right.')"
    ], said.stderr

    exported = project.manage("export_dataset", "--format", "trl-preference", "--dry-run", "--tag", "a", "--split", "1")

    assert "Would write 1 record" in exported.stdout, exported.stderr
