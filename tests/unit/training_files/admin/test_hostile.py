"""Whatever a model, a file or a person wrote, the pages show it as text, and consist of what they always consist of."""

from collections.abc import Mapping
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from capture_app.shown import visible
from tests.unit.console.hostile import KINDS, Page
from tests.unit.training_files.admin.conftest import Staff
from tests.unit.training_files.filling import ADA, pair, store, training_file
from training_files.builds import start_build
from training_files.models import Build, Conversation, TrainingFile
from training_files.service import new_version
from training_files.v4.conversation import SCAFFOLDING, EnrichedConversation

pytestmark = pytest.mark.django_db

KEY_CHARACTERS = 400  # longer keys are cut where they are shown


def storable(text: str) -> str:
    """As a column of PostgreSQL takes it, and JSON."""
    return text.replace("\0", " ").encode(errors="replace").decode()


def whole(number: int, text: str) -> EnrichedConversation:
    """A conversation that has the text everywhere."""
    key = storable(text)[:KEY_CHARACTERS]
    metadata = {
        "conversation_id": f"{number} {key[:100]}",
        "quality_tier": key,
        "scaffolding": dict.fromkeys(SCAFFOLDING, key),
        "total_turns": 1,
    }
    return EnrichedConversation(metadata=metadata, pairs=[pair(1, text=storable(text))])


def tags_of(html: str) -> set[str]:
    """The elements of the page, none of which may run anything."""
    found = Page(html)
    assert list(found.dangers()) == []
    assert all("src" in names for tag, names in found.elements if tag == "script" and "type" not in names)
    return {tag for tag, _ in found.elements}


def ask(client: Client, name: str, *args: Any) -> str:
    answer = client.get(reverse(f"admin:training_files_{name}", args=args), {"all": "1"} if args else {})
    assert answer.status_code == 200, name
    return answer.content.decode()


def fill(texts: Mapping[str, str]) -> TrainingFile:
    """A training file of a conversation for each text, which has two versions and a build that failed; as many
    conversations again wait to be suggested."""
    ids = store(*(whole(number, text) for number, text in enumerate(texts.values())))
    made = training_file(ids)
    new_version(made.pk, by=ADA)
    free = store(*(whole(1000 + number, text) for number, text in enumerate(texts.values())))
    build = start_build(made.pk, conversation_ids=free, by=ADA)
    Build.objects.filter(pk=build.pk).update(state="failed")
    return made


def name_all(made: TrainingFile, conversation_id: str, text: str) -> None:
    """Put the text wherever rows have one, whatever the services would say to it."""
    some = storable(text)[:2_000]
    TrainingFile.objects.filter(pk=made.pk).update(name=some or "blank", description=some, owner=some)
    made.versions.update(file_name=some, created_by=some, note=some)
    made.builds.update(problem=some, requested_by=some)
    Conversation.objects.filter(pk=conversation_id).update(enrichment_problem=some, source_file=some, added_by=some)


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_text_is_text_on_every_page_and_changes_nothing_else_of_it(kind: str, staff: Staff) -> None:
    client = staff("*")
    texts = {"plain": "harmless words", "plain, too": "other words", **KINDS[kind]}
    made = fill(texts)
    ids = Conversation.objects.order_by("pk").values_list("pk", flat=True)
    by_number = {int(each.split()[0]): each for each in ids}
    allowed: dict[str, set[str]] = {}

    for number, (name, text) in enumerate(texts.items()):
        name_all(made, by_number[number], text)
        pages: dict[str, list[Any]] = {
            "conversation_change": [quote(by_number[number])],
            "trainingfile_change": [made.pk],
        }
        for page, args in pages.items():
            html = ask(client, page, *args)
            assert tags_of(html) <= allowed.setdefault(page, tags_of(html)), (name, page)
            if page == "conversation_change":
                said = visible(storable(text)).strip()
                assert any(found.strip() == said for found in Page(html).texts), name
    for page in ("suggestions", "differences", "delete"):
        tags_of(ask(client, f"trainingfile_{page}", made.pk))
    for page in ("conversation_changelist", "trainingfile_changelist"):
        tags_of(ask(client, page))
