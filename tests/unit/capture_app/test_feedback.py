"""record_feedback keeps what applications say of an answer."""

import math
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from capture_app import arecord_feedback, call_llm, record_feedback
from capture_app.exceptions import ExampleForgotten, InvalidJudgment
from capture_app.models import ExampleIndex, Feedback, ForgottenExample
from capture_app.services import drain_captures

pytestmark = pytest.mark.django_db


def any_of(**values: Any) -> dict[str, Any]:
    """Values of which no type checker knows whether they will do."""
    return values


def test_all_that_is_said_is_kept() -> None:
    before = datetime.now(UTC)

    told = record_feedback("e-1", score=1, label="thumbs_up", comment="Right\nindeed", correction="12 EUR")

    kept = Feedback.objects.get()
    assert (kept.pk, kept.example_id, kept.created_at) == (told.id, told.example_id, told.created_at)
    assert (kept.score, kept.label, kept.comment, kept.correction) == (1.0, "thumbs_up", "Right\nindeed", "12 EUR")
    assert (kept.source, kept.idempotency_key, told.is_new) == ("application", None, True)
    assert before <= told.created_at <= datetime.now(UTC)


def test_an_example_that_is_still_in_the_inbox_may_be_judged() -> None:
    answer = call_llm("What is the price?", training_metadata={})
    assert answer.example_id

    record_feedback(answer.example_id, score=0.5)
    drain_captures()

    assert ExampleIndex.objects.get().feedback.get().score == 0.5


def test_it_is_one_insert(django_assert_max_num_queries: Callable[..., Any]) -> None:
    with django_assert_max_num_queries(4) as queries:  # the insert, its savepoint, and whether anything was forgotten
        record_feedback("e-1", score=1)

    assert sum(query["sql"].startswith("INSERT") for query in queries.captured_queries) == 1


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, True, "1", 10**400, [1]])
def test_a_score_that_is_no_finite_number_is_refused(score: Any) -> None:
    with pytest.raises(ValueError, match="score must be a finite number") as error:
        record_feedback("e-1", score=score)

    assert isinstance(error.value, InvalidJudgment)
    assert error.value.field == "score"
    assert not Feedback.objects.exists()


@pytest.mark.parametrize(
    ("field", "most"),
    [("label", 200), ("comment", 10_000), ("correction", 1_000_000), ("source", 200), ("idempotency_key", 200)],
)
def test_a_text_that_is_too_long_is_refused_and_the_longest_is_kept(field: str, most: int) -> None:
    with pytest.raises(ValueError, match=rf"{field} has {most + 1:,} characters; {most:,} are allowed"):
        record_feedback("e-1", **any_of(score=1, **{field: "x" * (most + 1)}))
    assert not Feedback.objects.exists()

    record_feedback("e-1", **any_of(score=1, **{field: "x" * most}))

    assert getattr(Feedback.objects.get(), field) == "x" * most


@pytest.mark.parametrize("said", [{}, {"label": " "}, {"comment": "\n"}, {"correction": ""}])
def test_feedback_that_says_nothing_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must say something"):
        record_feedback("e-1", **said)


@pytest.mark.parametrize("example_id", ["", "  ", "a\nb", "a\0b", "a\u202eb", "x" * 201, None, 7])
def test_what_is_no_id_is_refused(example_id: Any) -> None:
    with pytest.raises(InvalidJudgment) as error:
        record_feedback(example_id, score=1)

    assert error.value.field == "example_id"


@pytest.mark.parametrize("field", ["label", "comment", "correction"])
def test_a_text_that_is_none_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} must be a text"):
        record_feedback("e-1", **any_of(score=1, **{field: b"bytes"}))


def test_what_databases_cannot_store_is_replaced() -> None:
    record_feedback("e-1", comment="a\0b\ud800c")

    assert Feedback.objects.get().comment == "a b\ufffdc"


def test_the_same_key_of_the_same_source_counts_once() -> None:
    first = record_feedback("e-1", score=1, idempotency_key="k")
    again = record_feedback("e-1", score=0, idempotency_key="k")

    assert (again.id, again.created_at, again.is_new) == (first.id, first.created_at, False)
    assert Feedback.objects.get().score == 1


def test_the_same_key_of_another_source_is_another() -> None:
    record_feedback("e-1", score=1, idempotency_key="k")

    assert record_feedback("e-1", score=1, idempotency_key="k", source="shop").is_new
    assert Feedback.objects.count() == 2


def test_without_a_key_everything_counts() -> None:
    for _ in range(2):
        record_feedback("e-1", score=1)

    assert Feedback.objects.count() == 2


def test_of_what_was_forgotten_nothing_is_kept() -> None:
    ForgottenExample.objects.create(pk="e-1", erasure="x")

    with pytest.raises(ExampleForgotten, match="erased on request"):
        record_feedback("e-1", comment="It was about Ada.")
    record_feedback("e-2", score=1)

    assert Feedback.objects.get().example_id == "e-2"


@pytest.mark.django_db(transaction=True)
async def test_async_code_need_not_wait() -> None:
    told = await arecord_feedback("e-1", label="useful", idempotency_key="k")
    again = await arecord_feedback("e-1", label="useful", idempotency_key="k")

    assert (told.is_new, again.is_new, again.id) == (True, False, told.id)


def test_importing_it_needs_neither_models_nor_duckdb_nor_settings() -> None:
    code = (
        "import sys; from capture_app import record_feedback; print({'duckdb', 'capture_app.models'} & {*sys.modules})"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={})

    assert done.stdout.strip() == "set()"
