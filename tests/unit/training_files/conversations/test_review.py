from typing import Any

import pytest

from tests.unit.training_files.conversations.written import ONE, in_full
from training_files.conversations.review import enrich_by_hand, review_pair
from training_files.conversations.store import load_conversation, store_conversation
from training_files.exceptions import InvalidRequest, NotFound
from training_files.models import Conversation
from training_files.v4.conversation import EnrichedConversation
from training_files.v4.figures import figures_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def conversation() -> None:
    value = in_full(ONE)
    made = EnrichedConversation(metadata=value["conversation_metadata"], pairs=value["training_pairs"])
    store_conversation(made, source="captured", by="shell", status="pending")


def stored() -> EnrichedConversation:
    return load_conversation(Conversation.objects.get())


def known(number: int = 2) -> dict[str, Any]:
    found: dict[str, Any] = stored().pairs[number - 1]["training_metadata"]
    return found


def test_a_review_is_written_into_the_pair_and_counted() -> None:
    row = review_pair(ONE, 2, by="user:ada", score=4.5, notes="Warm.", seed_example=True)
    assert {
        name: known()[name] for name in ("human_reviewed", "reviewer_notes", "quality_score", "use_as_seed_example")
    } == {
        "human_reviewed": True,
        "reviewer_notes": "Warm.",
        "quality_score": 4.5,
        "use_as_seed_example": True,
    }
    assert (row.reviewed_pairs, row.quality_score, row.quality_tier) == (1, 3.75, "production")
    assert figures_of(stored()).reviewed == 1
    assert known(1)["human_reviewed"] is False


def test_what_a_review_does_not_say_stays_as_it_was() -> None:
    review_pair(ONE, 2, by="user:ada")
    assert known()["quality_score"] == 3


def test_who_reviewed_is_known_of_the_row_and_not_in_the_file() -> None:
    row = review_pair(ONE, 2, by="user:ada", notes="Warm.")
    assert (row.changed_by, row.added_by) == ("user:ada", "shell")
    assert "user:ada" not in stored().to_bytes().decode()


def test_a_review_does_not_say_that_enrichment_is_completed() -> None:
    assert review_pair(ONE, 2, by="user:ada", score=5).enrichment_status == "pending"


def test_a_review_may_bring_values() -> None:
    values = {"demonstrates_skills": ["patience"], "detected_emotions": {"primary": "relief", "intensity": 0.4}}
    review_pair(ONE, 2, by="user:ada", values=values)
    assert known()["demonstrates_skills"] == ["patience"]
    assert stored().pairs[1]["emotional_context"]["detected_emotions"] == values["detected_emotions"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"score": 5.5}, "quality_score: it is more than 5"),
        ({"score": float("nan")}, "the number is too large"),
        ({"notes": "\ud800"}, "unpaired surrogate"),
        ({"values": {"demonstrates_skills": "patience"}}, "it is a text, not a list"),
        ({"values": {"human_reviewed": False}}, "no value 'human_reviewed'"),
        ({"pair_number": 3}, "no pair 3"),
        ({"pair_number": 0}, "no pair 0"),
    ],
)
def test_what_the_format_does_not_allow_changes_nothing(given: dict[str, Any], problem: str) -> None:
    before = list(Conversation.objects.values())
    with pytest.raises(InvalidRequest, match=problem):
        review_pair(ONE, given.pop("pair_number", 2), by="user:ada", **given)
    assert list(Conversation.objects.values()) == before


def test_a_conversation_that_there_is_not_is_told() -> None:
    with pytest.raises(NotFound):
        review_pair("nobody", 1, by="user:ada")


def test_a_person_may_say_all_that_a_model_would() -> None:
    row = enrich_by_hand(
        ONE,
        by="user:ada",
        scaffolding={"persona_key": " saver ", "training_topic": "Pensions"},
        pairs={2: {"quality_score": 5, "quality_criteria": {"clarity_score": 4}}},
    )
    assert (row.enrichment_status, row.persona_key, row.training_topic, row.emotional_arc) == (
        *("completed", "saver", "Pensions", "Confusion → Clarity"),
    )
    assert stored().pairs[0]["conversation_metadata"]["persona_archetype"] == "saver"
    assert known()["quality_score"] == 5
    assert row.reviewed_pairs == 0


def test_a_person_may_leave_the_rest_to_wait() -> None:
    assert enrich_by_hand(ONE, by="user:ada", scaffolding={"persona_key": "a"}, completed=False).enrichment_status == (
        "pending"
    )


@pytest.mark.parametrize("scaffolding", [{"mood": "x"}, {"persona_key": "x" * 501}, {"persona_name": "a\x00b"}])
def test_scaffolding_that_the_format_does_not_allow_changes_nothing(scaffolding: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        enrich_by_hand(ONE, by="user:ada", scaffolding=scaffolding)
    assert Conversation.objects.get().enrichment_status == "pending"
