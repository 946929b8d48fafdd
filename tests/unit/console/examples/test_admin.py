"""The list of captured examples in the admin: what it shows to whom, and what it costs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from capture_app import call_llm
from capture_app.models import ExampleIndex, ExampleTag, Feedback, Review
from capture_app.services import drain_captures
from console.examples.search.entries import enter_examples
from tests.unit.console.examples.conftest import LIST, NOON, Make
from tests.unit.console.hostile import HOSTILE, Page
from tests.unit.training_archive.conftest import interrupted_run  # noqa: F401  (a fixture)
from training_archive.services import archive_training_data

pytestmark = pytest.mark.django_db

Listed = Callable[..., list[str]]


def text_of(client: Client, **parameters: str) -> str:
    answer = client.get(reverse(LIST), parameters)
    assert answer.status_code == 200
    return answer.content.decode()


# --- What it shows ---------------------------------------------------------------------------------------------------


def test_each_example_is_a_line_with_its_figures(admin_client: Client, make_example: Make) -> None:
    example = make_example(cost_usd=0.0125)
    page = text_of(admin_client)

    for part in ("2026-03-01 12:00:00", "shop", "small", "1,234 / 56", "0.012500", "7,890", "What does item 0 cost?"):
        assert part in page
    assert reverse("admin:capture_app_exampleindex_change", args=[example.pk]) in page


def test_what_people_said_is_shown(admin_client: Client, make_example: Make) -> None:
    example = make_example()
    Review.objects.create(example=example, verdict="bad", correction="x", reviewed_by="ada", reviewed_at=NOON)
    for score in (0.25, 0.75):
        Feedback.objects.create(example=example, score=score, source="app", created_at=NOON)
    page = text_of(admin_client)

    assert all(said in page for said in ("✗ bad<", ">corrected<", ">rated 0.75<"))


def test_where_each_one_is_is_shown(
    admin_client: Client,
    interrupted_run: Callable[..., None],  # noqa: F811  (the fixture)
) -> None:
    def place() -> str:
        [row] = admin_client.get(reverse(LIST)).context["cl"].result_list
        return str(row.facts.place)

    call_llm("Where?", task="shop", training_metadata={})
    drain_captures()
    assert place() == "live"
    interrupted_run()
    assert place() == "waits for the archive"
    report = archive_training_data()
    assert place() == report.chunks[0].chunk.removeprefix("llm_training_chunk_")


def test_what_waits_in_the_inbox_is_told(admin_client: Client) -> None:
    assert "not yet drained" not in text_of(admin_client)
    for number in range(2):
        call_llm(f"Question {number}", task="shop", training_metadata={})

    assert "2 calls are" in text_of(admin_client)


def test_an_inbox_that_cannot_be_read_is_told(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("console.examples.inbox.get_inbox", away)

    assert "is not known: OSError: Input/output error" in text_of(admin_client)


def test_an_empty_list_says_what_to_do(admin_client: Client) -> None:
    assert "drain_captures" in text_of(admin_client)


def test_filters_that_let_nothing_through_say_so(admin_client: Client, make_example: Make) -> None:
    make_example()

    assert "No example is what you ask for" in text_of(admin_client, partial="yes")


def test_dates_lead_to_days_and_back(admin_client: Client, make_example: Make) -> None:
    make_example()
    make_example(created_at=NOON.replace(year=2024, month=11, day=10))

    assert "?year=2024" in text_of(admin_client)
    months = text_of(admin_client, year="2024")
    assert "November 2024" in months
    assert "October 2024" not in months
    days = text_of(admin_client, year="2024", month="11")
    assert "November 10" in days
    assert "November 9" not in days
    assert "All dates" in months


def test_more_names_than_fit_can_be_typed(admin_client: Client, make_example: Make) -> None:
    for number in range(15):
        make_example(task=f"task-{number:02d}")
    page = text_of(admin_client, task="task-03")

    assert '<option value="task-14">' in page
    assert "task-03" in page


# --- Who may see it --------------------------------------------------------------------------------------------------

SECRETS = ("What does item", "Twelve euros", "golden tag")


@pytest.fixture
def tagged(make_example: Make) -> ExampleIndex:
    example = make_example()
    ExampleTag.objects.create(example=example, tag="golden tag", tagged_by="ada", tagged_at=NOON)
    enter_examples()
    return example


def test_strangers_are_sent_to_the_login(client: Client) -> None:
    assert reverse("admin:login") in client.get(reverse(LIST))["Location"]


@pytest.mark.parametrize("right", ["", "view_audit", "view_review"])
def test_staff_without_the_right_are_refused(log_in: Callable[..., Client], right: str) -> None:
    client = log_in(right)

    assert client.get(reverse(LIST)).status_code == 403
    assert client.get(reverse(LIST), {"nonsense": "1"}).status_code == 403


@pytest.mark.parametrize("right", ["view_text", "review_examples", "export_examples", "replay_calls"])
def test_who_may_read_sees_the_words(log_in: Callable[..., Client], tagged: ExampleIndex, right: str) -> None:
    page = text_of(log_in(right))

    for secret in SECRETS:
        assert secret in page


@pytest.mark.parametrize("right", ["view_figures", "forget_examples", "run_archive", "view_exampleindex"])
@pytest.mark.parametrize(
    "parameters", [{}, {"q": "twelve"}, {"q": "example-0000"}, {"q": "conversation-0"}, {"review": "none"}]
)
def test_who_may_see_figures_only_sees_no_word(
    log_in: Callable[..., Client], tagged: ExampleIndex, right: str, parameters: dict[str, str]
) -> None:
    page = text_of(log_in(right), **parameters)

    for secret in (*SECRETS, "full-text", "By tag"):
        assert secret not in page
    assert ("1,234" in page) is (parameters.get("q") != "twelve")


@pytest.mark.parametrize("parameters", [{"tag": "golden tag"}, {"look_in": "previews", "q": "twelve"}])
def test_who_may_see_figures_only_cannot_ask_for_words(
    log_in: Callable[..., Client], tagged: ExampleIndex, parameters: dict[str, str]
) -> None:
    answer = log_in("view_figures").get(reverse(LIST), parameters)

    assert answer.status_code == 302
    assert "tag" not in answer["Location"]
    assert "look_in" not in answer["Location"]


@pytest.mark.parametrize("action", ["add", "delete"])
def test_nobody_adds_or_deletes_here(admin_client: Client, make_example: Make, action: str) -> None:
    arguments = [make_example().pk] if action == "delete" else []

    assert admin_client.post(reverse(f"admin:capture_app_exampleindex_{action}", args=arguments)).status_code == 403
    assert ExampleIndex.objects.count() == len(arguments)


def test_the_list_has_the_headers(admin_client: Client) -> None:
    answer = admin_client.get(reverse(LIST))

    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert "no-store" in answer["Cache-Control"]


# --- What it cannot be asked -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "nonsense=1",
        "review__reviewed_by__startswith=a",
        "user_id__startswith=a",
        "prompt_preview__contains=x",
        "p=x",
        "p=99999999999999999999",
        "o=99.-1.x",
        "after=zz",
        "before=%00",
        "q=%00",
        "year=2026&day=3",
        "e=1",
        "_popup=1",
        "_to_field=password",
    ],
)
def test_what_it_cannot_be_asked_is_left_out(admin_client: Client, query: str) -> None:
    answer = admin_client.get(f"{reverse(LIST)}?{query}")

    assert (answer.status_code, answer["Location"]) == (302, reverse(LIST))


def test_what_was_left_out_is_said_by_its_name_alone(admin_client: Client) -> None:
    page = admin_client.get(reverse(LIST), {"<b>x": "secret value", "task": "shop"}, follow=True).content.decode()

    assert "left out: &lt;b&gt;x." in page
    assert "secret value" not in page


@pytest.mark.parametrize("parameter", ["q", "task", "tag", "after"])
def test_no_question_breaks_it(admin_client: Client, make_example: Make, parameter: str) -> None:
    make_example()
    for text in list(HOSTILE.values())[:: 1 if parameter == "q" else 5]:
        answer = admin_client.get(reverse(LIST), {parameter: text[:400]})

        assert answer.status_code in (200, 302)
        assert list(Page(answer.content.decode()).dangers()) == []


def test_hostile_examples_are_shown_as_text(admin_client: Client, make_example: Make) -> None:
    def page() -> Page:
        return Page(admin_client.get(reverse(LIST)).content.decode())

    names = list(HOSTILE)[:40]
    made = [make_example(task="t", model_name="m", prompt_preview="p", response_preview="r") for _ in names]
    calm = page()
    for example, name in zip(made, names, strict=True):
        text = HOSTILE[name].replace("\0", " ")[:150]
        changed = dict.fromkeys(("task", "model_name", "prompt_preview", "response_preview"), text)
        ExampleIndex.objects.filter(pk=example.pk).update(**changed)
    hostile = page()

    def table(found: Page) -> list[tuple[str, tuple[str, ...]]]:
        begin = next(number for number, (tag, _) in enumerate(found.elements) if tag == "tbody")
        return [each for each in found.elements[begin:] if each[0] in ("tr", "td", "th", "div", "a", "img", "script")]

    assert list(hostile.dangers()) == []
    assert table(hostile)[: 12 * len(made)] == table(calm)[: 12 * len(made)]


# --- What it costs ---------------------------------------------------------------------------------------------------

MOST_QUERIES = 20


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"task": "shop", "model": "small", "provider": "offline"},
        {"review": "good", "rating": "low", "tag": "gold"},
        {"review": "none"},
        {"place": "archived"},
        {"year": "2026", "month": "3"},
        {"q": "cost"},
        {"q": "example-0001"},
        {"q": "nowhere", "task": "shop"},
    ],
)
def test_the_number_of_queries_is_the_same_for_any_number_of_examples(
    admin_client: Client, make_example: Make, parameters: dict[str, str], django_assert_max_num_queries: Any
) -> None:
    def make(number: int) -> None:
        for _ in range(number):
            example = make_example()
            Review.objects.create(example=example, verdict="good", reviewed_by="ada", reviewed_at=NOON)
            Feedback.objects.create(example=example, score=0.1, source="app", created_at=NOON)
        enter_examples()

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            text_of(admin_client, **parameters)
        return len(queries)

    make(2)
    count()  # fills the cache of names
    few = count()
    make(40)

    assert count() <= few + 1 <= MOST_QUERIES


def test_nothing_is_counted(admin_client: Client, make_example: Make) -> None:
    make_example()
    with CaptureQueriesContext(connection) as queries:
        text_of(admin_client)

    assert not [query["sql"] for query in queries if "COUNT(" in query["sql"].upper()]


# --- Actions ---------------------------------------------------------------------------------------------------------


def test_an_action_on_all_takes_those_that_match(admin_client: Client, make_example: Make, data_dir: Path) -> None:
    for number in range(60):
        make_example(task="other" if number % 30 == 0 else "shop")
    data = {"action": "tag_selected", "select_across": "1", "index": "0", "_selected_action": ["example-0000"]}
    answer = admin_client.post(f"{reverse(LIST)}?task=shop", data)

    assert answer.status_code == 200
    assert "58" in answer.content.decode()


def test_an_action_on_something_that_cannot_be_asked_is_not_done(admin_client: Client, make_example: Make) -> None:
    make_example()
    data = {"action": "tag_selected", "select_across": "1", "index": "0", "_selected_action": ["example-0000"]}

    assert admin_client.post(f"{reverse(LIST)}?nonsense=1", data).status_code == 302
