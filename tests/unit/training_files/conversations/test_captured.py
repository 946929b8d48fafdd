from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from capture_app import call_llm
from capture_app.conf import capture_settings
from capture_app.duckdb_files import duckdb_session
from capture_app.example import TABLE
from capture_app.files import scratch_directory
from capture_app.judgments import add_feedback, save_review
from capture_app.live_database import ALIAS, lock_live_database
from capture_app.providers.base import Completion, CompletionRequest
from capture_app.recorder import Answer, record_answer, record_example
from capture_app.services import drain_captures
from tests.unit.training_files.filling import pair
from training_archive.conf import archive_settings
from training_archive.services import archive_training_data, forget
from training_files.conversations.captured import (
    CUT_OFF,
    DAMAGED,
    ENRICHES,
    IMPORTED,
    LOST,
    NOTHING_LEFT,
    TOO_LONG,
    TOOL_CALL,
    CapturedReport,
    conversations_from_captures,
)
from training_files.conversations.dialogue import Turn, pairs_of
from training_files.conversations.review import review_pair
from training_files.conversations.store import id_of_captured, load_conversation, store_conversation
from training_files.models import Conversation, ConversationExample
from training_files.v4.conversation import EnrichedConversation

pytestmark = pytest.mark.django_db(transaction=True)


def say(question: str, answer: str = "", *, conversation: str = "chat 1", **values: Any) -> str:
    """A captured call; its id."""
    metadata = {"conversation_id": conversation, **values.pop("metadata", {})}
    prompt = {} if "messages" in values else {"prompt": question}
    made = record_example(
        provider="other", model="m", response=answer, training_metadata=metadata, **{**prompt, **values}
    )
    assert made is not None
    return made


def take_in(**options: Any) -> CapturedReport:
    return conversations_from_captures(by="shell", **options)


def targets(conversation: str = "chat 1") -> list[str | None]:
    row = Conversation.objects.get(pk=id_of_captured(conversation))
    return [pair["target_response"] for pair in load_conversation(row).pairs]


def test_captured_calls_of_a_conversation_become_its_turns() -> None:
    say("q1", "a1", system_prompt="Be kind.")
    say("", "a2", messages=[
        {"role": "user", "content": "q1"}, {"role": "assistant", "content": "a1"}, {"role": "user", "content": "q2"},
    ])  # fmt: skip
    assert take_in().added == 1
    assert targets() == [None, "a1", None, "a2"]
    row = Conversation.objects.get()
    assert (row.source, row.source_file, row.enrichment_status) == ("captured", "chat 1", "pending")
    assert load_conversation(row).pairs[0]["system_prompt"] == "Be kind."


def test_a_real_call_is_taken_in_as_well() -> None:
    call_llm("Hello?", training_metadata={"conversation_id": "chat 1"})
    take_in()
    assert "offline" in str(targets()[1])


def test_conversations_are_kept_apart_and_calls_without_one_left_alone() -> None:
    say("q1", "a1")
    say("q2", "a2", conversation="chat 2")
    call_llm("Alone", training_metadata={})
    assert take_in().added == 2
    assert targets("chat 2") == [None, "a2"]


def test_the_id_is_kept_where_it_is_a_uuid() -> None:
    assert id_of_captured("6F1D8D3C-3f0e-4bb0-9a55-8f4f6c3f2a11") == "6f1d8d3c-3f0e-4bb0-9a55-8f4f6c3f2a11"
    assert id_of_captured("chat 1") == id_of_captured("chat 1") != id_of_captured("chat 2")


def test_the_text_comes_from_archive_and_live_database_alike() -> None:
    say("q1", "a1")
    archive_training_data()
    say("q2", "a2")
    take_in()
    assert targets() == [None, "a1", None, "a2"]


def test_again_nothing_changes() -> None:
    say("q1", "a1")
    take_in()
    before = list(Conversation.objects.values())
    assert take_in().unchanged == 1
    assert list(Conversation.objects.values()) == before


def test_a_conversation_that_goes_on_waits_anew_and_keeps_its_reviews() -> None:
    say("q1", "a1")
    take_in()
    found = id_of_captured("chat 1")
    review_pair(found, 2, by="user:ada", score=5)
    Conversation.objects.update(enrichment_status="completed")
    say("q2", "a2")
    assert take_in().changed == [found]
    row = Conversation.objects.get()
    assert (row.turns, row.reviewed_pairs, row.enrichment_status) == (4, 1, "pending")


def test_the_examples_are_noted_each_once() -> None:
    first = say("q1", "a1")
    take_in()
    second = say("q2", "a2")
    take_in()
    assert list(ConversationExample.objects.order_by("position").values_list("example_id", flat=True)) == [
        first,
        second,
    ]


def test_an_answer_that_was_cut_off_is_counted_and_not_learnt_from() -> None:
    say("q1", "a1")
    request = CompletionRequest(model="m", messages=[{"role": "user", "content": "q2"}], plain=("", "q2"))
    metadata = {"conversation_id": "chat 1"}
    cut = Answer(request, Completion(text="half an ans", model="m"), "other", None, metadata, partial=True)
    assert record_answer(cut)
    report = take_in()
    assert report.left_out == {CUT_OFF: 1}
    assert targets() == [None, "a1", None]


def test_a_call_of_a_tool_is_counted_and_not_learnt_from() -> None:
    calls = [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    say("q1", tool_calls=calls)
    say("", "a2", messages=[
        {"role": "user", "content": "q1"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    ])  # fmt: skip
    report = take_in()
    assert report.left_out == {TOOL_CALL: 1}
    assert targets() == [None, "a2"]
    history = load_conversation(Conversation.objects.get()).pairs[-1]["conversation_history"]
    assert [said["role"] for said in history] == ["user", "assistant", "tool"]


def test_without_an_answer_to_learn_from_there_is_no_conversation() -> None:
    say("q1", tool_calls=[{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}])
    assert take_in().left_out[NOTHING_LEFT] == 1
    assert not Conversation.objects.exists()


def test_a_conversation_that_is_too_long_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_files.conversations.captured.MOST_TURNS", 4)
    for number in range(3):
        say(f"q{number}", f"a{number}")
    say("q", "a", conversation="chat 2")
    report = take_in()
    assert (report.added, report.left_out) == (1, {TOO_LONG: 1})


def test_what_was_erased_on_request_is_not_there() -> None:
    say("q1", "a1")
    say("q2", "a2", conversation="chat 2")
    archive_training_data()
    forget(by="ada", conversation="chat 1")
    assert take_in().added == 1
    assert Conversation.objects.get().source_file == "chat 2"


def test_a_correction_takes_the_place_of_the_answer_and_not_of_what_was_said() -> None:
    first = say("q1", "wrong")
    say("", "a2", messages=[
        {"role": "user", "content": "q1"}, {"role": "assistant", "content": "wrong"}, {"role": "user", "content": "q2"},
    ])  # fmt: skip
    save_review(first, by="ada", verdict="bad", correction="right", comment="see the manual")
    take_in()
    assert targets() == [None, "right", None, "a2"]
    pairs = load_conversation(Conversation.objects.get()).pairs
    assert pairs[1]["training_metadata"]["human_reviewed"] is True
    assert pairs[1]["training_metadata"]["reviewer_notes"] == "see the manual"
    assert pairs[1]["training_metadata"]["quality_score"] is None
    assert pairs[3]["conversation_history"][1]["content"] == "wrong"


def test_a_verdict_is_a_review_with_a_score() -> None:
    good, bad = say("q1", "a1"), say("q2", "a2")
    save_review(good, by="ada", verdict="good")
    save_review(bad, by="ada", verdict="bad")
    take_in()
    row = Conversation.objects.get()
    assert (row.reviewed_pairs, row.quality_score) == (2, 2.5)


def test_a_correction_by_an_application_is_taken_but_is_no_review() -> None:
    first = say("q1", "wrong")
    add_feedback(first, source="shop", idempotency_key=None, correction="right")
    take_in()
    assert targets() == [None, "right"]
    assert Conversation.objects.get().reviewed_pairs == 0


def test_calls_by_which_conversations_are_enriched_are_in_none() -> None:
    say("q1", "a1")
    say("Label this", "{}", metadata={ENRICHES: "other"})
    take_in()
    assert targets() == [None, "a1"]


def test_only_what_is_named_is_taken_with_all_of_its_turns() -> None:
    say("q1", "a1", task="shop")
    say("q2", "a2", task="help")
    say("q3", "a3", conversation="chat 2", task="shop")
    assert take_in(tasks=["help"]).added == 1
    assert targets() == [None, "a1", None, "a2"]
    assert take_in(conversation_ids=["chat 2"]).added == 1


def test_text_that_json_cannot_hold_is_taken_as_it_was_captured() -> None:
    say("\ud800 q1", "a\x00b </script>")
    take_in()
    assert targets() == [None, "a\x00b </script>"]


def test_a_conversation_that_has_lost_examples_stays_as_it_is() -> None:
    say("q1", "a1")
    archive_training_data()
    say("q2", "a2")
    take_in()
    archive_settings().zip_path.unlink()
    say("q3", "a3")
    report = take_in()
    assert (report.changed, report.left_out) == ([], {LOST: 1})
    assert targets() == [None, "a1", None, "a2"]


def test_a_conversation_that_was_imported_under_the_id_stays_as_it_is() -> None:
    metadata = {"conversation_id": id_of_captured("chat 1")}
    imported = EnrichedConversation(metadata=metadata, pairs=[pair(1, score=5)])
    store_conversation(imported, source="imported", by="user:ada")
    say("q1", "a1")
    report = take_in()
    assert (report.changed, report.left_out) == ([], {IMPORTED: 1})
    assert load_conversation(Conversation.objects.get()) == imported


def test_a_stored_file_that_is_damaged_keeps_no_other_waiting(data_dir: Path) -> None:
    names = ["chat 1", "chat 2"]
    for name in names:
        say("q1", "a1", conversation=name)
    take_in()
    row = Conversation.objects.get(pk=id_of_captured("chat 1"))
    (data_dir / "training_files" / str(row.enriched_file_path)).write_bytes(b"{}")
    for name in names:
        say("q2", "a2", conversation=name)
    report = take_in()
    assert (report.changed, report.left_out) == ([id_of_captured("chat 2")], {DAMAGED: 1})


def test_a_conversation_of_endless_examples_is_not_even_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_files.conversations.captured._EXAMPLES_AT_ONCE", 2)
    for number in range(3):
        say(f"q{number}", "a")
    say("q", "a", conversation="chat 2")
    report = take_in()
    assert (report.added, report.left_out) == (1, {TOO_LONG: 1})


def test_pairs_of_long_turns_are_not_made_beyond_what_may_be_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_files.conversations.captured.LONGEST_PIECE", 50_000)
    made: list[int] = []

    def counting(conversation_id: str, turns: Sequence[Turn]) -> Iterator[dict[str, Any]]:
        for each in pairs_of(conversation_id, turns):
            made.append(each["turn_number"])
            yield each

    monkeypatch.setattr("training_files.conversations.captured.pairs_of", counting)
    for number in range(20):
        say(f"{number} {'x' * 5000}", "a")
    assert take_in().left_out == {TOO_LONG: 1}
    assert len(made) < 10


def test_conversations_are_counted_a_page_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_files.conversations.captured._CONVERSATIONS_AT_ONCE", 2)
    names = [f"chat {number}" for number in range(5)]
    for name in names:
        say("q", "a", conversation=name, task="shop")
    assert take_in(conversation_ids=[*names[1:], names[1]]).added == 4
    assert take_in(since=datetime(2026, 1, 1, tzinfo=UTC)).added == 1
    assert take_in(tasks=["shop"]).unchanged == 5


def test_a_correction_in_what_only_duckdb_reads_is_not_learnt_from() -> None:
    say("q1", "a1")
    say("q2", "wrong")
    drain_captures()
    odd = """ '{"correction": "right", "odd": NaN, "gleaner": {"conversation_id": "chat 1"}}' """
    with (
        scratch_directory(capture_settings().data_dir) as scratch,
        duckdb_session(scratch=scratch, memory_mb=100) as connection,
        lock_live_database(capture_settings().live_database) as live,
        live.attached(connection),
    ):
        connection.execute(f"UPDATE {ALIAS}.{TABLE} SET metadata = {odd} WHERE response_strong = 'wrong'")
    assert take_in().left_out == {CUT_OFF: 1}
    assert targets() == [None, "a1", None]
