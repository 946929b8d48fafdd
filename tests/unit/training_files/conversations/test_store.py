from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training_files.conversations.written import ONE, TWO, in_full
from training_files.conversations.store import (
    change_conversation,
    delete_conversations,
    load_conversation,
    ready,
    store_conversation,
)
from training_files.exceptions import ChangedMeanwhile, InvalidRequest, NotFound, PartDamaged
from training_files.models import Conversation, EnrichmentAnswer, LooseFile
from training_files.storage import sweep_loose_files
from training_files.v4.conversation import EnrichedConversation

pytestmark = pytest.mark.django_db(transaction=True)


def made(conversation_id: str = ONE, **metadata: Any) -> EnrichedConversation:
    value = in_full(conversation_id)
    return EnrichedConversation(metadata={**value["conversation_metadata"], **metadata}, pairs=value["training_pairs"])


def store(conversation_id: str = ONE, **options: Any) -> Conversation:
    return store_conversation(made(conversation_id), source="imported", by="shell", **options)


def renamed(old: EnrichedConversation) -> EnrichedConversation:
    return replace(old, metadata={**old.metadata, "source_file": "other.json"})


def test_what_is_stored_is_loaded() -> None:
    assert load_conversation(store()) == made()


def test_what_is_no_date_or_no_number_is_left_to_the_file() -> None:
    conversation = made(created_date="last week", total_turns=2**40)
    row = store_conversation(conversation, source="imported", by="shell")
    assert (row.created_date, row.turns) == (None, 2)
    assert load_conversation(row) == conversation


def test_a_file_that_is_not_what_was_stored_is_not_loaded(data_dir: Path) -> None:
    row = store()
    path = data_dir / "training_files" / str(row.enriched_file_path)
    path.write_bytes(path.read_bytes().replace(b"Clarity", b"clarity"))
    with pytest.raises(PartDamaged):
        load_conversation(row)


def test_what_was_stored_before_is_swept_away_in_the_end(data_dir: Path) -> None:
    old = data_dir / "training_files" / str(store().enriched_file_path)
    change_conversation(ONE, renamed, by="user:ada")
    assert old.is_file()
    sweep_loose_files(older_than=timedelta(0))
    assert not old.exists()
    assert load_conversation(Conversation.objects.get()).metadata["source_file"] == "other.json"


def test_a_change_sees_what_others_have_changed_meanwhile() -> None:
    store()
    calls: list[str] = []

    def change(old: EnrichedConversation) -> EnrichedConversation:
        if not calls:
            change_conversation(ONE, renamed, by="user:bob")
        calls.append(old.metadata["source_file"])
        return replace(old, metadata={**old.metadata, "created_date": "2026-02-03"})

    row = change_conversation(ONE, change, by="user:ada")
    assert load_conversation(row).metadata["source_file"] == "other.json"
    assert calls[1:] == ["other.json"]


def test_a_change_gives_up_when_others_never_stop() -> None:
    store()
    count = iter(range(1000))

    def change(old: EnrichedConversation) -> EnrichedConversation:
        store_conversation(made(batch_id=str(next(count))), source="imported", by="user:bob")
        return renamed(old)

    with pytest.raises(ChangedMeanwhile):
        change_conversation(ONE, change, by="user:ada")


def test_a_change_brings_back_nothing_that_was_deleted_meanwhile() -> None:
    store()

    def change(old: EnrichedConversation) -> EnrichedConversation:
        delete_conversations([ONE])
        return renamed(old)

    with pytest.raises(NotFound):
        change_conversation(ONE, change, by="user:ada")
    assert not Conversation.objects.exists()


def test_ready_ones_come_in_the_order_asked_for() -> None:
    store(), store(TWO)
    assert [row.pk for row in ready([TWO, ONE])] == [TWO, ONE]


def test_unknown_ids_are_named() -> None:
    store()
    with pytest.raises(InvalidRequest, match=r"no such conversations: gone, '.x1b") as told:
        ready([ONE, "gone", "\x1b[31m"])
    assert told.value.conversation_ids == ["gone", "\x1b[31m"]


def test_those_that_are_not_enriched_are_named() -> None:
    store(), store(TWO, status="pending")
    with pytest.raises(InvalidRequest, match=TWO) as told:
        ready([ONE, TWO])
    assert told.value.conversation_ids == [TWO]


def test_what_is_deleted_leaves_no_answers_behind() -> None:
    row = store()
    answers = EnrichmentAnswer.objects
    answers.create(conversation=row, step="persona", answer={"a": 1}, example_id="e1", answered_at=row.created_at)
    names = delete_conversations([ONE])
    assert set(LooseFile.objects.values_list("name", flat=True)) == set(names)
    assert list(answers.values_list("example_id", "answer")) == [("e1", None)]
