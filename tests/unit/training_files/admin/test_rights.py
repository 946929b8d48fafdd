"""Who may see and do what: every page and every action, each permission alone."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse

from tests.unit.training_files.admin.conftest import Staff
from training_files.models import Conversation, LooseFile, TrainingFile, TrainingFilePart, TrainingFileVersion

pytestmark = pytest.mark.django_db

FILES = {f"{verb}_trainingfile" for verb in ("view", "add", "change", "delete")}
CONVERSATIONS = {f"{verb}_conversation" for verb in ("view", "add", "change", "delete")}
RIGHTS = sorted(FILES | CONVERSATIONS)
SEE_FILES = {"view_trainingfile", "change_trainingfile"}
SEE_CONVERSATIONS = {"view_conversation", "change_conversation"}


@dataclass(frozen=True)
class Page:
    """An address of ours, and which permission opens it by itself."""

    name: str
    opened_by: set[str]
    of_one: bool = True
    more: tuple[str, ...] = ()
    post: dict[str, Any] | None = field(default=None)

    def ask(self, client: Client, one: TrainingFile) -> Any:
        key = "held" if self.name.startswith("conversation") else one.pk
        url = reverse(f"admin:training_files_{self.name}", args=[key, *self.more] if self.of_one else [])
        return client.get(url) if self.post is None else client.post(url, self.post)


PAGES = [
    Page("trainingfile_changelist", SEE_FILES, of_one=False),
    Page("trainingfile_add", {"add_trainingfile"}, of_one=False),
    Page("trainingfile_change", SEE_FILES),
    Page("trainingfile_history", SEE_FILES),
    Page("trainingfile_suggestions", SEE_FILES),
    Page("trainingfile_differences", SEE_FILES),
    Page("trainingfile_progress", SEE_FILES),
    Page("trainingfile_download", SEE_FILES, more=("json",)),
    Page("conversation_changelist", SEE_CONVERSATIONS, of_one=False),
    Page("conversation_change", SEE_CONVERSATIONS),
    Page("conversation_history", SEE_CONVERSATIONS),
    # Somebody else's training file is deleted only by who may also change it.
    Page("trainingfile_delete", set()),
    Page("conversation_add", set(), of_one=False),
    Page("conversation_delete", set()),
]
# Each changes something.
ACTS = [
    *(
        Page("trainingfile_act", {"change_trainingfile"}, post=post)
        for post in (
            {"do": "new-version", "note": "x"},
            {"do": "archive"},
            {"do": "reopen"},
            {"do": "rename", "name": "another"},
            {"do": "add", "conversation": ["free"]},
            {"do": "remove", "one": "held"},
        )
    ),
    Page("trainingfile_delete", set(), post={"post": "yes"}),
    Page("conversation_review", {"change_conversation"}, post={"pair": "1", "score": "5"}),
    Page("conversation_scaffolding", {"change_conversation"}, post={"persona_key": "other"}),
    # One has to see conversations, too, and that is another permission.
    Page("conversation_put", set(), of_one=False, post={"conversations": '["free"]', "put": "1", "name": "new"}),
]


def name_of(page: Page) -> str:
    return f"{page.name} {(page.post or {}).get('do', '')}".strip()


def everything() -> list[Any]:
    models = (Conversation, TrainingFile, TrainingFileVersion, TrainingFilePart, LooseFile)
    return [list(model._default_manager.order_by("pk").values()) for model in models]


def test_it_is_said_of_every_address_who_may_open_it() -> None:
    def names(patterns: Any) -> set[str]:
        found = set()
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                found |= names(pattern.url_patterns)
            elif isinstance(pattern, URLPattern) and str(pattern.name).startswith("training_files_"):
                found.add(str(pattern.name).removeprefix("training_files_"))
        return found

    assert names(admin.site.urls[0]) == {page.name for page in (*PAGES, *ACTS)}


def test_strangers_are_sent_to_the_login(stranger: Client, one: TrainingFile) -> None:
    before, login = everything(), reverse("admin:login")

    for page in (*PAGES, *ACTS):
        answer = page.ask(stranger, one)
        assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, login), page
    assert everything() == before


def test_staff_without_permission_are_refused(staff: Staff, one: TrainingFile) -> None:
    before, client = everything(), staff()

    assert dict.fromkeys(map(name_of, (*PAGES, *ACTS)), 403) == {
        name_of(page): page.ask(client, one).status_code for page in (*PAGES, *ACTS)
    }
    assert everything() == before


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_permission_alone_opens_what_it_should_and_no_more(staff: Staff, one: TrainingFile, page: Page) -> None:
    opened = {right for right in RIGHTS if page.ask(staff(right), one).status_code != 403}

    assert opened == page.opened_by


@pytest.mark.parametrize("page", ACTS, ids=name_of)
def test_each_permission_alone_changes_what_it_should_and_no_more(staff: Staff, one: TrainingFile, page: Page) -> None:
    before = everything()
    for right in sorted(set(RIGHTS) - page.opened_by):
        assert page.ask(staff(right), one).status_code == 403, right
        assert everything() == before, right
    for right in page.opened_by:
        assert page.ask(staff(right), one).status_code == 302
        assert everything() != before


def test_no_act_is_done_without_a_token(admin_user: Any, one: TrainingFile) -> None:
    client, before = Client(enforce_csrf_checks=True), everything()
    client.force_login(admin_user)

    assert {name_of(page): page.ask(client, one).status_code for page in ACTS} == {name_of(page): 403 for page in ACTS}
    assert everything() == before


@pytest.mark.parametrize("page", [page for page in ACTS if page.name != "trainingfile_delete"], ids=name_of)
def test_a_link_changes_nothing(staff: Staff, one: TrainingFile, page: Page) -> None:
    before = everything()

    assert Page(page.name, set(), of_one=page.of_one).ask(staff("*"), one).status_code == 405
    assert everything() == before


# --- Owners ----------------------------------------------------------------------------------------------------------


def act(client: Client, one: TrainingFile, **post: str) -> int:
    return client.post(reverse("admin:training_files_trainingfile_act", args=[one.pk]), post).status_code


def test_who_may_add_changes_what_is_their_own(staff: Staff, one: TrainingFile) -> None:
    ada = staff("view_trainingfile", "add_trainingfile", name="ada")

    assert act(ada, one, do="archive") == 302
    one.refresh_from_db()
    assert one.status == "archived"


def test_who_may_add_changes_nothing_of_others(staff: Staff, one: TrainingFile) -> None:
    assert act(staff("view_trainingfile", "add_trainingfile"), one, do="archive") == 403


def test_an_owner_who_may_only_look_changes_nothing(staff: Staff, one: TrainingFile) -> None:
    assert act(staff("view_trainingfile", name="ada"), one, do="archive") == 403


@pytest.mark.parametrize(
    ("rights", "name", "status"),
    [
        (("delete_trainingfile",), "ada", 302),
        (("delete_trainingfile", "change_trainingfile"), "eve", 302),
        (("delete_trainingfile",), "eve", 403),
        (("change_trainingfile", "add_trainingfile"), "ada", 403),
    ],
)
def test_deleting_takes_the_permission_and_owning_it_or_changing_all(
    staff: Staff, one: TrainingFile, rights: tuple[str, ...], name: str, status: int
) -> None:
    url = reverse("admin:training_files_trainingfile_delete", args=[one.pk])

    assert staff(*rights, name=name).post(url).status_code == status
    assert TrainingFile.objects.exists() is (status == 403)


PUT: Callable[[], str] = lambda: reverse("admin:training_files_conversation_put")  # noqa: E731  (urls are not there yet)


@pytest.mark.parametrize(
    ("rights", "makes", "adds"),
    [
        (("view_conversation", "add_trainingfile"), True, False),
        (("view_conversation", "change_trainingfile"), False, True),
        (("view_conversation", "view_trainingfile"), False, False),
    ],
)
def test_conversations_come_into_what_one_may_make_or_change(
    staff: Staff, one: TrainingFile, rights: tuple[str, ...], makes: bool, adds: bool
) -> None:
    client = staff(*rights)

    client.post(PUT(), {"conversations": '["free"]', "put": "1", "name": "new"})
    client.post(PUT(), {"conversations": '["free"]', "put": "1", "training_file": str(one.pk)})

    assert TrainingFile.objects.filter(name="new", owner="user:eve").exists() is makes
    assert (TrainingFileVersion.objects.get(training_file=one).figures["conversations"] == 2) is adds


def test_who_may_only_see_is_offered_no_changes(staff: Staff, one: TrainingFile) -> None:
    client = staff("view_trainingfile", "view_conversation")
    pages = [
        client.get(reverse(f"admin:training_files_{name}", args=[key])).content.decode()
        for name, key in (
            ("trainingfile_change", one.pk),
            ("trainingfile_suggestions", one.pk),
            ("conversation_change", "held"),
        )
    ]

    assert [page for page in pages if page.count('<form method="post"') > 1] == []  # that of the log-out alone
    assert (
        "Add to a training file"
        not in client.get(reverse("admin:training_files_conversation_changelist")).content.decode()
    )
