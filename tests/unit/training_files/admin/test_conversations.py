"""The list and the page of conversations: pairs as turns, reviews and scaffolding by hand."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from tests.unit.training_files.admin.conftest import Staff
from tests.unit.training_files.filling import conversation, pair, store
from training_files.conversations.store import load_conversation
from training_files.models import Conversation, TrainingFile
from training_files.v4.conversation import EnrichedConversation

pytestmark = pytest.mark.django_db


def url(name: str, *args: Any) -> str:
    return reverse(f"admin:training_files_conversation_{name}", args=args)


def page(client: Client, conversation_id: str = "held", **query: Any) -> str:
    return client.get(url("change", conversation_id), query).content.decode()


def stored(conversation_id: str = "held") -> EnrichedConversation:
    return load_conversation(Conversation.objects.get(pk=conversation_id))


def test_the_list_has_state_scaffolding_and_quality(staff: Staff, one: TrainingFile) -> None:
    shown = staff("view_conversation").get(url("changelist"), {"q": "held"}).content.decode()

    cells = dict(re.findall(r'class="field-(\w+)[^>]*>(?:<a[^>]*>)?([^<]*)<', shown))
    assert cells["called"] == "held"
    assert cells["keys"] == "p · a · t"
    assert (cells["state"], cells["rated"], cells["pairs_reviewed"]) == ("Completed", "4.00, production", "2, 0")


@pytest.mark.parametrize(
    ("query", "found"),
    [({"q": "fr"}, ["free"]), ({"q": "b"}, ["free"]), ({"persona_key": "p"}, ["held"]), ({"q": "ree"}, [])],
)
def test_the_list_is_searched_by_id_and_key(
    staff: Staff, one: TrainingFile, query: dict[str, str], found: list[str]
) -> None:
    shown = staff("*").get(url("changelist"), query).content.decode()

    assert re.findall(r"conversation/(\w+)/change/", shown) == found


def test_the_list_offers_four_tiers_whatever_others_files_name(staff: Staff, one: TrainingFile) -> None:
    Conversation.objects.filter(pk="free").update(quality_tier="a tier of their own")
    client = staff("*")

    offered = re.findall(r'href="\?tier=(\w+)"', client.get(url("changelist")).content.decode())
    shown = client.get(url("changelist"), {"tier": "production"}).content.decode()

    assert offered == ["seed_dataset", "production", "experimental", "rejected"]
    assert re.findall(r"conversation/(\w+)/change/", shown) == ["held"]


@pytest.mark.parametrize("query", [{"persona_key": "a\0"}, {"tier": "\0"}])
def test_a_filter_that_cannot_be_read_is_left_out(staff: Staff, one: TrainingFile, query: dict[str, str]) -> None:
    assert staff("*").get(url("changelist"), query)["Location"].endswith("?e=1")


def test_what_nobody_sees_is_written_out_for_who_may_only_look(staff: Staff) -> None:
    metadata = conversation("odd", cell=("p\u202e", "a", "t")).metadata
    noted = pair(1, training_metadata={**pair(1)["training_metadata"], "reviewer_notes": "n\u202e"})
    store(EnrichedConversation(metadata=metadata, pairs=[noted]))

    shown = page(staff("view_conversation"), "odd")

    assert "\u202e" not in shown
    assert "p⟦U+202E⟧" in shown
    assert '<div class="tf-text" dir="auto">n⟦U+202E⟧</div>' in shown


def test_the_page_shows_pairs_as_turns(staff: Staff, one: TrainingFile) -> None:
    users = {**pair(1, text="What now?"), "target_response": None}
    store(EnrichedConversation(metadata=conversation("two").metadata, pairs=[users, pair(2, text="This.", score=4.5)]))

    shown = page(staff("view_conversation"), "two")

    assert shown.count("there is no answer to learn") == 1
    assert '<div class="tf-text" dir="auto">This.</div>' in shown
    assert "4.50" in shown


def test_pairs_are_paged_and_long_texts_cut(staff: Staff) -> None:
    pairs = [pair(number, text="x" * 250_000 if number == 1 else "short") for number in range(1, 26)]
    store(EnrichedConversation(metadata=conversation("long").metadata, pairs=pairs))
    client = staff("view_conversation")

    first = page(client, "long")
    assert "Long texts on this page are cut." in first
    assert "Page 1 of 2" in first
    assert len(first) < 1_500_000
    assert page(client, "long", page=2).count('class="tf-turn"') == 5
    assert "Long texts on this page are cut." not in page(client, "long", all=1)


def test_a_stored_file_that_is_damaged_is_told(staff: Staff, one: TrainingFile, data_dir: Path) -> None:
    path = data_dir / "training_files" / str(Conversation.objects.get(pk="held").enriched_file_path)
    path.write_bytes(b"{}")

    shown = page(staff("*"))

    assert "Its text cannot be shown" in shown
    assert "is not what was written" in shown


@pytest.mark.parametrize("conversation_id", ["nowhere", "a/b", "be\0fore", "..%2f.."])
def test_one_that_is_not_there_is_not_found(staff: Staff, conversation_id: str) -> None:
    client = staff("*")

    assert client.get(url("change", conversation_id)).status_code == 404
    assert client.post(url("review", conversation_id), {"pair": "1"}).status_code == 404


def test_an_id_may_be_anything(staff: Staff) -> None:
    store(conversation("a/b?c#d_e"))
    client = staff("*")
    [address] = re.findall(r'href="([^"]+/change/[^"]*)"', client.get(url("changelist")).content.decode())

    assert client.get(address).status_code == 200


# --- By hand ---------------------------------------------------------------------------------------------------------


def test_a_review_is_stored_counted_and_written_down(staff: Staff, one: TrainingFile) -> None:
    client = staff("change_conversation")

    answer = client.post(url("review", "held"), {"pair": "2", "score": "4.8", "notes": "well said", "seed": "1"})

    assert answer["Location"].endswith("/held/change/?page=1#pair-2")
    said = stored().pairs[1]["training_metadata"]
    assert (said["quality_score"], said["reviewer_notes"]) == (4.8, "well said")
    assert said["human_reviewed"] is True
    assert said["use_as_seed_example"] is True
    row = Conversation.objects.get(pk="held")
    assert (row.reviewed_pairs, row.quality_score) == (1, 4.4)
    assert LogEntry.objects.get().change_message
    assert "well said" in page(client)


@pytest.mark.parametrize("given", [{"pair": "3", "score": "4"}, {"score": "4"}, {"pair": "1", "score": "7"}])
def test_a_review_that_cannot_be_is_refused(staff: Staff, one: TrainingFile, given: dict[str, str]) -> None:
    client, before = staff("*"), stored()

    said = client.post(url("review", "held"), given, follow=True).content.decode()

    assert '<li class="error">' in said
    assert stored() == before
    assert not LogEntry.objects.exists()


def test_scaffolding_is_filled_by_hand(staff: Staff, one: TrainingFile) -> None:
    Conversation.objects.filter(pk="held").update(enrichment_status="pending")
    client = staff("change_conversation")

    client.post(url("scaffolding", "held"), {"persona_key": "new", "persona_name": "New"})
    row = Conversation.objects.get(pk="held")
    assert (row.persona_key, row.emotional_arc_key, row.enrichment_status) == ("new", "a", "pending")

    client.post(url("scaffolding", "held"), {"training_topic_key": "other", "completed": "1"})
    row = Conversation.objects.get(pk="held")
    assert (row.persona_key, row.training_topic_key, row.enrichment_status) == ("new", "other", "completed")
    assert stored().scaffolding["training_topic_key"] == "other"


# --- By a worker -----------------------------------------------------------------------------------------------------


def enrich(client: Client, *ids: str) -> str:
    post = {"action": "enrich", "_selected_action": ids}
    return client.post(url("changelist"), post, follow=True).content.decode()


def test_conversations_are_given_to_a_worker(staff: Staff, one: TrainingFile, broker: Callable[[], list[Any]]) -> None:
    Conversation.objects.filter(pk="held").update(enrichment_status="failed")

    said = enrich(staff("change_conversation"), "held", "free")

    assert "1 conversation will be enriched as soon as a worker is there." in said
    assert broker() == [[["held"]]]


def test_what_is_completed_needs_no_worker(staff: Staff, one: TrainingFile, broker: Callable[[], list[Any]]) -> None:
    assert "All of them are completed." in enrich(staff("change_conversation"), "held")
    assert broker() == []


def test_a_broker_that_is_away_is_told(staff: Staff, one: TrainingFile, no_broker: None) -> None:
    Conversation.objects.update(enrichment_status="pending")

    assert "broker could not be reached" in enrich(staff("change_conversation"), "held")


def test_who_may_only_look_gives_nothing_to_a_worker(
    staff: Staff, one: TrainingFile, broker: Callable[[], list[Any]]
) -> None:
    Conversation.objects.update(enrichment_status="pending")
    enrich(staff("view_conversation"), "held")

    assert broker() == []
