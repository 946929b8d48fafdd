"""Lists: filters and pages."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.training_files.api.asking import PATH, Asking, actor, problem, program
from tests.unit.training_files.filling import conversation, many, store, training_file
from training_files.models import Conversation, TrainingFile

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader() -> Asking:
    return program("reader", "read")


def names(reader: Asking, query: str = "") -> list[str]:
    return [each["name"] for each in reader.get(query).json()["files"]]


def files(*file_names: str) -> None:
    """Training files of one conversation, the first is the oldest."""
    [each] = store(conversation("c"))
    for day, name in enumerate(file_names, 1):
        made = training_file([each], name=name)
        TrainingFile.objects.filter(pk=made.pk).update(created_at=datetime(2026, 1, day, tzinfo=UTC))


def test_active_training_files_are_listed_the_newest_first(reader: Asking) -> None:
    files("one", "two", "three")
    TrainingFile.objects.filter(name="two").update(status="archived")

    assert names(reader) == ["three", "one"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?status=archived", ["archived"]),
        ("?status=all", ["bright", "dull", "archived"]),
        ("?name=RIGH", ["bright"]),
        ("?owner=token:ci", ["bright"]),
        ("?min_quality=4", ["bright"]),
        ("?max_quality=3", ["dull"]),
        ("?min_quality=3&max_quality=3.5", ["dull"]),
        ("?tier=seed_dataset", ["bright"]),
        ("?persona=q", ["dull"]),
        ("?arc=b&topic=u", ["dull"]),
        ("?persona=nobody", []),
        ("?created_after=2026-01-03", ["bright"]),
        ("?created_after=2026-01-02T00:00:00%2B00:00", ["bright", "dull"]),
        ("?created_before=2026-01-03T01:00:00%2B01:00", ["dull"]),
        ("?name=&tier=", ["bright", "dull"]),
    ],
)
def test_filters_find_training_files(reader: Asking, query: str, found: list[str]) -> None:
    store(conversation("bright", score=4.5), conversation("dull", score=3, cell=("q", "b", "u")))
    training_file(["dull"], name="archived")
    training_file(["dull"], name="dull")
    training_file(["bright"], name="bright", by=actor("ci"))
    TrainingFile.objects.filter(name="archived").update(status="archived")
    for day, name in enumerate(("archived", "dull", "bright"), 1):
        TrainingFile.objects.filter(name=name).update(created_at=datetime(2026, 1, day, tzinfo=UTC))

    assert names(reader, query) == found


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?persona_key=p", "persona_key"),
        ("?limit=0", "limit"),
        ("?limit=501", "limit"),
        ("?limit=ten", "limit"),
        ("?limit=", "limit"),
        ("?limit=1&limit=2", "limit"),
        ("?limit=%D9%A1", "limit"),  # a digit, but of another script
        ("?min_quality=nan", "min_quality"),
        ("?min_quality=1e999", "min_quality"),
        ("?status=lost", "status"),
        ("?created_after=yesterday", "created_after"),
        ("?created_after=2026-01-01T00:00:00", "created_after"),  # of which time zone?
        ("?created_after=2026-13-01", "created_after"),
        ("?name=%00", "name"),
        (f"?name={'x' * 256}", "name"),
    ],
)
def test_a_filter_that_is_none_is_refused_by_name(reader: Asking, query: str, field: str) -> None:
    response = reader.get(query)

    assert problem(response) == (400, "invalid")
    assert list(response.json()["details"]["fields"]) == [field]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59-23:59"])
def test_moments_at_the_edges_of_time_are_moments(reader: Asking, moment: str) -> None:
    assert reader.get(f"?created_after={moment}&created_before={moment}").status_code == 200


def followed(reader: Asking, path: str, key: str, *, link: str = "next") -> list[list[Any]]:
    """All pages, by the links."""
    pages: list[list[Any]] = []
    following: str | None = path
    while following:
        found = reader.get(following.removeprefix(f"http://testserver{PATH}")).json()
        pages.append(found[key])
        following = found[link]
    return pages


def test_pages_are_followed_by_their_links(reader: Asking) -> None:
    files("a", "b", "c", "d", "e")

    pages = followed(reader, "?limit=2", "files")

    assert [[each["name"] for each in page] for page in pages] == [["e", "d"], ["c", "b"], ["a"]]


def test_pages_lead_back_to_the_first(reader: Asking) -> None:
    files("a", "b", "c", "d", "e")
    second = reader.get("?limit=2").json()["next"].removeprefix(f"http://testserver{PATH}")
    third = reader.get(second).json()["next"].removeprefix(f"http://testserver{PATH}")

    pages = followed(reader, third, "files", link="previous")

    assert [[each["name"] for each in page] for page in pages] == [["a"], ["c", "b"], ["e", "d"]]


def test_rows_of_one_moment_are_each_on_one_page(reader: Asking) -> None:
    files("a", "b", "c")
    TrainingFile.objects.update(created_at=datetime(2026, 1, 1, tzinfo=UTC))

    pages = followed(reader, "?limit=1", "files")

    assert sorted(each["name"] for page in pages for each in page) == ["a", "b", "c"]


def test_what_comes_meanwhile_moves_no_page(reader: Asking) -> None:
    files("a", "b")
    link = reader.get("?limit=1").json()["next"].removeprefix(f"http://testserver{PATH}")
    training_file(["c"], name="newest")

    assert names(reader, link) == ["a"]


def test_links_keep_the_filters(reader: Asking) -> None:
    files("one", "other", "oft")

    pages = followed(reader, "?name=o&limit=1&status=all", "files")

    assert [each["name"] for page in pages for each in page] == ["oft", "other", "one"]


def test_pages_of_a_training_file_are_in_its_order(reader: Asking) -> None:
    file_id = training_file(many("c", 5)).pk

    pages = followed(reader, f"/{file_id}/conversations?limit=2", "conversations")

    assert [[each["conversation_id"] for each in page] for page in pages] == [["c0", "c1"], ["c2", "c3"], ["c4"]]


def test_links_lead_on_behind_the_longest_ids(reader: Asking) -> None:
    store(*(conversation(number + "\N{GRINNING FACE}" * 199) for number in "ab"))

    pages = followed(reader, "/conversations?limit=1", "conversations")

    assert sorted(each["id"][0] for page in pages for each in page) == ["a", "b"]


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "%00",
        "W10",  # []
        "WyJuIiwiMjAyNi0wMS0wMVQwMDowMDowMCIsIngiXQ",  # its time has no offset
        "WyJuIiwiMDAwMS0wMS0wMVQwMDowMDowMCsyMzowMCIsIngiXQ",  # its time is none in UTC
        "WyJvIiwtMV0",  # a position before the first
        "WyJvIiw5OTk5OTk5OTk5OTk5OTk5OTk5XQ",  # one that no database counts to
    ],
)
def test_a_cursor_of_somebody_else_leads_nowhere(reader: Asking, cursor: str) -> None:
    file_id = training_file(many("c", 1)).pk

    for path in ("", "/conversations", f"/{file_id}/conversations", f"/{file_id}/versions"):
        status, _ = problem(reader.get(f"{path}?cursor={cursor}"))
        assert status in (400, 404), path


def test_a_cursor_whose_key_is_no_uuid_leads_to_no_training_file(reader: Asking) -> None:
    cursor = "WyJuIiwiMjAyNi0wMS0wMVQwMDowMDowMCswMDowMCIsIm5vIFVVSUQiXQ"

    assert problem(reader.get(f"?cursor={cursor}")) == (404, "not_found")


def test_a_list_costs_as_many_questions_as_it_is_long_or_short(reader: Asking, django_assert_num_queries: Any) -> None:
    files(*"abcdefgh")
    reader.get()  # the token's use is noted once in a while

    with django_assert_num_queries(3):  # the token, the files, their versions
        assert len(names(reader)) == 8


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["c1", "c0"]),
        ("?persona=q", ["c1"]),
        ("?min_quality=4", ["c0"]),
        ("?enrichment_status=pending", []),
        ("?source=imported&tier=experimental", ["c1"]),
    ],
)
def test_filters_find_conversations(reader: Asking, query: str, found: list[str]) -> None:
    store(conversation("c0"))
    store(conversation("c1", cell=("q", "b", "u"), score=3))

    listed = reader.get(f"/conversations{query}").json()["conversations"]

    assert [each["id"] for each in listed] == found


def test_what_is_listed_of_a_conversation_holds_none_of_its_text(reader: Asking) -> None:
    store(conversation("c0"))

    [found] = reader.get("/conversations").json()["conversations"]

    assert set(found) <= {each.name for each in Conversation._meta.get_fields()}
    assert "words" not in str(found)
