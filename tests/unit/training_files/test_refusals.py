"""Whatever is refused leaves everything as it was: the rows, the files and what is noted as loose."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.unit.training_files.material import ADA, BOB, enriched, everything, in_storage, made, stored
from training_archive.shipping.exceptions import NotInStorage
from training_files import changing, creating, service
from training_files.actors import Actor
from training_files.conversations.store import delete_conversations, store_conversation
from training_files.exceptions import (
    ChangedMeanwhile,
    FileClosed,
    InvalidRequest,
    NameTaken,
    NotFound,
    NotOwner,
)
from training_files.models import LooseFile, TrainingFile
from training_files.parts import write_parts, write_without
from training_files.storage import sweep_loose_files

pytestmark = pytest.mark.django_db


@contextmanager
def refused(kind: type[Exception]) -> Iterator[Any]:
    before = everything()
    with pytest.raises(kind) as found:
        yield found
    assert everything() == before


def create(name: str, *ids: str, **values: Any) -> TrainingFile:
    return service.create_training_file(name, conversation_ids=ids, by=ADA, **values)


VERBS: dict[str, Callable[[TrainingFile, Actor], Any]] = {
    "add": lambda file, by: service.add_conversations(file.pk, ["c2"], by=by),
    "remove": lambda file, by: service.remove_conversations(file.pk, ["c1"], by=by),
    "rename": lambda file, by: service.rename_training_file(file.pk, by=by, name="other"),
    "describe": lambda file, by: service.rename_training_file(file.pk, by=by, description="other"),
    "new version": lambda file, by: service.new_version(file.pk, by=by),
    "archive": lambda file, by: service.archive_training_file(file.pk, by=by),
    "reopen": lambda file, by: service.reopen_training_file(file.pk, by=by),
    "delete": lambda file, by: service.delete_training_file(file.pk, by=by),
}


@pytest.mark.parametrize("verb", VERBS)
def test_only_its_owner_changes_a_training_file(verb: str) -> None:
    training_file = made(1)
    stored(2)

    with refused(NotOwner):
        VERBS[verb](training_file, BOB)


@pytest.mark.parametrize("verb", VERBS)
def test_whoever_may_change_all_does(verb: str) -> None:
    training_file = made(1)
    stored(2)

    VERBS[verb](training_file, Actor("user:bob", may_change_all=True))


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("file_id", [uuid4(), "c1", "", "0" * 1_000])
def test_there_must_be_such_a_file(verb: str, file_id: Any) -> None:
    made(1)

    with refused(NotFound):
        VERBS[verb](TrainingFile(pk=file_id), ADA)


@pytest.mark.parametrize("verb", ["add", "remove", "rename", "describe", "new version"])
@pytest.mark.parametrize("status", ["archived", "processing", "failed"])
def test_a_closed_file_takes_no_changes(verb: str, status: str) -> None:
    training_file = made(1)
    stored(2)
    TrainingFile.objects.update(status=status)

    with refused(FileClosed):
        VERBS[verb](training_file, ADA)


def test_a_file_that_is_being_built_is_not_archived() -> None:
    training_file = made(1)
    TrainingFile.objects.update(status="processing")

    with refused(FileClosed):
        service.archive_training_file(training_file.pk, by=ADA)


def test_unknown_conversations_are_named() -> None:
    training_file = made(1)
    stored(2)

    with refused(InvalidRequest) as found:
        service.add_conversations(training_file.pk, ["c2", "nobody", "c\x1b[2J"], by=ADA)
    assert found.value.conversation_ids == ["nobody", "c\x1b[2J"]
    with refused(InvalidRequest) as found:
        create("other", "c2", "nobody")
    assert found.value.conversation_ids == ["nobody"]


def test_conversations_that_are_not_enriched_are_named() -> None:
    training_file = made(1)
    store_conversation(enriched(2), source="imported", by="user:ada", status="pending")

    with refused(InvalidRequest) as found:
        service.add_conversations(training_file.pk, ["c2"], by=ADA)
    assert found.value.conversation_ids == ["c2"]


def test_conversations_that_are_in_it_already_are_named() -> None:
    training_file = made(1, 3)
    stored(2)

    with refused(InvalidRequest) as found:
        service.add_conversations(training_file.pk, ["c2", "c3", "c1"], by=ADA)
    assert found.value.conversation_ids == ["c3", "c1"]
    assert "Conversations already in training file: c3, c1." in str(found.value)


def test_conversations_that_are_not_in_it_cannot_be_removed() -> None:
    training_file = made(1, 3)
    stored(2)

    with refused(InvalidRequest) as found:
        service.remove_conversations(training_file.pk, ["c1", "c2", "c3"], by=ADA)
    assert found.value.conversation_ids == ["c2"]


def test_a_conversation_is_named_once() -> None:
    training_file = made(1)
    stored(2)

    for attempt in (service.add_conversations, service.remove_conversations):
        with refused(InvalidRequest) as found:
            attempt(training_file.pk, ["c1", "c2", "c1"], by=ADA)
        assert found.value.conversation_ids == ["c1"]


def test_a_request_names_some_conversations_and_not_too_many(settings: Any) -> None:
    settings.TRAINING_FILES = {"CONVERSATIONS_PER_REQUEST": 2}
    training_file = made(1, 2)
    ids = stored(3, 4, 5)

    for wrong in ([], ids):
        with refused(InvalidRequest):
            service.add_conversations(training_file.pk, wrong, by=ADA)
        with refused(InvalidRequest):
            create("other", *wrong)


def test_a_name_is_given_once() -> None:
    training_file, _ = made(1), made(2, name="taken")

    with refused(NameTaken):
        create(" taken ", "c1")
    with refused(NameTaken):
        service.rename_training_file(training_file.pk, by=ADA, name="taken")


def test_of_two_who_give_the_same_name_at_once_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    training_file, _ = made(1), made(2, name="taken")
    for module in (creating, service):  # as if it had been free a moment ago
        monkeypatch.setattr(module, "name_must_be_free", lambda name: None)
    before = {**everything(), "LooseFile": None, "files": None}

    with pytest.raises(NameTaken):
        create("taken", "c1")
    with pytest.raises(NameTaken):
        service.rename_training_file(training_file.pk, by=ADA, name="taken")

    assert {**everything(), "LooseFile": None, "files": None} == before


@pytest.mark.parametrize("name", ["", "  ", "n" * 256, "two\nlines", "nul\0", "half \ud800", "\u202egnp"])
def test_a_name_is_one_line_of_text(name: str) -> None:
    training_file = made(1)

    with refused(InvalidRequest) as found:
        create(name, "c1")
    assert found.value.field == "name"
    with refused(InvalidRequest):
        service.rename_training_file(training_file.pk, by=ADA, name=name)


@pytest.mark.parametrize(
    "name", ["\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\U0001f469\u200d\U0001f52c", "a\u00a0b"]
)
def test_a_name_may_be_in_any_script(name: str) -> None:
    training_file = made(1)

    assert service.rename_training_file(training_file.pk, by=ADA, name=f" {name} ").name == name


@pytest.mark.parametrize("text", ["nul\0", "half \ud800", "x" * 10_001])
def test_texts_are_what_a_database_keeps(text: str) -> None:
    training_file = made(1)

    for field in ("description", "vertical"):
        with refused(InvalidRequest) as found:
            create("other", "c1", **{field: text})
        assert found.value.field == field
    with refused(InvalidRequest):
        service.rename_training_file(training_file.pk, by=ADA, description=text)
    with refused(InvalidRequest):
        service.new_version(training_file.pk, by=ADA, note=text)


@pytest.mark.parametrize("profile", [{1: object()}, {"half": "\ud800"}, {"long": "x" * 100_001}])
def test_a_profile_is_json_of_bounded_size(profile: Any) -> None:
    made(1)

    with refused(InvalidRequest) as found:
        create("other", "c1", consultant_profile=profile)
    assert found.value.field == "consultant_profile"


def test_a_conversation_that_is_forgotten_meanwhile_is_not_added(monkeypatch: pytest.MonkeyPatch) -> None:
    training_file = made(1)
    stored(2)

    def written_too_late(rows: Any) -> Any:
        written = write_parts(rows)
        delete_conversations(["c2"])
        return written

    monkeypatch.setattr(changing, "write_parts", written_too_late)

    with pytest.raises(InvalidRequest) as found:
        service.add_conversations(training_file.pk, ["c2"], by=ADA)

    assert found.value.conversation_ids == ["c2"]
    assert [each for each, _ in service.conversations_in(training_file.pk)] == ["c1"]


@pytest.mark.parametrize("where", ["changing", "creating"])
def test_a_conversation_that_is_taken_out_of_the_storage_meanwhile_is_not_there(
    monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    training_file = made(1)
    stored(2)

    def forgotten_just_before(rows: Any) -> Any:
        delete_conversations(["c2"])
        sweep_loose_files(older_than=timedelta(0))
        return write_parts(rows)

    monkeypatch.setattr(f"training_files.{where}.write_parts", forgotten_just_before)

    attempts = {
        "changing": lambda: service.add_conversations(training_file.pk, ["c2"], by=ADA),
        "creating": lambda: create("other", "c2"),
    }

    with pytest.raises(InvalidRequest) as found:
        attempts[where]()

    assert found.value.conversation_ids == ["c2"]


def test_a_part_that_is_taken_out_of_the_storage_meanwhile_was_written_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    training_file = made(1, 2, 3)
    times: list[int] = []

    def forgotten_just_before(part: Any, unwanted: Any) -> Any:
        times.append(1)
        if len(times) == 1:
            service.remove_conversations(training_file.pk, ["c3"], by=ADA)
            sweep_loose_files(older_than=timedelta(0))
        return write_without(part, unwanted)

    monkeypatch.setattr(changing, "write_without", forgotten_just_before)

    service.remove_conversations(training_file.pk, ["c1"], by=ADA)

    assert [each for each, _ in service.conversations_in(training_file.pk)] == ["c2"]


def test_what_the_storage_has_lost_is_said_to_be_lost() -> None:
    training_file = made(1, 2)
    stored(3)
    for path in in_storage(["parts", "conversations"]):
        path.unlink()

    for attempt in (
        lambda: service.add_conversations(training_file.pk, ["c3"], by=ADA),
        lambda: service.remove_conversations(training_file.pk, ["c1"], by=ADA),
        lambda: create("other", "c3"),
    ):
        with refused(NotInStorage):
            attempt()


def test_what_was_swept_away_before_it_was_named_is_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    training_file = made(1)
    stored(2)
    times: list[int] = []

    def swept(rows: Any) -> Any:
        written = write_parts(rows)
        if not times:
            LooseFile.objects.update(is_condemned=True)
        times.append(1)
        return written

    monkeypatch.setattr(changing, "write_parts", swept)

    service.add_conversations(training_file.pk, ["c2"], by=ADA)

    assert len(times) == 2
    assert [each for each, _ in service.conversations_in(training_file.pk)] == ["c1", "c2"]


def test_who_is_always_too_late_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    training_file = made(1)
    stored(2)

    def always(rows: Any) -> None:
        raise changing.Stale

    monkeypatch.setattr(changing, "must_be_as_loaded", always)

    with pytest.raises(ChangedMeanwhile):
        service.add_conversations(training_file.pk, ["c2"], by=ADA)
    assert [each for each, _ in service.conversations_in(training_file.pk)] == ["c1"]


def test_two_who_remove_from_the_same_part_both_do(monkeypatch: pytest.MonkeyPatch) -> None:
    training_file = made(1, 2, 3)
    times: list[int] = []

    def meanwhile(part: Any, unwanted: Any) -> Any:
        written = write_without(part, unwanted)
        times.append(1)
        if len(times) == 1:
            service.remove_conversations(training_file.pk, ["c3"], by=ADA)
        return written

    monkeypatch.setattr(changing, "write_without", meanwhile)

    service.remove_conversations(training_file.pk, ["c1"], by=ADA)

    assert [each for each, _ in service.conversations_in(training_file.pk)] == ["c2"]
