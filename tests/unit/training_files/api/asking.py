"""Clients of the API, as programs and people are."""

from dataclasses import dataclass, field
from typing import Any

import orjson
from django.test import Client

from capture_app.api_tokens import create_token
from training_files.actors import Actor

PATH = "/api/training-files"
UNKNOWN = "0b5ff6a4-6a3b-4d12-9c3f-1f2a3b4c5d6e"  # a training file that there is not


@dataclass(frozen=True, slots=True)
class Asking:
    """Somebody who sends requests below PATH with a token, or with none."""

    token: str = ""
    client: Client = field(default_factory=Client)

    def ask(self, method: str, path: str = "", body: Any = None, **headers: str) -> Any:
        """`body` goes as JSON, bytes as they are. A header's name has _ for -."""
        kind = headers.pop("content_type", "application/json")
        content = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            told.setdefault("Authorization", f"Bearer {self.token}")
        return self.client.generic(method.upper(), f"{PATH}{path}", content, kind, headers=told)

    def get(self, path: str = "", **headers: str) -> Any:
        return self.ask("get", path, **headers)

    def post(self, path: str = "", body: Any = None, **headers: str) -> Any:
        return self.ask("post", path, body, **headers)


def program(name: str, *scopes: str) -> Asking:
    """One with a token of these scopes, without what comes before the colon."""
    return Asking(create_token(name, scopes=[f"training_files:{scope}" for scope in scopes]).token)


def actor(name: str) -> Actor:
    """Who the program of this name is."""
    return Actor(f"token:{name}")


def problem(response: Any) -> tuple[int, str]:
    """Status and code of an answer that is no success; it has the shape that all have."""
    found = response.json()
    assert list(found) == ["error", "details"]
    assert list(found["details"]) == ["code", "fields", "conversation_ids"]
    assert found["error"]
    return response.status_code, found["details"]["code"]
