"""Searching by words of the previews: what is entered when, what finds it, and that it goes with its example."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from capture_app.models import ExampleIndex, Job
from console.examples.listing import Listing
from console.examples.search import entries, finding
from console.examples.search.entries import enter_examples, enter_newest
from console.examples.search.finding import find_by_words
from console.examples.search.schema import TRIGGER, WORDS, has_words, install_search
from console.examples.search.words import Term, terms_of
from console.examples.wanted import Wanted
from console.models import SearchEntry
from tests.unit.console.examples.conftest import NOON, Make

pytestmark = pytest.mark.django_db


@pytest.fixture
def entered(make_example: Make) -> Callable[..., ExampleIndex]:
    """An example with this prompt, entered for search."""

    def enter(prompt: str, **values: Any) -> ExampleIndex:
        example = make_example(prompt_preview=prompt, response_preview="", **values)
        enter_examples()
        return example

    return enter


def found(question: str) -> list[str]:
    hits = find_by_words(question)
    assert hits is not None
    return hits.ids


# --- Words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "terms"),
    [
        ("Price of it", [("Price",), ("of",), ("it",)]),
        ('"two words" three', [("two", "words"), ("three",)]),
        ('"never closed', [("never", "closed")]),
        ("snake_case foo-bar", [("snake", "case"), ("foo", "bar")]),
        ("?!", []),
        ("", []),
        ('""', []),
    ],
)
def test_a_question_is_words(question: str, terms: list[tuple[str, ...]]) -> None:
    assert terms_of(question) == [Term(words) for words in terms]


@pytest.mark.parametrize(("question", "is_beginning"), [("pri*", True), ("pr*", False), ("price", False)])
def test_a_star_marks_a_beginning_unless_it_is_too_short(question: str, is_beginning: bool) -> None:
    [term] = terms_of(question)

    assert term.is_beginning is is_beginning


@pytest.mark.parametrize(
    "question",
    ["price", "PRICE", "price eur", '"the price"', "pri*", "the-price", "12.5", "über", "ÜBER", "snake_case", "case"],
)
def test_words_find_what_holds_them(entered: Callable[..., ExampleIndex], question: str) -> None:
    example = entered("What is the price? 12.5 EUR, über snake_case")
    entered("Nothing of the kind")

    assert found(question) == [example.pk]


@pytest.mark.parametrize("question", ["rice", "prices", '"price the"', "price nowhere", "uber", "?", "pr*"])
def test_words_find_nothing_else(entered: Callable[..., ExampleIndex], question: str) -> None:
    entered("What is the price? 12.5 EUR, über snake_case")

    assert found(question) == []


@pytest.mark.parametrize(
    "question",
    [
        'a" OR "b',
        "NEAR(a b)",
        "a AND NOT",
        "words:a",
        "^a",
        "a' & b",
        "a | b",
        "!a",
        "a:*",
        "\\",
        "'",
        "a; DROP TABLE x",
        "*",
        '"*"',
        "(" * 100,
        "a " * 500,
        "\u202e",
        "😀",
        "a\u0301",
    ],
)
def test_no_question_is_an_expression(entered: Callable[..., ExampleIndex], question: str) -> None:
    entered("harmless")

    assert found(question) == []


def test_an_answer_is_searched_too(make_example: Make) -> None:
    example = make_example(response_preview="Twelve")
    enter_examples()

    assert found("twelve") == [example.pk]


@pytest.mark.parametrize("question", ["東京", "ราคา"])
def test_where_words_are_not_parted_previews_are_looked_through(make_example: Make, question: str) -> None:
    example = make_example(prompt_preview="私は東京にいます ราคาเท่าไร")
    make_example()

    assert find_by_words(question) is None
    assert Listing(Wanted(question=question), may_read=True).page().rows == [example]


def test_a_search_gives_the_last_of_many(make_example: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "MOST", 2)
    made = [make_example().pk for _ in range(3)]
    enter_examples()
    hits = find_by_words("cost")

    assert hits
    assert (hits.ids, hits.is_cut) == ([made[2], made[1]], True)


# --- What is entered when --------------------------------------------------------------------------------------------


def test_the_job_enters_all_and_says_how_many(make_example: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "_AT_ONCE", 2)
    for _ in range(5):
        make_example()

    assert enter_examples() == 5
    assert enter_examples() == 0
    assert Job.objects.get(name="search").rows == 0
    assert SearchEntry.objects.count() == 5


def test_a_search_enters_what_came_just_now(make_example: Make) -> None:
    example = make_example()

    assert found("cost") == [example.pk]


def test_a_search_that_has_no_time_for_that_says_so(make_example: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make_example()
    monkeypatch.setattr(entries, "_PAGE_SECONDS", -1.0)
    hits = find_by_words("cost")

    assert hits
    assert (hits.ids, hits.is_behind) == ([], True)


def test_what_comes_late_with_an_earlier_time_is_entered_by_the_job(make_example: Make) -> None:
    make_example()
    enter_examples()
    late = make_example(created_at=NOON - timedelta(days=300), prompt_preview="imported")

    assert found("imported") == []
    assert enter_examples() == 1
    assert found("imported") == [late.pk]


def test_the_second_look_begins_anew_when_it_is_through(make_example: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "_LOOKED_AT_ONCE", 2)
    for _ in range(5):
        make_example()
    enter_examples()
    for number in range(3):
        make_example(created_at=NOON - timedelta(days=number + 1))
        assert enter_examples() == 1


def test_a_writer_at_work_keeps_no_search_waiting(make_example: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make_example()

    def busy(*_: object) -> int:
        raise DatabaseError("database is locked")

    monkeypatch.setattr(entries, "_enter", busy)

    assert enter_newest() is False


# --- It goes with its example ----------------------------------------------------------------------------------------


def words_kept() -> set[str]:
    """Every word that the search knows of any example."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE VIRTUAL TABLE temp.kept USING fts5vocab('main', '{WORDS}', 'row')")
        try:
            cursor.execute("SELECT term FROM temp.kept")
            return {term for (term,) in cursor.fetchall()}
        finally:
            cursor.execute("DROP TABLE temp.kept")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="it looks into SQLite's words")
def test_who_deletes_an_example_deletes_its_words(entered: Callable[..., ExampleIndex]) -> None:
    secret, other = entered("secret words"), entered("other words")
    ExampleIndex.objects.filter(pk=secret.pk).delete()

    assert found("secret") == []
    assert found("words") == [other.pk]
    assert words_kept() == {"other", "words"}
    assert set(SearchEntry.objects.values_list("example_id", flat=True)) == {other.pk}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="it looks into SQLite's words")
def test_an_example_that_was_not_entered_yet_can_be_deleted(make_example: Make) -> None:
    make_example(prompt_preview="kept")
    enter_examples()
    make_example(prompt_preview="hurried").delete()

    assert "hurried" not in words_kept()
    assert len(found("kept")) == 1


def test_a_deletion_that_is_taken_back_keeps_the_words(entered: Callable[..., ExampleIndex]) -> None:
    example = entered("secret words")
    with transaction.atomic():
        ExampleIndex.objects.all().delete()
        transaction.set_rollback(True)

    assert found("secret") == [example.pk]


def test_all_can_be_deleted_and_entered_again(entered: Callable[..., ExampleIndex], make_example: Make) -> None:
    entered("first")
    ExampleIndex.objects.all().delete()
    example = make_example(id="example-0000", prompt_preview="second")
    enter_examples()

    assert (found("second"), found("first")) == ([example.pk], [])


# --- What the database needs -----------------------------------------------------------------------------------------


def test_migrate_makes_what_is_needed() -> None:
    assert has_words(connection)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="it drops SQLite's trigger")
def test_a_trigger_that_got_lost_is_made_again_and_all_is_entered_anew(entered: Callable[..., ExampleIndex]) -> None:
    entered("unseen words")
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {TRIGGER}")  # as a migration does that makes the table anew
    ExampleIndex.objects.all().delete()
    assert find_by_words("unseen") is None
    install_search()

    assert has_words(connection)
    assert words_kept() == set()
    assert SearchEntry.objects.count() == 0


@pytest.mark.skipif(connection.vendor != "sqlite", reason="it takes SQLite's words away")
def test_without_words_previews_are_looked_through(make_example: Make) -> None:
    example = make_example()
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {TRIGGER}")
        cursor.execute(f"DROP TABLE {WORDS}")
    page = Listing(Wanted(question="item 0 co"), may_read=True).page()

    assert page.rows == [example]
    assert page.found.looked_through == "item 0 co"
    assert enter_examples() == 0
