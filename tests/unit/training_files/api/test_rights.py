"""Who may do what: nobody, readers, writers, owners, managers; by a token, and by a login to the admin."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from capture_app.api_tokens import create_token, revoke_token
from capture_app.models import ApiToken
from tests.unit.training_files.api.asking import UNKNOWN, Asking, actor, problem, program
from tests.unit.training_files.filling import many, training_file

pytestmark = pytest.mark.django_db

Request = tuple[str, str, Any]  # method, path, body

READS = (
    *("", "/FILE", "/FILE/conversations", "/FILE/versions", "/FILE/versions/1", "/FILE/diff?old=1&new=1"),
    *("/FILE/download?format=json", "/FILE/suggestions", "/FILE/builds", "/conversations", "/conversations/c0"),
)
CHANGES: tuple[Request, ...] = (
    ("post", "/FILE/add-conversations", {"conversation_ids": ["c2"]}),
    ("post", "/FILE/remove-conversations", {"conversation_ids": ["c0"]}),
    ("patch", "/FILE", {"name": "new"}),
    ("post", "/FILE/versions", {}),
    ("post", "/FILE/archive", None),
    ("post", "/FILE/reopen", None),
    ("post", "/FILE/builds", {"conversation_ids": ["c2"]}),
    ("delete", "/FILE", None),
)
MAKES: tuple[Request, ...] = (
    ("post", "", {"name": "mine", "conversation_ids": ["c2"]}),
    ("post", "/conversations", {"dataset_metadata": {}, "training_pairs": []}),
    ("put", "/conversations/c0/pairs/1/review", {"score": 5}),
)


@pytest.fixture
def file_id() -> str:
    """A training file of the program "owner"."""
    return str(training_file(many("c", 3)[:2], by=actor("owner")).pk)


def sent(asking: Asking, file_id: str, method: str, path: str, body: Any = None) -> Any:
    return asking.ask(method, path.replace("FILE", file_id), body)


def test_nobody_reads_without_a_token(file_id: str) -> None:
    for path in READS:
        response = sent(Asking(), file_id, "get", path)

        assert problem(response) == (401, "not_authenticated"), path
        assert response["WWW-Authenticate"].startswith("Bearer")


def test_to_look_at_the_headers_alone_takes_the_same_right(file_id: str) -> None:
    reader = program("reader", "read")

    for path in READS:
        assert sent(Asking(), file_id, "head", path).status_code == 401, path
        assert sent(reader, file_id, "head", path).status_code == 200, path


def test_nobody_changes_anything_without_a_token(file_id: str) -> None:
    for request in (*CHANGES, *MAKES):
        assert problem(sent(Asking(), file_id, *request))[0] == 401, request


def test_a_reader_reads_what_others_own(file_id: str) -> None:
    reader = program("reader", "read")

    for path in READS:
        assert sent(reader, file_id, "get", path).status_code == 200, path


def test_a_reader_changes_nothing(file_id: str) -> None:
    reader = program("reader", "read")

    for request in (*CHANGES, *MAKES):
        response = sent(reader, file_id, *request)
        assert problem(response) == (403, "permission_denied"), request
        assert "training_files:write" in response.json()["error"]


def test_a_writer_changes_nothing_that_others_own(file_id: str) -> None:
    other = program("other", "write")

    for request in CHANGES:
        assert problem(sent(other, file_id, *request)) == (403, "not_owner"), request


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
@pytest.mark.parametrize(("name", "scope"), [("owner", "write"), ("chief", "manage")])
def test_the_owner_and_a_manager_change_it(
    file_id: str, method: str, path: str, body: Any, name: str, scope: str
) -> None:
    assert sent(program(name, scope), file_id, method, path, body).status_code < 300


def test_a_writer_may_also_read(file_id: str) -> None:
    assert program("writer", "write").get(f"/{file_id}").status_code == 200


def test_who_makes_a_training_file_owns_it() -> None:
    many("c", 1)

    response = program("maker", "write").post("", {"name": "mine", "conversation_ids": ["c0"]})

    assert response.json()["trainingFile"]["created_by"] == "token:maker"


def test_a_token_for_something_else_is_not_enough() -> None:
    token = create_token("feedback only", scopes=["feedback"]).token

    assert problem(Asking(token).get()) == (403, "permission_denied")


@pytest.mark.parametrize("header", ["Bearer gln_unknown", "Bearer", "Basic YWRhOnB3", "gln_unknown", "Bearer \u00e4"])
def test_an_authorization_that_is_none_of_ours_is_refused(header: str) -> None:
    assert problem(Asking().get("", Authorization=header)) == (401, "authentication_failed")


def test_a_revoked_token_lets_nobody_in() -> None:
    reader = program("reader", "read")
    revoke_token("reader")

    response = reader.get()

    assert problem(response) == (401, "authentication_failed")
    assert "revoked" in response.json()["error"]


def test_an_expired_token_lets_nobody_in() -> None:
    reader = program("reader", "read")
    ApiToken.objects.update(expires_at="2026-01-01T00:00:00Z")

    assert problem(reader.get()) == (401, "authentication_failed")


# --- People ----------------------------------------------------------------------------------------------------------


def person(*rights: str, is_staff: bool = True, checks_csrf: bool = False) -> Asking:
    """Somebody who is logged in; `rights` are codenames."""
    user = User.objects.create_user("ada", is_staff=is_staff)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client(enforce_csrf_checks=checks_csrf)
    client.force_login(user)
    return Asking(client=client)


READER = ("view_trainingfile", "view_conversation")
WRITER = (*READER, "add_trainingfile", "delete_trainingfile", "add_conversation", "change_conversation")
MANAGER = (*WRITER, "change_trainingfile")


def test_people_with_rights_in_the_admin_read(file_id: str) -> None:
    assert person(*READER).get(f"/{file_id}").status_code == 200


@pytest.mark.parametrize("rights", [(), READER[:1], READER[1:]])
def test_people_without_all_the_rights_to_read_do_not(rights: tuple[str, ...]) -> None:
    assert problem(person(*rights).get()) == (403, "permission_denied")


@pytest.mark.parametrize("missing", MANAGER)
def test_people_change_nothing_without_all_the_rights_that_it_takes_in_the_admin(file_id: str, missing: str) -> None:
    asking = person(*(right for right in MANAGER if right != missing))

    for request in CHANGES:
        assert problem(sent(asking, file_id, *request))[0] == 403, request
    if missing != MANAGER[-1]:
        for request in MAKES:
            assert problem(sent(asking, file_id, *request))[0] == 403, request


def test_people_who_may_not_use_the_admin_may_do_nothing() -> None:
    assert problem(person(*MANAGER, is_staff=False).get()) == (403, "permission_denied")


def test_people_own_what_they_make() -> None:
    many("c", 1)

    response = person(*WRITER).post("", {"name": "mine", "conversation_ids": ["c0"]})

    assert response.json()["trainingFile"]["created_by"] == "user:ada"


@pytest.mark.parametrize(("rights", "status"), [(WRITER, 403), (MANAGER, 200)])
def test_people_change_what_others_own_with_the_right_to_change_all(
    file_id: str, rights: tuple[str, ...], status: int
) -> None:
    assert person(*rights).post(f"/{file_id}/archive").status_code == status


def test_a_login_changes_nothing_without_a_csrf_token(file_id: str) -> None:
    response = person(*MANAGER, checks_csrf=True).post(f"/{file_id}/archive")

    assert problem(response) == (403, "permission_denied")
    assert "CSRF" in response.json()["error"]


def test_a_login_changes_something_with_a_csrf_token(file_id: str) -> None:
    asking = person(*MANAGER, checks_csrf=True)
    asking.client.get("/api/training-files/docs")
    token = asking.client.cookies["csrftoken"].value

    assert asking.post(f"/{file_id}/archive", X_CSRFToken=token).status_code == 200


def test_a_token_that_is_bad_is_not_made_up_for_by_a_login() -> None:
    assert problem(person(*READER).get("", Authorization="Bearer gln_unknown"))[0] == 401


def test_rights_come_before_what_there_is() -> None:
    assert problem(Asking().get(f"/{UNKNOWN}"))[0] == 401
