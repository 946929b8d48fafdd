"""Each verb does what it says, to the bytes of the files."""

import orjson
import pytest

from tests.unit.training_files.material import (
    ADA,
    ADMIN,
    both_files,
    enriched,
    ids_in,
    in_storage,
    made,
    stored,
    written_anew,
)
from training_files import service
from training_files.exceptions import NotFound
from training_files.models import LooseFile, TrainingFile, TrainingFileConversation
from training_files.storage import sweep_loose_files

pytestmark = pytest.mark.django_db


def holds(training_file: TrainingFile, *numbers: int, version: int | None = None, edition: int = 0) -> bool:
    """Whether a version is what these conversations, written anew, are."""
    described = service.describe(service.get_training_file(training_file.pk), version)
    expected = written_anew(described, [enriched(number, edition=edition) for number in numbers])
    return both_files(described.file, version) == expected and ids_in(described) == [f"c{each}" for each in numbers]


def test_a_training_file_is_made_of_conversations_in_their_order() -> None:
    training_file = made(5, 1, 3)

    assert holds(training_file, 5, 1, 3)
    assert (training_file.owner, training_file.status, training_file.version) == ("user:ada", "active", 1)


def test_figures_are_computed_from_the_pairs() -> None:
    described = service.describe(made(1, 5))  # 2 pairs of score 3, and 3 of 4.9; the second of each is reviewed

    full = orjson.loads(both_files(described.file)[0])["training_file_metadata"]

    assert full["quality_summary"] == {
        "avg_quality_score": 4.14,
        "min_quality_score": 3,
        "max_quality_score": 4.9,
        "human_reviewed_count": 2,
        "human_reviewed_percentage": 40,
    }
    assert full["scaffolding_distribution"]["personas"] == {"persona1": 2}
    assert (full["total_conversations"], full["total_training_pairs"]) == (2, 5)


def test_vertical_and_profile_are_those_of_the_first_conversation_that_has_some(settings) -> None:
    settings.TRAINING_FILES = {"VERTICAL": "gardening"}

    training_file = made(2, 1, 5)

    assert training_file.vertical == "gardening"
    assert list(training_file.consultant_profile.items()) == [("zebra", 1), ("name", "Elena")]


def test_vertical_and_profile_may_be_given() -> None:
    training_file = service.create_training_file(
        "a file", conversation_ids=stored(1), by=ADA, vertical="law", consultant_profile={"name": "Me"}
    )
    service.add_conversations(training_file.pk, stored(2), by=ADA)

    head = orjson.loads(both_files(training_file)[0])
    assert (head["training_file_metadata"]["vertical"], head["consultant_profile"]) == ("law", {"name": "Me"})


def test_adding_appends_and_leaves_the_parts_that_are_there() -> None:
    training_file = made(1, 2)
    before = in_storage()

    service.add_conversations(training_file.pk, stored(7, 3), by=ADA)

    assert holds(training_file, 1, 2, 7, 3)
    assert set(before) < set(in_storage())
    assert service.describe(training_file).parts == 2


def test_large_conversations_are_written_as_several_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_files.parts._PART_BYTES", 25_000)

    training_file = service.create_training_file("large", conversation_ids=stored(1, 2, text="x" * 2_500), by=ADA)

    described = service.describe(training_file)
    assert described.parts == 2
    both_files(training_file)


def test_what_a_conversation_became_later_does_not_change_what_was_added() -> None:
    training_file = made(1, 2)

    stored(1, edition=1)

    assert holds(training_file, 1, 2)


def test_removing_leaves_the_others_as_they_were() -> None:
    training_file = made(1, 2, 3)
    service.add_conversations(training_file.pk, stored(4, 5), by=ADA)
    stored(2, edition=1)

    service.remove_conversations(training_file.pk, ["c1", "c5"], by=ADA)

    assert holds(training_file, 2, 3, 4)


def test_all_conversations_may_be_removed() -> None:
    training_file = made(1)

    service.remove_conversations(training_file.pk, ["c1"], by=ADA)

    assert holds(training_file)
    assert orjson.loads(both_files(training_file)[0])["conversations"] == []
    service.add_conversations(training_file.pk, ["c1"], by=ADA)
    assert holds(training_file, 1)


def test_conversations_without_any_answer_make_no_lines() -> None:
    training_file = made(3)  # its only pair has none

    assert holds(training_file, 3)
    assert both_files(training_file)[1].count(b"\n") == 0
    service.add_conversations(training_file.pk, stored(1), by=ADA)
    assert holds(training_file, 3, 1)


def test_an_older_version_stays_what_it_was() -> None:
    training_file = made(1, 2, 3)
    before = both_files(training_file)

    service.new_version(training_file.pk, by=ADA, note="without the second")
    service.remove_conversations(training_file.pk, ["c2"], by=ADA)
    service.add_conversations(training_file.pk, stored(4), by=ADA)
    service.rename_training_file(training_file.pk, by=ADA, name="another name")

    assert both_files(training_file, 1) == before
    assert holds(training_file, 1, 3, 4)
    assert service.get_training_file(training_file.pk).versions.get(number=2).note == "without the second"


def test_a_new_version_begins_as_the_last_one_and_writes_no_file() -> None:
    training_file = made(1, 2)
    before = in_storage()

    service.new_version(training_file.pk, by=ADA)

    assert in_storage() == before
    assert holds(training_file, 1, 2, version=2)


def test_two_versions_are_compared_by_conversation() -> None:
    training_file = made(1, 2, 3)
    service.new_version(training_file.pk, by=ADA)
    service.remove_conversations(training_file.pk, ["c1", "c2"], by=ADA)
    stored(2, edition=1)
    service.add_conversations(training_file.pk, [*stored(4), "c2"], by=ADA)

    found = service.diff_versions(training_file.pk, 1, 2)

    assert (found.added, found.removed, found.changed) == (["c4"], ["c1"], ["c2"])
    back = service.diff_versions(training_file.pk, 2, 1)
    assert (back.added, back.removed, back.changed) == (["c1"], ["c4"], ["c2"])


def test_the_conversations_of_a_version_are_listed_in_pages() -> None:
    training_file = made(1, 2, 3)
    service.add_conversations(training_file.pk, stored(4, 5), by=ADA)

    page = list(service.conversations_in(training_file.pk, offset=2, limit=2))

    assert [each for each, _ in page] == ["c3", "c4"]


def test_renaming_changes_the_head_of_the_files() -> None:
    training_file = made(1)

    service.rename_training_file(training_file.pk, by=ADA, name="  new name ", description="why")

    assert holds(training_file, 1)
    assert orjson.loads(both_files(training_file)[1].split(b"\n")[0])["_meta"]["file_name"] == "new name"
    assert service.get_training_file(training_file.pk).description == "why"


def test_a_description_alone_changes_no_version() -> None:
    training_file = made(1)
    before = both_files(training_file)

    service.rename_training_file(training_file.pk, by=ADA, description="why")

    assert both_files(training_file) == before
    assert service.describe(training_file).version.revision == 1


def test_an_archived_file_is_read_but_not_listed_until_it_is_opened_again() -> None:
    training_file = made(1)

    service.archive_training_file(training_file.pk, by=ADA)

    assert list(service.find_training_files()) == []
    assert holds(training_file, 1)
    service.reopen_training_file(training_file.pk, by=ADA)
    service.add_conversations(training_file.pk, stored(2), by=ADA)
    assert list(service.find_training_files()) == [training_file]


def test_a_deleted_file_leaves_nothing_once_it_was_swept(settings) -> None:
    training_file = made(1, 2)
    service.new_version(training_file.pk, by=ADA)
    service.remove_conversations(training_file.pk, ["c1"], by=ADA)

    service.delete_training_file(training_file.pk, by=ADMIN)

    with pytest.raises(NotFound):
        service.get_training_file(training_file.pk)
    assert not TrainingFileConversation.objects.exists()
    settings.TRAINING_FILES = {"ORPHAN_HOURS": 0, "URL_SECONDS": 0}
    sweep_loose_files()
    assert in_storage() == []
    assert not LooseFile.objects.exists()
