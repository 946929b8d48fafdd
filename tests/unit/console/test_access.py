"""Who may do what: every address of the console, for everybody."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, current_app
from django.apps import apps
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import reverse

from console import access
from console.access import may, needs
from console.models import AuditEvent
from tests.unit.console.walking import ACTS, FIRST, NEEDS, NOBODY, OPENED_BY, Address, Things, addresses, make_things

pytestmark = pytest.mark.django_db(transaction=True)

ALL = addresses()
PAGES = [address for address in ALL if not address.name.endswith(NOBODY)]


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def staff(*rights: str) -> User:
    user = User.objects.create_user(f"with {' '.join(rights) or 'nothing'}"[:150], is_staff=True)
    codenames = [right.removeprefix("console.") for right in rights]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames, content_type__app_label="console"))
    return user


@pytest.fixture
def things() -> Things:
    return make_things()


@pytest.fixture(autouse=True)
def broker() -> Iterator[None]:
    """Tasks go into memory, where nobody takes them."""
    usual = current_app._get_current_object()
    app = Celery("tests", broker="memory://", set_as_current=True)
    yield
    app.close()
    usual.set_current()


# --- The rights themselves -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("right", access.RIGHTS)
@pytest.mark.parametrize("held", access.RIGHTS)
def test_a_right_includes_what_it_cannot_be_used_without(held: str, right: str) -> None:
    assert may(staff(held), right) is (held in OPENED_BY[right])


@pytest.mark.parametrize("right", access.RIGHTS)
def test_nobody_has_a_right_who_is_not_active_staff(right: str) -> None:
    user = staff(*access.RIGHTS)

    assert may(user, right)
    assert not may(AnonymousUser(), right)
    assert not may(User(username="off", is_active=False, is_staff=True, is_superuser=True), right)
    assert not may(User(username="no staff", is_superuser=True), right)


def test_every_right_is_a_permission_that_can_be_given() -> None:
    given = {f"console.{name}" for name in Permission.objects.values_list("codename", flat=True)}

    assert set(access.RIGHTS) <= given


def test_a_misspelt_right_is_an_error_and_no_closed_door() -> None:
    with pytest.raises(ValueError, match="no right"):
        may(AnonymousUser(), "console.view_txt")
    with pytest.raises(ValueError, match="no right"):
        needs("console.view_txt")


def test_a_group_gives_its_rights(django_user_model: Any) -> None:
    user = staff()
    group = user.groups.create(name="readers")
    group.permissions.add(Permission.objects.get(codename="view_text"))

    assert may(User.objects.get(pk=user.pk), access.VIEW_FIGURES)


def test_a_guarded_method_finds_its_request(rf: Any) -> None:
    class Page:
        @needs(access.VIEW_TEXT)
        def show(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("shown")

    request = rf.get("/")
    request.user = staff(access.VIEW_TEXT)

    answer = Page().show(request)

    assert answer["Content-Security-Policy"].startswith("default-src 'self'")


# --- Every address ---------------------------------------------------------------------------------------------------


def test_it_is_said_of_every_address_who_may_open_it() -> None:
    assert {address.name for address in PAGES} <= set(NEEDS), "Say in walking.py which right the new page needs."


@pytest.mark.parametrize("address", ALL, ids=lambda address: address.name)
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_stranger_is_sent_to_the_login(client: Client, things: Things, address: Address, method: str) -> None:
    url = address.url(things)

    answer = getattr(client, method)(url)

    assert (answer.status_code, answer["Location"].split("?")[0]) == (302, reverse("admin:login"))


@pytest.mark.parametrize("address", ALL, ids=lambda address: address.name)
@pytest.mark.parametrize("method", ["get", "post"])
def test_staff_without_rights_may_open_nothing(things: Things, address: Address, method: str) -> None:
    answer = getattr(client_of(staff()), method)(address.url(things))

    assert answer.status_code in {403, 405}  # a page that takes no POST may say that first
    assert method == "post" or answer.status_code == 403


@pytest.mark.parametrize("address", PAGES, ids=lambda address: address.name)
def test_each_right_alone_opens_what_it_should_and_no_more(things: Things, address: Address) -> None:
    opened = set()
    for right in access.RIGHTS:
        if client_of(staff(right)).get(address.url(things)).status_code != 403:
            opened.add(right)

    assert opened == OPENED_BY[NEEDS[address.name]]


@pytest.mark.parametrize(
    "address", [address for address in ALL if address.name.endswith(NOBODY)], ids=lambda address: address.name
)
def test_what_code_alone_writes_nobody_adds_or_deletes(admin_client: Client, things: Things, address: Address) -> None:
    assert admin_client.get(address.url(things)).status_code == 403
    assert admin_client.post(address.url(things), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("address", PAGES, ids=lambda address: address.name)
def test_every_page_carries_the_policy(admin_client: Client, things: Things, address: Address, settings: Any) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if not name.startswith("csp.")]
    answer = admin_client.get(address.url(things))

    if answer.status_code in {302, 404}:  # it leads to a page that does; or it is Django's own, and says nothing
        return
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert "no-store" in answer["Cache-Control"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"


# --- What is done is noted -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", [address for address in PAGES if address.name in ACTS], ids=lambda address: address.name
)
def test_what_a_page_does_is_noted(admin_client: Client, things: Things, address: Address) -> None:
    by_name = {each.name: each for each in ALL}
    if address.name in FIRST:
        before = by_name[FIRST[address.name]]
        admin_client.post(before.url(things), ACTS[before.name][0](things))
    noted = AuditEvent.objects.count()
    form, action = ACTS[address.name]

    admin_client.post(address.url(things), form(things))

    events = AuditEvent.objects.order_by("pk")[noted:]
    assert action in [event.action for event in events]
    assert all(event.user == "admin" for event in events)


@pytest.mark.parametrize(
    "address", [address for address in PAGES if address.name not in ACTS], ids=lambda address: address.name
)
def test_a_post_to_a_page_that_only_shows_changes_nothing(
    admin_client: Client, things: Things, address: Address
) -> None:
    before = _rows()

    admin_client.post(address.url(things), {"verdict": "good", "save": "1", "confirm": "1"})

    assert _rows() == before


@pytest.mark.parametrize(
    "address", [address for address in PAGES if address.name in ACTS], ids=lambda address: address.name
)
def test_no_act_is_done_without_a_token(things: Things, address: Address) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    before = _rows()

    answer = client.post(address.url(things), ACTS[address.name][0](things))

    assert answer.status_code == 403
    assert _rows() == before


def _rows() -> dict[str, list[Any]]:
    """What all tables of ours hold, but for the notes of who looked."""
    models = [
        model
        for name in ("capture_app", "training_archive", "console")
        for model in apps.get_app_config(name).get_models()
    ]
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values())
        for model in models
        if model._meta.managed and model is not AuditEvent
    }
