"""From examples to conversations and training files, and how they are forgotten."""

from pathlib import Path
from typing import Any

import pytest

from capture_app import call_llm
from capture_app.models import ForgottenExample
from capture_app.put_aside import Wanted
from tests.unit.training_files.filling import ADA, conversation, store, training_file
from training_archive.conf import archive_settings
from training_archive.locks import only_run
from training_archive.made_from import CONVERSATION, TRAINING_FILE, MadeFrom, made_from
from training_archive.models import Erasure
from training_archive.sealed import sealed_folder
from training_archive.services import archive_training_data, forget
from training_archive.shipping.exceptions import StorageUnreachable
from training_files import changing, lineage, tasks
from training_files.conversations.store import id_of_captured
from training_files.exceptions import InvalidRequest
from training_files.joining import json_blocks
from training_files.lineage import erase_conversations, erase_forgotten
from training_files.models import Conversation, ConversationExample, EnrichmentAnswer, LooseFile, TrainingFile
from training_files.service import (
    add_conversations,
    describe,
    new_version,
    remove_conversations,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(db: None) -> TrainingFile:
    """A training file of three conversations: "ab" of the examples a and b, "c" of c, and "other"."""
    store(conversation("ab", pairs=2), examples=["a", "b"])
    store(conversation("c"), examples=["c"])
    store(conversation("other"))
    return training_file(["ab", "c", "other"], name="a file")


def content_of(training_file: TrainingFile, number: int | None = None) -> bytes:
    return b"".join(json_blocks(describe(TrainingFile.objects.get(pk=training_file.pk), number)))


def kept_in(data_dir: Path) -> bytes:
    """All that is in the storage."""
    return b"".join(path.read_bytes() for path in data_dir.rglob("*.json*"))


# --- What was made from them -----------------------------------------------------------------------------------------


def test_conversations_and_training_files_are_named_with_how_many_of_the_examples(made: TrainingFile) -> None:
    assert made_from(["a", "b", "c", "x"]) == [
        MadeFrom(kind=CONVERSATION, name="ab", examples=2),
        MadeFrom(kind=CONVERSATION, name="c", examples=1),
        MadeFrom(kind=TRAINING_FILE, name="a file, version 1", examples=3),
    ]
    assert made_from(["x"]) == []


def test_the_versions_that_hold_it_are_named(made: TrainingFile) -> None:
    new_version(made.pk, by=ADA)
    assert made_from(["a"])[-1].name == "a file, versions 1 and 2"

    new_version(made.pk, by=ADA)
    assert made_from(["a"])[-1].name == "a file, versions 1 to 3"

    remove_conversations(made.pk, ["ab"], by=ADA)
    assert made_from(["a"])[-1].name == "a file, versions 1 and 2"

    new_version(made.pk, by=ADA)
    add_conversations(made.pk, ["ab"], by=ADA)
    assert made_from(["a"])[-1].name == "a file, versions 1, 2 and 4"


# --- Forgetting ------------------------------------------------------------------------------------------------------


def test_a_conversation_goes_with_any_of_its_examples(made: TrainingFile, data_dir: Path) -> None:
    assert b'"ab"' in kept_in(data_dir)

    assert erase_conversations(Wanted(ids=["b"])) == 1

    assert sorted(Conversation.objects.values_list("pk", flat=True)) == ["c", "other"]
    assert describe(TrainingFile.objects.get()).figures.conversations == 2
    assert b'"ab"' not in content_of(made)
    assert b'"ab"' not in kept_in(data_dir)
    assert not LooseFile.objects.filter(is_condemned=False).exists()
    assert made_from(["a", "b"]) == []
    assert set(ConversationExample.objects.values_list("example_id", flat=True)) == {"c"}


@pytest.mark.parametrize("status", TrainingFile.Status.values)
def test_the_state_of_a_training_file_is_no_shelter(made: TrainingFile, status: str) -> None:
    TrainingFile.objects.update(status=status)

    erase_conversations(Wanted(ids=["a", "c"]))

    assert describe(TrainingFile.objects.get()).figures.conversations == 1
    assert TrainingFile.objects.get().status == status


def test_an_older_version_stays_and_is_named(made: TrainingFile) -> None:
    before = content_of(made)
    new_version(made.pk, by=ADA)

    erase_conversations(Wanted(ids=["a"]))

    assert content_of(made, 1) == before
    assert b'"ab"' not in content_of(made, 2)
    assert made_from(["a"]) == [MadeFrom(kind=TRAINING_FILE, name="a file, version 1", examples=1)]


def test_a_training_file_of_nothing_else_is_empty_after_it(db: None) -> None:
    store(conversation("ab"), examples=["a"])
    made = training_file(["ab"])

    erase_conversations(Wanted(ids=["a"]))

    assert describe(TrainingFile.objects.get()).figures.conversations == 0
    assert content_of(made).endswith(b'"conversations": []\n}')


def test_a_conversation_that_was_imported_is_forgotten_by_its_own_id(made: TrainingFile) -> None:
    assert erase_conversations(Wanted(conversations=["other"])) == 1
    assert describe(TrainingFile.objects.get()).figures.conversations == 2


def test_a_captured_conversation_is_forgotten_by_its_name_when_its_examples_are_gone(db: None) -> None:
    [kept] = store(conversation(id_of_captured("chat 7")))

    assert erase_conversations(Wanted(conversations=["chat 7"])) == 1
    assert not Conversation.objects.filter(pk=kept).exists()


def test_nobody_who_is_meant_touches_nothing(made: TrainingFile) -> None:
    LooseFile.objects.create(name="parts/of/somebody", noted_at=made.created_at)

    assert erase_conversations(Wanted(ids=["x"], users=["ada"])) == 0
    assert LooseFile.objects.exists()


@pytest.mark.parametrize("step", ["delete_conversations", "remove", "sweep_loose_files", "_drop_lineage"])
def test_what_a_kill_left_is_finished(
    made: TrainingFile, data_dir: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    class Killed(BaseException):
        pass

    def die(*args: Any, **kwargs: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(lineage, step, die)
        with pytest.raises(Killed):
            erase_conversations(Wanted(ids=["a"]))
    erase_conversations(Wanted(ids=["a"]))

    assert b'"ab"' not in kept_in(data_dir)
    assert made_from(["a"]) == []


def test_somebody_who_removes_it_at_the_same_time_does_no_harm(
    made: TrainingFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = changing.remove

    def too_late(file_id: Any, ids: Any, **asked: Any) -> TrainingFile:
        monkeypatch.setattr(lineage, "remove", really)
        really(file_id, [ids[0]], by=ADA)
        raise InvalidRequest("Not in it any more.")

    monkeypatch.setattr(lineage, "remove", too_late)
    erase_conversations(Wanted(ids=["a", "c"]))

    assert describe(TrainingFile.objects.get()).figures.conversations == 1


def test_a_training_file_that_is_deleted_at_the_same_time_does_no_harm(
    made: TrainingFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = changing.remove

    def too_late(file_id: Any, ids: Any, **asked: Any) -> TrainingFile:
        TrainingFile.objects.all().delete()
        return really(file_id, ids, **asked)

    monkeypatch.setattr(lineage, "remove", too_late)

    assert erase_conversations(Wanted(ids=["a"])) == 1


def test_what_is_stored_after_it_was_forgotten_goes_again(made: TrainingFile) -> None:
    ForgottenExample.objects.create(pk="b")

    assert erase_forgotten(["ab", "c", "other"]) == 1
    assert sorted(Conversation.objects.values_list("pk", flat=True)) == ["c", "other"]
    assert erase_forgotten(["c", "other"]) == 0


# --- All of it -------------------------------------------------------------------------------------------------------


@pytest.fixture
def captured(data_dir: Path) -> dict[str, str]:
    """Captured examples, archived: ada's question, and the call by which her conversation was enriched."""

    def call(text: str, **metadata: str) -> str:
        return str(call_llm(text, task="shop", training_metadata=metadata).example_id)

    ids = {"hers": call("The secret of Ada", user_id="ada"), "about": call("Rate this: the secret of Ada")}
    ids["other"] = call("Something else", user_id="bob")
    archive_training_data()
    return ids


def test_forgetting_a_person_reaches_conversations_training_files_and_what_a_model_was_asked_about_them(
    captured: dict[str, str], data_dir: Path
) -> None:
    store(conversation("hers"), examples=[captured["hers"]])
    store(conversation("other"), examples=[captured["other"]])
    made = new_version(training_file(["hers", "other"]).pk, by=ADA)
    EnrichmentAnswer.objects.create(
        conversation_id="hers", step="persona", example_id=captured["about"], answered_at=made.created_at
    )

    [receipt] = forget(user="ada", by="tester").receipts

    assert receipt.examples == 2
    assert receipt.removed["conversations"] == 1
    assert [(made["kind"], made["name"]) for made in receipt.made_from_them] == [(TRAINING_FILE, "a file, version 1")]
    assert not EnrichmentAnswer.objects.exists()
    assert set(ForgottenExample.objects.values_list("pk", flat=True)) == {captured["hers"], captured["about"]}
    assert b'"hers"' not in content_of(made)


def test_a_dry_run_counts_and_erases_nothing(captured: dict[str, str]) -> None:
    store(conversation("hers"), examples=[captured["hers"]])
    EnrichmentAnswer.objects.create(
        conversation_id="hers", step="persona", example_id=captured["about"], answered_at="2026-01-02T00:00:00Z"
    )

    assert forget(user="ada", by="tester", dry_run=True).found == 2
    assert Conversation.objects.exists()


def test_what_cannot_be_erased_keeps_the_request_open(
    captured: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store(conversation("hers"), examples=[captured["hers"]])

    def away(**asked: Any) -> int:
        raise StorageUnreachable("The storage is away.")

    with monkeypatch.context() as patched:
        patched.setattr(lineage, "sweep_loose_files", away)
        with pytest.raises(StorageUnreachable):
            forget(user="ada", by="tester")
    assert Erasure.objects.get().finished_at is None

    [receipt] = forget(by="tester").receipts

    assert receipt.removed["conversations"] == 0  # its row had gone the first time
    assert not LooseFile.objects.filter(is_condemned=False).exists()


# --- What a model was asked while it was being forgotten -------------------------------------------------------------


def asked_about(conversation_id: str, example_id: str) -> None:
    EnrichmentAnswer.objects.create(
        conversation_id=conversation_id, step="persona", example_id=example_id, answered_at="2026-01-02T00:00:00Z"
    )


def test_a_question_that_was_asked_while_it_was_forgotten_is_forgotten_by_the_sweep(captured: dict[str, str]) -> None:
    store(conversation("hers"), examples=[captured["hers"]])
    store(conversation("other"), examples=[captured["other"]])
    asked_about("other", captured["other"])
    erase_conversations(Wanted(ids=[captured["hers"]]))
    asked_about("hers", captured["about"])

    tasks.sweep()

    assert list(ForgottenExample.objects.values_list("pk", flat=True)) == [captured["about"]]
    assert list(EnrichmentAnswer.objects.values_list("conversation", flat=True)) == ["other"]
    tasks.sweep()
    assert Erasure.objects.count() == 1


def test_a_question_that_cannot_be_forgotten_now_is_left_to_the_next_sweep(captured: dict[str, str]) -> None:
    asked_about("gone", captured["about"])

    with only_run(sealed_folder(), archive_settings().zip_path.resolve()):
        tasks.sweep()
    assert EnrichmentAnswer.objects.count() == 1

    tasks.sweep()
    assert not EnrichmentAnswer.objects.exists()


def test_of_a_question_that_was_never_captured_nothing_is_left(made: TrainingFile) -> None:
    asked_about("ab", "")
    asked_about("c", "")

    erase_conversations(Wanted(ids=["a"]))
    assert list(EnrichmentAnswer.objects.values_list("conversation", flat=True)) == ["c"]

    asked_about("ab", "")  # a moment too late
    tasks.sweep()
    assert list(EnrichmentAnswer.objects.values_list("conversation", flat=True)) == ["c"]
    assert not Erasure.objects.exists()


def test_what_leads_to_a_conversation_that_came_again_meanwhile_stays(
    made: TrainingFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def comes_again(**asked: Any) -> int:
        store(conversation("ab"), examples=["b"])
        return 0

    monkeypatch.setattr(lineage, "sweep_loose_files", comes_again)

    erase_conversations(Wanted(ids=["a"]))

    assert made_from(["b"]) == [MadeFrom(kind=CONVERSATION, name="ab", examples=1)]
