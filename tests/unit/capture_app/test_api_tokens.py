"""Tokens: made once, shown once, kept as a hash, ended by name."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import RequestFactory

from capture_app.api_tokens import authenticate, create_token, known_scopes, register_scope, revoke_token
from capture_app.exceptions import ApiTokenError, NotAllowed, NotAuthenticated
from capture_app.models import ApiToken

pytestmark = pytest.mark.django_db


def ask(token: str, scope: str = "feedback") -> ApiToken:
    return authenticate(RequestFactory().get("/", headers={"Authorization": f"Bearer {token}"}), scope)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command as the shell would; its standard output."""

    def run(*arguments: str) -> str:
        capsys.readouterr()
        call_command(*arguments)
        return capsys.readouterr().out

    return run


def test_of_a_token_only_its_hash_is_kept() -> None:
    made = create_token("shop", scopes=["feedback"], days=30)

    kept = ApiToken.objects.get()
    assert made.token.startswith("gln_")
    assert len(made.token) == 47
    assert kept.digest == hashlib.sha256(made.token.encode()).hexdigest()
    assert made.token not in str(ApiToken.objects.values())
    assert made.token not in repr(made)
    assert kept.expires_at is not None
    assert kept.expires_at - kept.created_at == timedelta(days=30)


def test_a_token_lets_in_whoever_has_it() -> None:
    assert ask(create_token("shop", scopes=["feedback"]).token).name == "shop"


def test_tokens_differ() -> None:
    assert len({create_token(f"t{n}", scopes=["feedback"]).token for n in range(20)}) == 20


@pytest.mark.parametrize("changed", ["gln_" + "A" * 43, "", "gln_", "gln_" + "A" * 5000])
def test_another_token_lets_nobody_in(changed: str) -> None:
    create_token("shop", scopes=["feedback"])

    with pytest.raises(NotAuthenticated):
        ask(changed)


def test_a_hash_that_leaked_lets_nobody_in() -> None:
    create_token("shop", scopes=["feedback"])

    with pytest.raises(NotAuthenticated):
        ask("gln_" + ApiToken.objects.get().digest)


def test_a_scope_of_another_app_can_be_given() -> None:
    register_scope("files:read", "read training files")
    token = create_token("reader", scopes=["files:read"]).token

    assert known_scopes()["files:read"] == "read training files"
    assert ask(token, "files:read").scopes == ["files:read"]
    with pytest.raises(NotAllowed, match="lacks the scope 'feedback'"):
        ask(token)


@pytest.mark.parametrize(
    ("name", "scopes", "days", "problem"),
    [
        ("shop", ["admin"], 0, "admin will not do"),
        ("shop", [], 0, "none will not do"),
        ("shop", ["feedback"], -1, "1 to 36500 days"),
        ("shop", ["feedback"], 10**9, "1 to 36500 days"),
        ("", ["feedback"], 0, "must not be empty"),
        ("a\nb", ["feedback"], 0, "control characters"),
        ("x" * 201, ["feedback"], 0, "200 are allowed"),
        ("application", ["feedback"], 0, "choose another name"),
    ],
)
def test_what_makes_no_token_is_told(name: str, scopes: list[str], days: int, problem: str) -> None:
    with pytest.raises(ApiTokenError, match=problem):
        create_token(name, scopes=scopes, days=days)
    assert not ApiToken.objects.exists()


def test_a_name_is_used_once_even_when_its_token_was_revoked() -> None:
    create_token("shop", scopes=["feedback"])
    revoke_token("shop")

    with pytest.raises(ApiTokenError, match="There is, or was, a token 'shop'"):
        create_token("shop", scopes=["feedback"])


def test_a_token_that_is_revoked_again_was_revoked_then() -> None:
    token = create_token("shop", scopes=["feedback"]).token
    since = revoke_token("shop")

    assert revoke_token("shop") == since
    with pytest.raises(NotAllowed, match="was revoked"):
        ask(token)


def test_a_token_expires_to_the_moment() -> None:
    token = create_token("shop", scopes=["feedback"]).token
    ApiToken.objects.update(expires_at=datetime.now(UTC))

    with pytest.raises(NotAllowed, match="has expired"):
        ask(token)


def test_its_use_is_noted_once_a_minute(django_assert_num_queries: Callable[..., Any]) -> None:
    token = create_token("shop", scopes=["feedback"]).token
    with django_assert_num_queries(2):
        ask(token)
    first = ApiToken.objects.get().last_used_at
    with django_assert_num_queries(1):
        ask(token)
    assert ApiToken.objects.get().last_used_at == first is not None

    ApiToken.objects.update(last_used_at=datetime.now(UTC) - timedelta(seconds=61))
    ask(token)

    used = ApiToken.objects.get().last_used_at
    assert used is not None
    assert datetime.now(UTC) - used < timedelta(seconds=30)


def test_what_is_refused_is_no_use() -> None:
    token = create_token("shop", scopes=["feedback"]).token
    revoke_token("shop")

    with pytest.raises(NotAllowed):
        ask(token)

    assert ApiToken.objects.get().last_used_at is None


# --- The commands ----------------------------------------------------------------------------------------------------


def test_the_command_prints_the_token_once(command: Callable[..., str]) -> None:
    said = command("create_api_token", "shop", "--scope", "feedback")

    token = said.splitlines()[-1]
    assert ask(token).name == "shop"
    assert "shop may now use: feedback, until 20" in said
    expires_at = ApiToken.objects.get().expires_at
    assert expires_at is not None
    assert (expires_at - datetime.now(UTC)).days == 364


def test_the_command_tells_programs_in_json(command: Callable[..., str]) -> None:
    said = json.loads(command("create_api_token", "shop", "--scope", "feedback", "--days", "0", "--json"))

    assert set(said) == {"name", "token", "scopes", "expires_at"}
    assert (said["name"], said["scopes"], said["expires_at"]) == ("shop", ["feedback"], None)
    assert ask(said["token"]).name == "shop"


@pytest.mark.parametrize("arguments", [(), ("--scope", "everything")])
def test_the_command_insists_on_a_scope_that_there_is(command: Callable[..., str], arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match="scope"):
        command("create_api_token", "shop", *arguments)


def test_the_command_says_that_a_name_is_taken(command: Callable[..., str]) -> None:
    command("create_api_token", "shop", "--scope", "feedback")

    with pytest.raises(CommandError, match="Nothing was changed"):
        command("create_api_token", "shop", "--scope", "feedback")


def test_a_token_is_revoked_by_its_name(command: Callable[..., str]) -> None:
    token = create_token("shop", scopes=["feedback"]).token

    assert "shop is revoked since 20" in command("revoke_api_token", "shop")
    assert json.loads(command("revoke_api_token", "shop", "--json"))["name"] == "shop"
    with pytest.raises(NotAllowed):
        ask(token)


def test_a_name_that_nobody_has_is_told(command: Callable[..., str]) -> None:
    with pytest.raises(CommandError, match="There is no token 'shop'"):
        command("revoke_api_token", "shop")
