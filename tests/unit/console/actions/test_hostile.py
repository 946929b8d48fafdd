"""What a model, or whoever writes to one, says is text on every page of the actions."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse

from capture_app import record_example
from capture_app.models import ExampleIndex, ExampleTag
from capture_app.services import drain_captures
from tests.unit.console.hostile import HOSTILE, Page

pytestmark = pytest.mark.django_db(transaction=True)

RIGHTS = ("console.export_examples", "console.forget_examples", "console.review_examples", "console.replay_calls")
Staff = Callable[..., Client]


MARKS_OF_A_DIFFERENCE = {"ins", "del"}


def tags_of(html: str) -> set[str]:
    """The elements of the page, of which none may run anything."""
    page = Page(html)
    assert not [*page.dangers()]
    assert all("src" in names or "type" in names for tag, names in page.elements if tag == "script")
    return {tag for tag, _ in page.elements}


def call_with(text: str) -> str:
    """Record a call that has the text wherever it can; the example's id."""
    call = {"id": text or "x", "type": "function", "function": {"name": "f", "arguments": text}}
    messages: Any = [
        {"role": "system", "content": text},
        {"role": "user", "content": [{"type": "text", "text": text}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": text or "x", "content": text},
    ]
    return str(
        record_example(
            provider=text[:200],
            model=text[:200],
            messages=messages,
            response=text,
            finish_reason=text[:200],
            parameters={"stop": text, text[:100]: text},
            training_metadata={},
        )
    )


@pytest.mark.parametrize("name", ["console_export", "console_forget", "console_tag"])
def test_ids_tasks_and_tags_are_text(staff: Staff, name: str) -> None:
    now = datetime.now(UTC)
    rows = [
        ExampleIndex(pk=f"{text[:200]} {number}".replace("\0", " "), created_at=now, task=text[:200].replace("\0", " "))
        for number, text in enumerate(HOSTILE.values())
        if not any("\ud800" <= letter <= "\udfff" for letter in text)
    ]
    ExampleIndex.objects.bulk_create(rows)
    ExampleTag.objects.bulk_create(
        ExampleTag(example=row, tag=row.task[:100], tagged_by="x", tagged_at=now) for row in rows
    )
    query = QueryDict(mutable=True)
    query.setlist("id", [row.pk for row in rows])

    client, url = staff(*RIGHTS), reverse(f"admin:{name}")

    plain = client.get(url, {"id": plain_row(now).pk}).content.decode()
    hostile = client.get(f"{url}?{query.urlencode()}").content.decode()

    assert len(rows) > 60
    assert tags_of(hostile) <= tags_of(plain) | {"strong", "table", "thead", "tbody", "tr", "th", "td"}


def plain_row(now: datetime) -> ExampleIndex:
    return ExampleIndex.objects.create(pk="plain", created_at=now, task="plain")


def test_a_replayed_call_is_text(staff: Staff) -> None:
    plain = call_with("plain")
    hostile = [call_with(text) for text in HOSTILE.values()]
    drain_captures()
    client, url = staff(*RIGHTS), reverse("admin:console_replay")
    found = 0

    for ask in (client.get, lambda address: client.post(address, {"route": "task"})):
        allowed = tags_of(ask(f"{url}?id={plain}").content.decode()) | MARKS_OF_A_DIFFERENCE
        for example_id in hostile:
            answer = ask(f"{url}?id={example_id}")
            assert answer.status_code == 200
            assert tags_of(answer.content.decode()) <= allowed
            found += b"Send it again" in answer.content

    assert found > 100  # most can be sent again
