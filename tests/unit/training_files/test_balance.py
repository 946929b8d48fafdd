"""Which conversations would even a training file out, and how even it is."""

import math
from collections import Counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.training_files.filling import ADA, conversation, many, store, training_file
from training_files import balance
from training_files.balance import SCAFFOLDING, TIER, Cell, distribution, evenness, suggest
from training_files.exceptions import InvalidRequest, NotFound
from training_files.models import Conversation
from training_files.service import new_version, remove_conversations

pytestmark = pytest.mark.django_db

A, B, C = ("p1", "a1", "t1"), ("p2", "a1", "t1"), ("p2", "a2", "t2")


# --- The measure -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([], None), ([5], None), ([0, 0], 0.0), ([5, 0], 0.0), ([2, 2, 2], 1.0), ([3, 1], 0.8112781244591328)],
)
def test_evenness_is_the_normalised_entropy(counts: list[int], expected: float | None) -> None:
    assert evenness(counts) == (expected if expected is None else pytest.approx(expected))


def entropy(counts: list[int]) -> float:
    total = sum(counts)
    return -sum(count / total * math.log(count / total) for count in counts if count)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=8).filter(any))
def test_nothing_raises_the_entropy_more_than_one_more_in_the_poorest_cell(counts: list[int]) -> None:
    def after(number: int) -> float:
        return entropy([count + (place == number) for place, count in enumerate(counts)])

    assert after(counts.index(min(counts))) >= max(map(after, range(len(counts)))) - 1e-9


# --- The distribution ------------------------------------------------------------------------------------------------


def test_a_distribution_counts_cells_with_what_could_be_added() -> None:
    made = training_file([*many("a", 3, cell=A), *many("b", 1, cell=B, score=3)])
    many("more", 2, cell=A)
    many("c", 4, cell=C, score=4.8)

    found = distribution(made)

    assert found.cells == [
        Cell(key=A, conversations=3, candidates=2),
        Cell(key=B, conversations=1, candidates=0),
        Cell(key=C, conversations=0, candidates=4),
    ]
    assert (found.personas, found.arcs, found.topics) == ({"p1": 3, "p2": 1}, {"a1": 4}, {"t1": 4})
    assert found.tiers == {"seed_dataset": 0, "production": 3, "experimental": 1, "rejected": 0}
    assert found.evenness == pytest.approx(entropy([3, 1, 0]) / math.log(3))
    assert found.tier_evenness == pytest.approx(entropy([0, 3, 1]) / math.log(3))


def test_a_distribution_is_of_one_version() -> None:
    made = new_version(training_file(many("a", 2, cell=A)).pk, by=ADA)
    made = remove_conversations(made.pk, ["a0"], by=ADA)

    assert distribution(made, 1).cells[0].conversations == 2
    assert distribution(made).cells == [Cell(key=A, conversations=1, candidates=1)]


def test_more_cells_than_are_kept_are_still_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balance, "MOST_CELLS", 2)
    made = training_file([*many("a", 2, cell=A), *many("b", 1, cell=B), *many("c", 1, cell=C)])

    found = distribution(made)

    assert [cell.key for cell in found.cells] == [A, B]
    assert found.cells_in_all == 3
    assert found.evenness == pytest.approx(entropy([2, 1, 1]) / math.log(3))


def test_what_says_nothing_of_itself_is_a_cell_that_does_not_count() -> None:
    made = training_file([*many("a", 1, cell=A), *many("b", 1, cell=B), *many("blank", 5, cell=("", "", ""))])

    found = distribution(made)

    assert found.cells[0] == Cell(key=("", "", ""), conversations=5, candidates=0)
    assert found.cells_in_all == 2
    assert found.evenness == pytest.approx(1)


# --- Suggestions -----------------------------------------------------------------------------------------------------


def test_the_poorest_cells_are_filled_first_and_equally() -> None:
    made = training_file([*many("a", 3, cell=A), *many("b", 1, cell=B)])
    many("more", 5, cell=A)
    many("other", 5, cell=B)
    many("c", 5, cell=C)

    found = suggest(made.pk, limit=8)

    assert Counter(each.cell for each in found) == {C: 4, B: 3, A: 1}
    assert found[0].cell == C
    assert [each.has_before for each in found if each.cell == B] == [1, 2, 3]


def test_of_a_cell_the_best_rated_come_first() -> None:
    made = training_file(many("a", 1, cell=A))
    store(conversation("good", cell=B, score=4.2), conversation("best", cell=B, score=4.9))
    store(conversation("unrated", cell=B, score=None), conversation("also good", cell=B, score=4.2))

    found = suggest(made.pk)

    assert [each.conversation_id for each in found] == ["best", "also good", "good", "unrated"]
    assert found[0].why == (
        "The training file has 0 conversations of this persona, arc and topic, and could have 4 more; this is the best "
        "rated of them."
    )


def test_of_equally_poor_cells_the_rarest_persona_arc_and_topic_comes_first() -> None:
    made = training_file(many("a", 3, cell=A))
    many("near", 1, cell=("p1", "a1", "t2"))
    many("far", 1, cell=C)

    assert [each.cell for each in suggest(made.pk)] == [C, ("p1", "a1", "t2")]


def test_only_what_is_ready_new_and_good_enough_is_suggested() -> None:
    made = training_file(many("a", 1, cell=A))
    many("pending", 1, cell=B, score=5)
    Conversation.objects.filter(pk="pending0").update(enrichment_status="pending")
    many("weak", 1, cell=B, score=3)
    many("unrated", 1, cell=B, score=None)
    many("blank", 1, cell=("", " ", ""), score=5)
    many("right", 1, cell=C, score=3.5)

    assert [each.conversation_id for each in suggest(made.pk, min_quality=3.5)] == ["right0"]


def test_by_tier_the_poorest_tier_is_filled_and_nothing_that_was_rejected() -> None:
    made = training_file([*many("p", 2, score=4), *many("e", 1, score=3)])
    for prefix, score in (("seed", 4.8), ("production", 4.1), ("experimental", 2.6), ("rejected", 1.0)):
        many(prefix, 2, score=score)

    found = suggest(made.pk, by=TIER, limit=4)

    assert [each.conversation_id for each in found] == ["seed0", "experimental0", "seed1", "experimental1"]
    assert found[0].cell == ("seed_dataset",)


def test_a_conversation_that_was_removed_may_be_suggested_again() -> None:
    made = training_file(many("a", 2, cell=A))
    remove_conversations(made.pk, ["a1"], by=ADA)

    assert [each.conversation_id for each in suggest(made.pk)] == ["a1"]


def test_the_same_question_has_the_same_answer() -> None:
    made = training_file(many("a", 1, cell=A))
    for cell in (B, C, ("p3", "a3", "t3")):
        many("".join(cell), 3, cell=cell)

    assert suggest(made.pk) == suggest(made.pk)


def test_it_asks_once_for_all_cells_and_once_for_each_that_is_filled() -> None:
    made = training_file(many("a", 1, cell=A))
    for number in range(30):
        many(f"c{number}-", 1, cell=(f"p{number}", "a", "t"))

    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert len(suggest(made.pk, limit=5)) == 5

    assert len(queries) <= 3 + 5


@pytest.mark.parametrize(
    ("asked", "field"), [({"by": "mood"}, "by"), ({"limit": 0}, "limit"), ({"limit": 201}, "limit")]
)
def test_what_cannot_be_asked_is_refused(asked: dict[str, object], field: str) -> None:
    made = training_file(many("a", 1))

    with pytest.raises(InvalidRequest) as refusal:
        suggest(made.pk, **asked)  # type: ignore[arg-type]  # wrong on purpose

    assert refusal.value.field == field


def test_there_is_nothing_to_suggest_for_a_training_file_that_is_not_there() -> None:
    with pytest.raises(NotFound):
        suggest("00000000-0000-0000-0000-000000000000", by=SCAFFOLDING)
