"""What the tests of an example's page share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from capture_app.models import ExampleIndex
from capture_app.services import drain_captures
from console.example_page.addresses import page_address
from tests.unit.capture_app.captured import example, spool
from tests.unit.console.hostile import Page

Store = Callable[..., ExampleIndex]
Show = Callable[..., Page]


@pytest.fixture
def zip_path(data_dir: Path) -> Path:
    """Where the archive of this test will be."""
    return data_dir / "llm_training_dataset.zip"


@pytest.fixture
def store() -> Store:
    """Put an example into the live database; its row of the index."""

    def put(**fields: Any) -> ExampleIndex:
        made = example(**fields)
        spool(made)
        drain_captures()
        return ExampleIndex.objects.get(pk=made.id.replace("\0", " "))

    return put


@pytest.fixture
def client_of(client: Client) -> Callable[..., Client]:
    """A client whose user is staff and has these rights, and no other."""

    def log_in(*rights: str) -> Client:
        user = User.objects.create_user("clerk", is_staff=True)
        for right in rights:
            app, codename = right.split(".")
            user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def show(admin_client: Client) -> Show:
    """The page of an example as a superuser sees it."""

    def open_page(example_id: str, *, status: int = 200, **query: str) -> Page:
        answer = admin_client.get(page_address(example_id), query)
        assert answer.status_code == status
        return Page(answer.content.decode())

    return open_page
