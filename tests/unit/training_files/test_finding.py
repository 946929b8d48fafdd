"""Training files are found by what their current versions hold."""

from datetime import timedelta

import pytest

from tests.unit.training_files.material import ADA, BOB, made, stored
from training_files import service
from training_files.exceptions import InvalidRequest
from training_files.finding import find_conversations, find_training_files, ids_of_enriched

pytestmark = pytest.mark.django_db


def test_the_newest_comes_first() -> None:
    files = [made(number, name=f"file {number}") for number in range(3)]

    assert list(find_training_files()) == files[::-1]


def test_by_name_owner_and_status() -> None:
    one, two = made(1, name="Spring 10%"), made(2, name="autumn", by=BOB)
    service.archive_training_file(two.pk, by=BOB)

    assert list(find_training_files(name="spring 10%")) == [one]
    assert not find_training_files(name="_pring")
    assert list(find_training_files(status="archived", owner="user:bob")) == [two]
    assert list(find_training_files(status="all")) == [two, one]
    with pytest.raises(InvalidRequest):
        find_training_files(status="'; --")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"persona": "persona1"}, "one"),
        ({"arc": "arc0"}, "zero"),
        ({"topic": "topic1"}, "one"),
        ({"tier": "seed_dataset"}, "zero"),
        ({"persona": "persona1", "tier": "seed_dataset"}, ""),
        ({"min_quality": 3.1}, "zero"),
        ({"max_quality": 3}, "one"),
        ({"persona": '"persona1'}, ""),
    ],
)
def test_by_what_the_current_version_holds(wanted: dict[str, object], found: str) -> None:
    made(0, name="zero")
    made(1, name="one")
    made(4, name="without a score")  # which 2.25 is

    names = [each.name for each in find_training_files(**wanted)]  # type: ignore[arg-type]  # of many kinds

    assert [each for each in names if each != "without a score"] == ([found] if found else [])


def test_what_only_an_older_version_held_does_not_count() -> None:
    training_file = made(0, 1)
    service.new_version(training_file.pk, by=ADA)

    service.remove_conversations(training_file.pk, ["c1"], by=ADA)

    assert not find_training_files(persona="persona1")
    assert list(find_training_files(persona="persona0", min_quality=4.5)) == [training_file]


def test_by_when_they_were_made() -> None:
    one, two = made(1, name="one"), made(2, name="two")

    assert list(find_training_files(created_after=two.created_at)) == [two]
    assert list(find_training_files(created_before=two.created_at)) == [one]
    assert list(find_training_files(created_after=one.created_at, created_before=two.created_at)) == [one]


def test_conversations_are_found_by_what_they_are() -> None:
    stored(0, 1, 2)

    assert [each.pk for each in find_conversations()] == ["c2", "c1", "c0"]
    assert [each.pk for each in find_conversations(persona="persona0", max_quality=4)] == []
    assert [each.pk for each in find_conversations(tier="experimental", arc="arc1")] == ["c1"]
    newest = find_conversations()[0].created_at
    assert not find_conversations(created_after=newest + timedelta(seconds=1))
    assert list(ids_of_enriched()) == ["c0", "c1", "c2"]
