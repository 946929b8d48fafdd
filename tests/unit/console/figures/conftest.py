"""What the tests of the dashboard share."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse


@pytest.fixture
def reader(client: Client) -> Client:
    """Who may see figures, and nothing else."""
    return log_in(client, "view_figures")


@pytest.fixture
def page(reader: Client) -> Callable[..., str]:
    """The admin's first page, as that reader sees it."""

    def get(**query: str | int) -> str:
        answer = reader.get(reverse("admin:index"), query)
        assert answer.status_code == 200
        return answer.content.decode()

    return get


def log_in(client: Client, *rights: str) -> Client:
    """Staff with these rights of the console."""
    user = User.objects.create_user("reader", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="console", codename__in=rights))
    client.force_login(user)
    return client
