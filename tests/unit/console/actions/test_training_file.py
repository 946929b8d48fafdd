"""From picked examples to a training file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from capture_app.models import ExampleIndex
from console.example_page.lineage import lineage
from console.models import AuditEvent
from training_files.conversations.store import id_of_captured
from training_files.models import Conversation, TrainingFile
from training_files.service import describe

pytestmark = pytest.mark.django_db

EXPORT = "console.export_examples"
Make = Callable[..., list[str]]
Staff = Callable[..., Client]


@pytest.fixture
def curator(staff: Staff) -> Callable[..., Client]:
    """Somebody who may export, with these permissions of training files."""

    def log_in(*codenames: str) -> Client:
        client = staff(EXPORT)
        user = User.objects.latest("pk")
        user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))
        client.force_login(User.objects.get(pk=user.pk))
        return client

    return log_in


def ask(client: Client, ids: list[str], **fields: str) -> Any:
    return client.post(reverse("admin:console_training_file"), {"ids": json.dumps(ids), **fields})


def complete(name: str) -> str:
    """Have its enrichment completed; the conversation's id."""
    Conversation.objects.filter(pk=id_of_captured(name)).update(enrichment_status="completed")
    return id_of_captured(name)


def test_the_action_leads_to_a_page_that_says_what_there_is(curator: Staff, example_ids: Make) -> None:
    ids = [*example_ids(2, conversation_id="one"), *example_ids(1)]
    changelist = reverse("admin:capture_app_exampleindex_changelist")

    page = curator("add_trainingfile").post(changelist, {"action": "add_to_training_file", "_selected_action": ids})

    shown = page.content.decode()
    assert "Add 3 examples to a training file" in shown
    assert "Make conversations of them" in shown
    assert page["Content-Security-Policy"]


def test_conversations_are_made_enriched_and_added(curator: Staff, example_ids: Make) -> None:
    client, ids = curator("add_trainingfile", "view_trainingfile"), example_ids(2, conversation_id="one")

    made = ask(client, ids, make="1").content.decode()
    assert "Made 1 conversation; they wait to be enriched." in made
    assert "Make conversations of them" not in made
    conversation = complete("one")
    assert "Add 1 conversation" in ask(client, ids).content.decode()
    answer = ask(client, ids, put="1", name="picked")

    training_file = TrainingFile.objects.get(name="picked")
    assert answer["Location"] == reverse("admin:training_files_trainingfile_change", args=[training_file.pk])
    assert describe(training_file).figures.conversations == 1
    assert training_file.owner.startswith("user:")
    assert [(event.action, event.examples) for event in AuditEvent.objects.order_by("pk")] == [("curated", 2)] * 2
    products = lineage(ids[0], is_wanted=True).products
    assert [(each.kind, each.name) for each in products] == [
        ("conversation", conversation),
        ("training file", "picked, version 1"),
    ]


def test_one_that_is_in_it_already_is_named_and_nothing_is_added(curator: Staff, example_ids: Make) -> None:
    client, ids = curator("add_trainingfile", "change_trainingfile"), example_ids(1, conversation_id="one")
    ask(client, ids, make="1")
    conversation = complete("one")
    ask(client, ids, put="1", name="picked")

    answer = ask(client, ids, put="1", training_file=str(TrainingFile.objects.get().pk))

    assert f"Conversations already in training file: {conversation}." in answer.content.decode()
    assert describe(TrainingFile.objects.get()).figures.conversations == 1


def test_a_stored_file_that_is_gone_is_said(curator: Staff, example_ids: Make, data_dir: Path) -> None:
    client, ids = curator("add_trainingfile"), example_ids(1, conversation_id="one")
    ask(client, ids, make="1")
    row = Conversation.objects.get(pk=complete("one"))
    (data_dir / "training_files" / str(row.enriched_file_path)).unlink()

    answer = ask(client, ids, put="1", name="picked")

    assert '<li class="error">' in answer.content.decode()
    assert not TrainingFile.objects.exists()


def test_who_may_neither_make_nor_change_one_can_only_look(curator: Staff, example_ids: Make) -> None:
    client, ids = curator(), example_ids(1, conversation_id="one")

    assert "You may neither make a training file nor change one." in ask(client, ids).content.decode()
    ask(client, ids, make="1")
    assert not Conversation.objects.exists()


def test_an_example_that_is_gone_is_no_selection(curator: Staff, example_ids: Make) -> None:
    ids = example_ids(1)
    ExampleIndex.objects.all().delete()

    assert ask(curator("add_trainingfile"), ids).status_code == 400
