"""What the tests of the admin share: people with rights, and something to look at."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery, current_app
from django.contrib.auth.models import Permission, User
from django.test import Client

from tests.unit.memory_broker import memory_broker
from tests.unit.training_files.filling import conversation, store, training_file
from training_files.models import TrainingFile

Staff = Callable[..., Client]


@pytest.fixture(scope="session")
def shared_client() -> Client:
    """One for all tests: to load the middleware takes longer than most pages."""
    return Client()


@pytest.fixture
def stranger(shared_client: Client) -> Client:
    shared_client.cookies.clear()
    return shared_client


@pytest.fixture
def staff(db: None, shared_client: Client) -> Staff:
    """The browser, taken over by somebody on the staff who has these rights and no others; "*": a superuser."""

    def log_in(*codenames: str, name: str = "eve") -> Client:
        user, _ = User.objects.get_or_create(username=name, defaults={"is_staff": True})
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        User.objects.filter(pk=user.pk).update(is_superuser="*" in codenames)
        shared_client.cookies.clear()
        shared_client.force_login(user)
        return shared_client

    return log_in


@pytest.fixture
def one(db: None) -> TrainingFile:
    """A training file of ada's, with the conversation "held"; there is another, "free"."""
    store(conversation("held", pairs=2), conversation("free", cell=("q", "b", "u")))
    return training_file(["held"])


@pytest.fixture
def broker() -> Iterator[Callable[[], list[Any]]]:
    """Tasks go into memory, where nobody takes them; call it for their arguments."""
    with memory_broker() as waiting:
        yield waiting


@pytest.fixture
def no_broker() -> Iterator[None]:
    """A broker that takes nothing: its folder is none."""
    usual = current_app._get_current_object()
    app = Celery("tests", broker="filesystem://localhost", set_as_current=True)
    app.conf.broker_transport_options = dict.fromkeys(
        ("data_folder_in", "data_folder_out", "control_folder"), "/dev/null"
    )
    yield
    app.close()
    usual.set_current()
