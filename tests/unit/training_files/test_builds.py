"""Long additions: in batches, resumable after a kill at any point, seen at the training file."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.training_files.material import (
    ADA,
    BOB,
    both_files,
    enriched,
    everything,
    ids_in,
    in_storage,
    made,
    stored,
    written_anew,
)
from training_files import builds, changing, service, tasks
from training_files.builds import run_build, silent_builds, start_build, start_new_build
from training_files.conversations.store import delete_conversations
from training_files.creating import NewFile
from training_files.exceptions import BuildStopped, FileClosed, InvalidRequest, NameTaken, NotFound, NotOwner
from training_files.models import Build, Conversation, TrainingFile

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """Ends a build as a signal would: nothing catches it."""


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builds, "BATCH", 2)


def killed_at(count: int) -> Any:
    def progress(stage: str, done: int, total: int) -> None:
        if done >= count:
            raise Killed

    return progress


def status(training_file: TrainingFile) -> str:
    return service.get_training_file(training_file.pk).status


def test_a_build_adds_in_batches_and_opens_the_file_again() -> None:
    training_file = made(1)
    build = start_build(training_file.pk, conversation_ids=stored(2, 3, 4, 5, 6), by=ADA)
    assert (build.state, status(training_file)) == ("queued", "processing")
    told = []

    done = run_build(build.pk, progress=lambda *told_now: told.append(told_now))

    assert (done.state, done.done, status(training_file)) == ("succeeded", 5, "active")
    assert told == [("adding", 0, 5), ("adding", 2, 5), ("adding", 4, 5), ("adding", 5, 5)]
    described = service.describe(training_file)
    assert described.parts == 4
    described = service.describe(service.get_training_file(training_file.pk))
    assert both_files(described.file) == written_anew(described, [enriched(number) for number in range(1, 7)])


def test_a_file_that_is_being_built_takes_no_other_changes() -> None:
    training_file = made(1)
    start_build(training_file.pk, conversation_ids=stored(2), by=ADA)

    for attempt in (
        lambda: service.add_conversations(training_file.pk, stored(3), by=ADA),
        lambda: start_build(training_file.pk, conversation_ids=stored(3), by=ADA),
    ):
        with pytest.raises(FileClosed):
            attempt()


def test_what_cannot_be_built_is_refused_at_once() -> None:
    training_file = made(1)
    stored(2)
    before = everything()

    for ids, by, kind in (
        (["c2", "c1"], ADA, InvalidRequest),
        (["c2", "nobody"], ADA, InvalidRequest),
        (["c2", "c2"], ADA, InvalidRequest),
        ([], ADA, InvalidRequest),
        (["c2"], BOB, NotOwner),
    ):
        with pytest.raises(kind):
            start_build(training_file.pk, conversation_ids=ids, by=by)
    with pytest.raises(NameTaken):
        start_new_build(NewFile(name="a file"), conversation_ids=["c2"], by=ADA)

    assert everything() == before


def test_those_that_are_in_it_already_may_be_skipped() -> None:
    training_file = made(1, 2)

    build = start_build(training_file.pk, conversation_ids=["c1", *stored(3), "c2"], by=ADA, skip_present=True)
    run_build(build.pk)

    assert ids_in(service.describe(training_file)) == ["c1", "c2", "c3"]


def test_a_new_file_is_built_from_nothing() -> None:
    build = start_new_build(NewFile(name="built"), conversation_ids=stored(2, 1, 3), by=ADA)

    run_build(build.pk)

    training_file = build.training_file
    training_file.refresh_from_db()
    described = service.describe(training_file)
    assert training_file.vertical == "general"
    assert training_file.consultant_profile == {"zebra": 1, "name": "Elena"}
    assert both_files(training_file) == written_anew(described, [enriched(number) for number in (2, 1, 3)])


@pytest.mark.parametrize("count", [0, 2, 4, 5])
def test_a_build_that_was_killed_goes_on_where_it_was(count: int) -> None:
    training_file = made(1)
    build = start_build(training_file.pk, conversation_ids=stored(2, 3, 4, 5, 6), by=ADA)
    with pytest.raises(Killed):
        run_build(build.pk, progress=killed_at(count))
    assert (status(training_file), Build.objects.get().done) == ("processing", count)

    run_build(build.pk)

    assert ids_in(service.describe(training_file)) == [f"c{number}" for number in range(1, 7)]
    assert status(training_file) == "active"


def test_what_is_over_is_not_run_again() -> None:
    training_file = made(1)
    build = start_build(training_file.pk, conversation_ids=stored(2), by=ADA)
    run_build(build.pk)
    before = everything()

    assert run_build(build.pk).state == "succeeded"

    assert everything() == before
    with pytest.raises(NotFound):
        run_build(build.pk + 1)


def test_of_two_that_run_it_at_once_the_later_one_goes_on() -> None:
    training_file = made(1)
    build = start_build(training_file.pk, conversation_ids=stored(2, 3, 4, 5, 6), by=ADA)

    def taken_over(stage: str, done: int, total: int) -> None:
        if done == 2:
            run_build(build.pk)

    with pytest.raises(BuildStopped):
        run_build(build.pk, progress=taken_over)

    assert ids_in(service.describe(training_file)) == [f"c{number}" for number in range(1, 7)]
    assert Build.objects.get().state == "succeeded"


def test_a_problem_is_seen_and_can_be_mended() -> None:
    training_file = made(1)
    build = start_build(training_file.pk, conversation_ids=stored(2, 3, 4, 5), by=ADA)
    Conversation.objects.filter(pk="c5").update(enrichment_status="pending")

    with pytest.raises(InvalidRequest):
        run_build(build.pk)

    build.refresh_from_db()
    assert (build.state, build.done, status(training_file)) == ("failed", 2, "failed")
    assert "it is not of c5" in build.problem
    assert ids_in(service.describe(training_file)) == ["c1", "c2", "c3"]

    stored(5)
    assert run_build(build.pk).problem == ""
    assert ids_in(service.describe(training_file)) == ["c1", "c2", "c3", "c4", "c5"]
    assert status(training_file) == "active"


def test_what_is_forgotten_before_its_turn_is_left_out_and_counted() -> None:
    training_file = made(1)
    build = start_build(training_file.pk, conversation_ids=stored(2, 3, 4, 5, 6), by=ADA)
    delete_conversations(["c3", "c4", "c5"])  # of one batch a part, of the next all

    done = run_build(build.pk)

    assert (done.state, done.done, status(training_file)) == ("succeeded", 5, "active")
    assert done.problem == "3 conversations left out, forgotten since the build was asked for."
    assert ids_in(service.describe(training_file)) == ["c1", "c2", "c6"]


def test_what_is_forgotten_just_when_it_is_added_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    training_file = made(1)
    build = start_build(training_file.pk, conversation_ids=stored(2, 3, 4, 5), by=ADA)
    really = changing.add

    def too_late(file_id: Any, ids: Any, **asked: Any) -> TrainingFile:
        delete_conversations(["c2", "c4", "c5"])
        return really(file_id, ids, **asked)

    monkeypatch.setattr(builds, "add", too_late)

    assert run_build(build.pk).problem.startswith("3 conversations")
    assert ids_in(service.describe(training_file)) == ["c1", "c3"]


def test_what_was_forgotten_before_a_kill_is_counted_after_it() -> None:
    training_file = made(1)
    build = start_build(training_file.pk, conversation_ids=stored(2, 3, 4, 5), by=ADA)
    delete_conversations(["c3"])
    with pytest.raises(Killed):
        run_build(build.pk, progress=killed_at(2))

    assert run_build(build.pk).problem.startswith("1 conversation left out")
    assert ids_in(service.describe(training_file)) == ["c1", "c2", "c4", "c5"]


def test_opening_the_file_again_ends_the_build() -> None:
    training_file = made(1)
    build = start_build(training_file.pk, conversation_ids=stored(2, 3, 4, 5), by=ADA)

    def opened(stage: str, done: int, total: int) -> None:
        if done == 2:
            service.reopen_training_file(training_file.pk, by=ADA)

    with pytest.raises(BuildStopped):
        run_build(build.pk, progress=opened)

    assert (Build.objects.get().state, status(training_file)) == ("abandoned", "active")
    assert ids_in(service.describe(training_file)) == ["c1", "c2", "c3"]
    assert run_build(build.pk).state == "abandoned"


def test_deleting_the_file_ends_the_build() -> None:
    training_file = made(1)
    build = start_build(training_file.pk, conversation_ids=stored(2, 3, 4, 5), by=ADA)

    def deleted(stage: str, done: int, total: int) -> None:
        if done == 2:
            service.delete_training_file(training_file.pk, by=ADA)

    with pytest.raises(BuildStopped):
        run_build(build.pk, progress=deleted)

    assert not Build.objects.exists()


def test_what_was_silent_for_long_is_sent_once() -> None:
    training_file = made(1)
    start_build(training_file.pk, conversation_ids=stored(2), by=ADA)
    assert silent_builds() == []

    Build.objects.update(seen_at=Build.objects.get().seen_at - timedelta(minutes=11))

    assert len(silent_builds()) == 1
    assert silent_builds() == []


def test_the_task_does_the_build_and_leaves_what_is_gone() -> None:
    training_file = made(1)
    build = start_build(training_file.pk, conversation_ids=stored(2), by=ADA)

    tasks.build(build.pk)
    tasks.build(build.pk + 1)

    assert ids_in(service.describe(training_file)) == ["c1", "c2"]


def test_the_ids_of_a_build_that_is_over_are_let_go(settings: Any) -> None:
    training_file = made(1)
    for number in (2, 3):
        build = start_build(training_file.pk, conversation_ids=stored(number), by=ADA)
        run_build(build.pk) if number == 2 else service.reopen_training_file(training_file.pk, by=ADA)
    assert len(in_storage(["builds"])) == 2

    settings.TRAINING_FILES = {"ORPHAN_HOURS": 0, "URL_SECONDS": 0}
    tasks.sweep()

    assert in_storage(["builds"]) == []
    both_files(training_file)
