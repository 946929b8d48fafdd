"""The report: what it shows, and that what models say is only shown."""

import re
from collections.abc import Mapping
from html.parser import HTMLParser

import orjson
import pytest
from django.template.loader import render_to_string
from django.test import override_settings

from capture_app.csp import POLICY
from capture_app.routing.config import Target
from continuous_training.evaluation.pictures import WIDTH, interval_picture
from continuous_training.evaluation.report import ReportContext, render_report, report_context, report_path
from continuous_training.evaluation.statistics import Interval
from continuous_training.models import Evaluation
from tests.unit.continuous_training.evaluation.material import (
    BAD,
    GOOD,
    answer_of,
    asked_of,
    compare,
    item,
    questions,
    right,
)
from tests.unit.continuous_training.evaluation.models_served import Served, answering, failing

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script> \u202egnp.exe \x1b[31mred\x1b[0m <img src=x onerror=alert(1)> {{ 7|add:1 }} \u200b"


@pytest.fixture
def done(served: Served) -> Evaluation:
    served.says |= {"good": answering(right(12)), "bad": answering({asked_of(3): answer_of(3)})}
    return compare(questions(12))


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, Mapping[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def html_of(evaluation: Evaluation) -> str:
    return report_path(evaluation.pk).read_text()


def test_the_report_is_one_file_that_needs_nothing_beside_it(done: Evaluation) -> None:
    page = html_of(done)
    elements = Elements(page).found

    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in elements}
    assert not [name for _, attributes in elements for name in attributes if name in ("src", "href", "style")]
    assert not re.search(r"url\(|@import|https?://", page)
    assert "default-src 'none'" in page


def test_it_says_which_is_better_and_how_sure_that_is(done: Evaluation) -> None:
    text = " ".join(Elements(html_of(done)).text.split())

    assert "The candidate is better: the whole interval is above 0." in text
    assert "11 won, 1 tied, 0 lost" in text
    assert "12 items of the file gold.jsonl" in text
    assert "stub/good" in text
    assert "stub/bad" in text


def test_the_body_stands_on_a_page_of_the_admin_too(done: Evaluation) -> None:
    body = render_to_string("continuous_training/evaluation/_body.html", {"report": report_context(done)})

    assert "style-src 'self'" in POLICY  # neither styles nor scripts in the page itself
    assert not {"style", "script"} & {tag for tag, _ in Elements(body).found}
    assert not [name for _, found in Elements(body).found for name in found if name == "style" or name.startswith("on")]


def test_those_come_first_on_which_they_differ_most(served: Served) -> None:
    served.says |= {
        "good": answering(right(4)),
        "bad": answering({asked_of(1): "Its name is", asked_of(2): answer_of(2)}),
    }

    context = report_context(compare(questions(4), candidate=BAD, incumbent=GOOD))

    assert [(each.number, each.category) for each in context.disagreements] == [(1, "even"), (4, "odd"), (2, "odd")]
    assert context.disagreements[0].gain.startswith("\N{MINUS SIGN}")


def test_no_more_are_shown_than_asked_for(done: Evaluation) -> None:
    context = report_context(done, shown=2)

    assert (len(context.disagreements), context.unshown) == (2, 9)


def test_without_an_incumbent_it_shows_what_was_not_met(served: Served) -> None:
    served.says["good"] = answering({asked_of(0): answer_of(0)})

    evaluation = compare(questions(3), incumbent=None)
    context = report_context(evaluation)

    assert (context.picture, context.incumbent, context.gain) == (None, "", "")
    assert [each.number for each in context.disagreements] == [2, 3]
    assert "no incumbent to compare with" in Elements(html_of(evaluation)).text


def test_hostile_output_is_shown_as_text_and_nothing_of_it_is_unseen(served: Served) -> None:
    served.says |= {"good": lambda asked: HOSTILE, "bad": lambda asked: "fine"}

    evaluation = compare([item(HOSTILE, "fine", category=HOSTILE)], task=HOSTILE)

    page = html_of(evaluation)
    assert not {"script", "img"} & {tag for tag, _ in Elements(page).found}
    assert not set("\u202e\x1b\u200b") & set(page)
    assert "⟦U+202E⟧gnp.exe ⟦U+001B⟧[31mred" in Elements(page).text
    assert "{{ 7|add:1 }}" in Elements(page).text


def test_hostile_names_of_files_and_models_are_escaped(served: Served) -> None:
    served.says["<b>bold</b>"] = lambda asked: "x"

    evaluation = compare([item()], candidate=Target("stub", "<b>bold</b>"), incumbent=None, requested_by="<i>anna</i>")

    assert not {"b", "i"} & {tag for tag, _ in Elements(html_of(evaluation)).found}


def test_errors_are_shown_instead_of_answers(served: Served) -> None:
    served.says |= {"good": failing(), "bad": lambda asked: "two"}

    evaluation = compare([item()], count_errors=True)

    assert "No answer: InternalServerError" in Elements(html_of(evaluation)).text


def test_long_texts_are_cut_and_it_says_so(served: Served) -> None:
    served.says |= {"good": lambda asked: "x" * 10_000, "bad": lambda asked: "two"}

    evaluation = compare([item()])

    assert "Cut; it has 10,000 characters." in Elements(html_of(evaluation)).text
    assert "x" * 4001 not in html_of(evaluation)


@override_settings(LANGUAGE_CODE="de", USE_THOUSAND_SEPARATOR=True)
def test_numbers_in_pictures_are_numbers_in_every_language(done: Evaluation) -> None:
    page = render_report(report_context(done))

    for tag, attributes in Elements(page).found:
        if tag in ("line", "rect", "circle"):
            assert all(re.fullmatch(r"-?\d+", attributes[name] or "") for name in attributes if name != "class")


def test_the_json_says_the_same_in_numbers(done: Evaluation) -> None:
    found = orjson.loads(report_path(done.pk).with_suffix(".json").read_bytes())

    assert found["metrics"] == done.metrics
    assert found["metrics"]["gain"]["low"] > 0
    assert len(found["disagreements"]) == 11
    assert found["disagreements"][0]["answers"][0]["who"] == "stub/good"


def test_an_interval_lies_on_an_axis_with_round_numbers_and_0() -> None:
    picture = interval_picture(Interval(0.04, 0.012, 0.067))

    assert [label for _, label in picture.ticks] == ["0.00", "0.02", "0.04", "0.06", "0.08"]
    assert 0 < picture.zero < picture.low < picture.mean < picture.high < WIDTH


@pytest.mark.parametrize(
    "gain", [Interval(0, 0, 0), Interval(-1, -1, -1), Interval(1e-9, 0, 1e-8), Interval(-0.2, -0.3, 0.1)]
)
def test_every_interval_can_be_drawn(gain: Interval) -> None:
    picture = interval_picture(gain)

    assert 0 <= picture.low <= picture.mean <= picture.high <= WIDTH
    assert picture.length >= 2
    assert 2 <= len(picture.ticks) <= 8


def test_the_context_is_plain_values(done: Evaluation) -> None:
    context = report_context(done)

    assert isinstance(context, ReportContext)
    assert [line.name for line in context.categories] == ["even", "odd"]
    assert [figure.label for figure in context.figures][:2] == ["Score, token_f1", "Errors"]
