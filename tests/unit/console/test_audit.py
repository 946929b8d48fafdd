"""The trail of who did what."""

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.db import transaction
from django.test import Client
from django.urls import reverse

from console import audit
from console.audit import note
from console.models import AuditEvent

pytestmark = pytest.mark.django_db

LIST = "admin:console_auditevent_changelist"


@pytest.fixture
def user() -> User:
    return User.objects.create_user("ada")


def test_it_says_who_did_what_to_which(user: User) -> None:
    note(user, audit.SAW, example="abc", details={"text": True})

    event = AuditEvent.objects.get()
    assert (event.user, event.action, event.example, event.examples) == ("ada", "saw", "abc", 1)
    assert event.details == {"text": True}
    assert event.at.tzinfo is not None


def test_the_name_outlives_the_account(user: User) -> None:
    note(user, audit.SAW)
    user.delete()

    assert AuditEvent.objects.get().user == "ada"


def test_it_is_undone_with_the_act(user: User) -> None:
    def fail_after_noting() -> None:
        with transaction.atomic():
            note(user, audit.FORGOT)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_noting()

    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("given", "kept"),
    [("a\0b", "a\N{REPLACEMENT CHARACTER}b"), ("\ud800", "\N{REPLACEMENT CHARACTER}"), ("x" * 5000, "x" * 200)],
)
def test_an_odd_id_is_made_fit_for_every_database(user: User, given: str, kept: str) -> None:
    note(user, audit.SAW, example=given)

    assert AuditEvent.objects.get().example == kept


def test_odd_details_are_made_fit_for_every_database(user: User) -> None:
    note(user, audit.EXPORTED, details={"a\0": ["b\0", {"c": "\udfff"}], "n": 2**70})

    mark = "\N{REPLACEMENT CHARACTER}"
    assert AuditEvent.objects.get().details == {f"a{mark}": [f"b{mark}", {"c": mark}], "n": str(2**70)}


def test_somebody_without_a_name_leaves_a_line_all_the_same() -> None:
    note(AnonymousUser(), audit.SAW)

    assert AuditEvent.objects.get().user == ""


def viewer() -> Client:
    user = User.objects.create_user("auditor", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_audit"))
    client = Client()
    client.force_login(user)
    return client


def test_the_list_can_be_searched_by_person_and_example(user: User) -> None:
    note(user, audit.SAW, example="abc")
    client = viewer()

    for question, is_found in (("ada", True), ("abc", True), ("ad", False)):
        page = client.get(reverse(LIST), {"q": question}).content.decode()
        assert (">abc<" in page) is is_found


@pytest.mark.parametrize("action", [*audit.ACTIONS, "nonsense", "' OR 1=1 --"])
def test_the_list_can_be_narrowed_to_an_act(user: User, action: str) -> None:
    note(user, audit.SAW)
    note(user, audit.EXPORTED)

    answer = viewer().get(reverse(LIST), {"action": action})

    assert answer.status_code == 200
    rows: Any = answer.context["cl"].result_list
    expected = [action] if action in {audit.SAW, audit.EXPORTED} else []
    assert [row.action for row in rows] == (expected if action in audit.ACTIONS else [audit.EXPORTED, audit.SAW])


def test_nobody_changes_what_was_noted(user: User, admin_client: Client) -> None:
    note(user, audit.FORGOT)
    event = AuditEvent.objects.get()

    answer = admin_client.post(reverse("admin:console_auditevent_change", args=[event.pk]), {"user": "bob"})

    assert answer.status_code == 403
    assert AuditEvent.objects.get().user == "ada"
