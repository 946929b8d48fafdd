"""The actions above the list of examples."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.test import Client, RequestFactory
from django.urls import reverse

from capture_app.models import ExampleIndex
from capture_app.read_only_admin import ReadOnlyAdmin
from console.access import EXPORT, FORGET, REPLAY, REVIEW, VIEW_TEXT
from console.actions.admin import PickedActions
from console.actions.registry import OfferedAction, register_action, unregister_action
from console.actions.selection import Selection

pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[..., list[str]]
Staff = Callable[..., Client]


class Examples(PickedActions, ReadOnlyAdmin):
    """A list of examples with the actions, and nothing else."""


@pytest.fixture
def examples() -> Examples:
    return Examples(ExampleIndex, admin.site)


@pytest.fixture
def request_of(staff: Staff, rf: RequestFactory) -> Callable[..., HttpRequest]:
    def make(*rights: str) -> HttpRequest:
        staff(*rights)
        request = rf.post("/")
        request.user = User.objects.latest("pk")
        return request

    return make


@pytest.mark.parametrize(
    ("right", "names"),
    [
        (EXPORT, {"export_selected", "add_to_training_file"}),
        (REVIEW, {"tag_selected"}),
        (FORGET, {"forget_selected"}),
        (REPLAY, {"replay_selected"}),
        (VIEW_TEXT, set()),
    ],
)
def test_each_right_offers_its_own_action(
    examples: Examples, request_of: Callable[..., HttpRequest], right: str, names: set[str]
) -> None:
    assert set(examples.get_actions(request_of(right))) == names


@pytest.mark.parametrize("name", ["export_selected", "tag_selected", "forget_selected"])
def test_an_action_shows_its_page_for_what_was_picked(
    examples: Examples, request_of: Callable[..., HttpRequest], example_ids: Make, name: str
) -> None:
    ids = example_ids(3)
    request = request_of(EXPORT, REVIEW, FORGET)
    action = examples.get_actions(request)[name][0]

    page = action(examples, request, ExampleIndex.objects.filter(pk__in=ids[:2])).render().content.decode()

    assert "2 examples" in page
    assert ids[0] in page
    assert ids[2] not in page


@pytest.mark.parametrize("name", ["export_selected", "tag_selected", "forget_selected", "replay_selected"])
def test_an_action_on_nothing_is_refused(examples: Examples, request_of: Callable[..., HttpRequest], name: str) -> None:
    request = request_of(EXPORT, REVIEW, FORGET, REPLAY)
    action = examples.get_actions(request)[name][0]

    assert action(examples, request, ExampleIndex.objects.none()).status_code == 400


def test_a_page_behind_an_action_carries_the_policy(
    examples: Examples, request_of: Callable[..., HttpRequest], example_ids: Make
) -> None:
    example_ids(1)
    request = request_of(FORGET)
    action = examples.get_actions(request)["forget_selected"][0]

    answer = action(examples, request, ExampleIndex.objects.all())

    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert "no-store" in answer["Cache-Control"]


def test_one_call_alone_is_replayed(
    examples: Examples, request_of: Callable[..., HttpRequest], example_ids: Make
) -> None:
    ids = example_ids(2)
    request = request_of(REPLAY)
    action = examples.get_actions(request)["replay_selected"][0]

    assert action(examples, request, ExampleIndex.objects.filter(pk=ids[0]))["Location"].endswith(f"{ids[0]}/")
    assert action(examples, request, ExampleIndex.objects.all()).status_code == 400


def test_another_app_adds_an_action(
    examples: Examples, request_of: Callable[..., HttpRequest], example_ids: Make
) -> None:
    ids = example_ids(1)
    seen: list[tuple[str, ...]] = []

    def page(request: HttpRequest, selection: Selection) -> HttpResponseBase:
        seen.append(selection.ids)
        return HttpResponse("added")

    register_action(OfferedAction(name="add_to_file", label="Add to a file…", right=EXPORT, page=page))
    try:
        assert "add_to_file" not in examples.get_actions(request_of(FORGET))
        request = request_of(EXPORT)
        action, name, label = examples.get_actions(request)["add_to_file"]
        answer: Any = action(examples, request, ExampleIndex.objects.all())
    finally:
        unregister_action("add_to_file")

    assert (name, label, answer.content, seen) == ("add_to_file", "Add to a file…", b"added", [tuple(ids)])
    assert "add_to_file" not in examples.get_actions(request)


@pytest.mark.parametrize(("across", "examples"), [("0", "1 example"), ("1", "3 examples")])
def test_the_list_itself_leads_to_the_page(staff: Staff, example_ids: Make, across: str, examples: str) -> None:
    ids = example_ids(3)
    form = {"action": "export_selected", "_selected_action": ids[0], "select_across": across, "index": "0"}

    page = staff(EXPORT).post(reverse("admin:capture_app_exampleindex_changelist"), form).content.decode()

    assert f"<h1>Export {examples}</h1>" in page
