"""The pages of the queue, as browsers without JavaScript use them."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from capture_app.feedback import record_feedback
from capture_app.judgments import save_review, set_tags
from capture_app.models import ExampleIndex, ExampleTag, ForgottenExample, Review
from console.access import REVIEW, RIGHTS
from console.audit import SAW
from console.models import AuditEvent
from tests.unit.console.hostile import HOSTILE, Page

pytestmark = pytest.mark.django_db

Captured = Callable[..., list[str]]
QUEUE, JUDGE, UNDO = "admin:console_review", "admin:console_review_judge", "admin:console_review_undo"


def get(browser: Client, **query: str) -> Any:
    """The page that one comes to."""
    return browser.get(reverse(QUEUE), query, follow=True)


def html(answer: Any) -> str:
    return str(answer.content.decode())


def shown(answer: Any) -> str:
    """The id of the example on the page."""
    return QueryDict(answer.request["QUERY_STRING"])["at"]


def form_on(page: str) -> dict[str, str]:
    """What the judgment's form would send if nothing was typed."""
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    fields |= dict(re.findall(r'<textarea [^>]*name="(\w+)"[^>]*>\n?(.*?)</textarea>', page, re.DOTALL))
    return {name: unescape(value) for name, value in fields.items() if name != "csrfmiddlewaretoken"}


def post(browser: Client, answer: Any, **values: str) -> Any:
    """Press a button of the form on the page."""
    query = answer.request["QUERY_STRING"]
    data = {**form_on(html(answer)), **values}
    return browser.post(f"{reverse(JUDGE)}?{query}", data, follow=True)


def told(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)] or [
        str(message) for message in answer.context["messages"]
    ]


# --- Who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("view", "method"), [(QUEUE, "get"), (JUDGE, "post"), (UNDO, "post")])
def test_strangers_are_sent_to_the_login(client: Client, view: str, method: str) -> None:
    answer = getattr(client, method)(reverse(view))

    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize(("view", "method"), [(QUEUE, "get"), (JUDGE, "post"), (UNDO, "post")])
@pytest.mark.parametrize("right", ["", *(right for right in RIGHTS if right != REVIEW)])
def test_staff_need_the_right_to_review(staff: Callable[..., Client], view: str, method: str, right: str) -> None:
    browser = staff(right) if right else staff()

    assert getattr(browser, method)(reverse(view)).status_code == 403


def test_the_right_to_review_is_enough(staff: Callable[..., Client], captured: Captured) -> None:
    captured("What does it cost?")

    answer = get(staff(REVIEW))

    assert "What does it cost?" in html(answer)


@pytest.mark.parametrize("view", [JUDGE, UNDO])
def test_nothing_changes_by_a_link(browser: Client, view: str) -> None:
    assert browser.get(reverse(view)).status_code == 405


def test_nothing_changes_without_a_token(anna: User, captured: Captured) -> None:
    (example,) = captured("one")
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(anna)

    answer = browser.post(reverse(JUDGE), {"example": example, "seen": "", "verdict": "good"})

    assert answer.status_code == 403
    assert not Review.objects.exists()


# --- One after the other ---------------------------------------------------------------------------------------------


def test_the_queue_goes_through_the_examples_and_ends(browser: Client, captured: Captured) -> None:
    old, new = captured("one", "two")

    first = get(browser)
    second = post(browser, first, verdict="good")
    end = post(browser, second, verdict="bad")

    assert (shown(first), shown(second)) == (new, old)
    assert "That is the end of this queue" in html(end)
    assert dict(Review.objects.values_list("pk", "verdict")) == {new: "good", old: "bad"}


def test_an_example_that_is_opened_is_noted(browser: Client, captured: Captured) -> None:
    (example,) = captured("one")

    get(browser)

    event = AuditEvent.objects.get(action=SAW)
    assert (event.user, event.example, event.details) == ("anna", example, {"page": "review"})


def test_skip_and_previous_lead_on_and_back(browser: Client, captured: Captured) -> None:
    old, new = captured("one", "two")

    assert shown(get(browser, after=new)) == old
    assert shown(get(browser, before=old)) == new
    assert "There is none before this one." in told(get(browser, before=new))
    assert not Review.objects.exists()


def test_a_correction_is_kept_beside_the_answer(browser: Client, captured: Captured) -> None:
    (example,) = captured("one")
    page = get(browser)
    answer = form_on(html(page))["correction"]

    post(browser, page, correction=f"{answer}, but better", stay="1")

    review = Review.objects.get()
    assert (review.pk, review.verdict, review.correction) == (example, "", f"{answer}, but better")
    assert form_on(html(get(browser, at=example)))["correction"] == review.correction


def test_an_untouched_answer_is_no_correction(browser: Client, captured: Captured) -> None:
    captured("one")

    post(browser, get(browser), verdict="good")

    assert Review.objects.get().correction == ""


def test_tags_are_saved_and_the_page_stays(browser: Client, captured: Captured) -> None:
    (example,) = captured("one")

    answer = post(browser, get(browser), tags="odd, <b>", stay="1")

    assert shown(answer) == example
    assert "&lt;b&gt;" in html(answer)
    assert set(ExampleTag.objects.values_list("tag", flat=True)) == {"odd", "<b>"}
    post(browser, answer, untag="odd", stay="1")
    assert list(ExampleTag.objects.values_list("tag", flat=True)) == ["<b>"]


def test_undo_takes_judgments_back_one_after_the_other(browser: Client, captured: Captured) -> None:
    old, new = captured("one", "two")
    post(browser, post(browser, get(browser), verdict="good"), verdict="bad")

    assert shown(browser.post(reverse(UNDO), follow=True)) == old
    assert dict(Review.objects.values_list("pk", "verdict")) == {new: "good"}
    assert shown(browser.post(reverse(UNDO), follow=True)) == new
    assert not Review.objects.exists()
    assert told(browser.post(reverse(UNDO), follow=True)) == ["There is nothing to undo."]


def test_the_filters_stay_in_the_url(browser: Client, captured: Captured) -> None:
    captured("one", "two", task="mail")
    captured("three", task="shop")

    answer = post(browser, get(browser, task="mail"), verdict="good")

    assert QueryDict(answer.request["QUERY_STRING"])["task"] == "mail"
    assert "one" in html(answer)


def test_a_sample_keeps_its_seed(browser: Client, captured: Captured) -> None:
    captured("one", "two")

    answer = get(browser, order="sample")

    seed = QueryDict(answer.request["QUERY_STRING"])["seed"]
    assert QueryDict(post(browser, answer, verdict="good").request["QUERY_STRING"])["seed"] == seed


# --- Two at once -----------------------------------------------------------------------------------------------------


def test_two_reviewers_are_given_different_examples(browser: Client, bert: User, captured: Captured) -> None:
    captured("one", "two")
    other = Client()
    other.force_login(bert)

    assert shown(get(browser)) != shown(get(other))


def test_who_comes_second_is_told_and_keeps_what_was_typed(browser: Client, captured: Captured) -> None:
    (example,) = captured("one")
    page = get(browser)
    save_review(example, by="bert", verdict="bad")

    answer = post(browser, page, verdict="good", correction="typed", comment="also typed")

    assert answer.status_code == 409
    assert "Somebody judged this example" in told(answer)[0]
    assert Review.objects.get().verdict == "bad"
    assert (form_on(html(answer))["correction"], form_on(html(answer))["comment"]) == ("typed", "also typed")
    post(browser, answer, verdict="good")
    assert Review.objects.get().verdict == "good"


def test_an_example_that_is_open_elsewhere_says_so(browser: Client, bert: User, captured: Captured) -> None:
    (example,) = captured("one")
    other = Client()
    other.force_login(bert)
    get(other)

    assert "<bdi>bert</bdi></strong> opened this one" in html(get(browser, at=example))


# --- What is not there -----------------------------------------------------------------------------------------------


def test_nothing_captured_says_what_to_do(browser: Client) -> None:
    assert "No calls were captured yet" in html(get(browser))


def test_nothing_that_the_filters_ask_for_says_so(browser: Client, captured: Captured) -> None:
    captured("one")

    assert "Nothing to review here" in html(get(browser, task="mail"))


@pytest.mark.parametrize(("direction", "place", "words"), [("after", "5", "go back to"), ("before", "0", "go on to")])
def test_a_look_that_took_too_long_says_which_way_it_went(
    direction: str,
    place: str,
    words: str,
    browser: Client,
    index: Callable[..., ExampleIndex],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(6):
        index(str(number))
        save_review(str(number), by="bert", verdict="good")
    monkeypatch.setattr("console.review.queue.STRETCHES", (1, 2))

    assert words in html(get(browser, **{direction: place}))


@pytest.mark.parametrize("place", ["at", "after", "before"])
@pytest.mark.parametrize("example", ["never there", "\0", "x" * 5000, "‮"])
def test_a_place_that_is_none_begins_the_queue_anew(
    browser: Client, captured: Captured, place: str, example: str
) -> None:
    (only,) = captured("one")

    assert shown(get(browser, **{place: example})) == only


def test_a_forgotten_example_cannot_be_judged(browser: Client, captured: Captured) -> None:
    (example,) = captured("one")
    page = get(browser)
    ForgottenExample.objects.create(id=example, erasure="e")

    answer = post(browser, page, verdict="good")

    assert "forgotten or pruned" in told(answer)[0]
    assert not Review.objects.exists()


def test_an_example_whose_text_is_not_found_can_be_skipped_only(
    browser: Client, index: Callable[..., ExampleIndex]
) -> None:
    index("lost")

    page = html(get(browser))

    assert "The text of this example was not found" in page
    assert "Skip" in page
    assert 'name="verdict"' not in page


def test_an_answer_too_long_for_a_form_can_be_judged_only(
    browser: Client, captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.review.page.LONGEST_CORRECTED", 3)
    captured("one")
    page = get(browser)

    assert "too long to be corrected here" in html(page)
    post(browser, page, verdict="good")
    assert Review.objects.get().correction == ""


def test_an_erasure_that_was_interrupted_does_not_bring_its_examples_back(browser: Client, captured: Captured) -> None:
    kept, forgotten = captured("one", "two")
    ForgottenExample.objects.create(id=forgotten, erasure="e")

    assert shown(get(browser)) == kept
    assert shown(get(browser, at=forgotten)) == kept


# --- Hostile input ---------------------------------------------------------------------------------------------------


def say(example: str, text: str) -> str:
    """Put the text everywhere where a person can put it; of names, what is allowed of it."""
    name = re.sub(r"[^\w <>\"'&;=()]", "x", text)[:80].strip() or "x"
    save_review(example, by="bert", correction=text[:500_000] or "x", comment=text[:5000])
    set_tags([example], add=[name], by="bert")
    record_feedback(example, label=name, comment=text[:5000], score=0)
    return name


def test_whatever_was_said_is_text_on_the_page(browser: Client, captured: Captured, subtests: pytest.Subtests) -> None:
    (harmless,) = captured("harmless", task="harmless")
    say(harmless, "harmless")
    usual = {tag for tag, _ in Page(html(get(browser, at=harmless))).elements}
    for example, (name, text) in zip(captured(*HOSTILE.values()), HOSTILE.items(), strict=True):
        said = say(example, text)

        page = Page(html(get(browser, at=example)))

        with subtests.test(name):
            assert list(page.dangers()) == []
            assert {tag for tag, _ in page.elements} <= usual | {"a", "del", "details", "ins", "summary"}
            assert said in page.texts
            assert ("input", "value", said) in page.attributes


def test_any_query_string_gives_a_page(
    browser: Client, index: Callable[..., ExampleIndex], subtests: pytest.Subtests
) -> None:
    index("only")
    names = ("task", "model", "state", "below", "tag", "since", "order", "seed", "after")
    for name, text in HOSTILE.items():
        with subtests.test(name):
            assert get(browser, **dict.fromkeys(names, text[:2000])).status_code == 200


@pytest.mark.parametrize(
    "values", [{"verdict": "perfect"}, {"comment": "x" * 20_000}, {"tags": "a\nb"}, {"tags": "x" * 101}]
)
def test_what_cannot_be_saved_is_refused_and_stays_in_the_form(
    browser: Client, captured: Captured, values: dict[str, str]
) -> None:
    captured("one")

    answer = post(browser, get(browser), correction="typed", **values)

    assert answer.status_code == 400
    assert "Nothing was s" in told(answer)[0]
    assert form_on(html(answer))["correction"] == "typed"
    assert not Review.objects.exists()
    assert not ExampleTag.objects.exists()


# --- Bounds ----------------------------------------------------------------------------------------------------------


def test_the_number_of_queries_does_not_grow(
    browser: Client, captured: Captured, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    ids = captured(*(f"question {number}" for number in range(12)))
    for example in ids[:6]:
        save_review(example, by="bert", verdict="good")
        set_tags([example], add=[f"tag of {example}", "common"], by="bert")
        record_feedback(example, score=0.5)
    answer = get(browser)

    with django_assert_max_num_queries(25):
        browser.get(reverse(QUEUE), {"at": ids[0]})
    with django_assert_max_num_queries(20):
        browser.get(reverse(QUEUE), {"after": ids[-1]})
    with django_assert_max_num_queries(45):
        browser.post(reverse(JUDGE), {**form_on(html(answer)), "verdict": "good"})
