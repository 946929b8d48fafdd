"""Whatever a model or a caller writes, the page shows it as text, and consists of what it always consists of."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from capture_app.example import RESERVED_KEY, prompt_hash
from capture_app.models import ExampleIndex, ExampleTag, Feedback, Review
from capture_app.services import drain_captures
from capture_app.shown import short, visible
from tests.unit.capture_app.captured import example, spool
from tests.unit.console.example_page.conftest import Show, Store
from tests.unit.console.hostile import HOSTILE, KINDS, Page

pytestmark = pytest.mark.django_db

_NAME_CHARACTERS = 200  # the index cuts a name there
# Shown whole, and fields of which the index has the beginning.
_TEXTS = ("system", "prompt", "answer", "reasoning", "arguments", "result", "refusal")
_JUDGMENTS = ("comment", "opinion", "correction", "tag", "label", "source", "reviewer")  # Django stores no NUL
_NAMES = ("task", "provider", "model", "user", "conversation", "finish")
_JSON = ("key", "value", "parameter", "slot", "unknown")


def marked(field: str, text: str) -> str:
    return f"{field}¦{text}"


def one_of_everything(text: str) -> dict[str, Any]:
    """The fields of an example that has the text everywhere, each time behind the name of the place."""
    call = {"id": marked("call", text), "type": "function", "function": {"name": marked("tool", text)}}
    call["function"]["arguments"] = marked("arguments", text)  # type: ignore[index]  # the line above made it
    gleaner = {
        "conversation_id": marked("conversation", text),
        "user_id": marked("user", text),
        "finish_reason": marked("finish", text),
        "response_id": marked("response_id", text),
        "parameters": {"stop": marked("parameter", text)},
        "tools": [{"type": "function"}],
        "messages": [
            {"role": "system", "content": marked("system", text)},
            {"role": "user", "name": marked("author", text), "content": marked("prompt", text)},
            {"role": "assistant", "reasoning": marked("reasoning", text), "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": marked("call", text), "content": marked("result", text)},
            {"role": marked("role", text), "refusal": marked("refusal", text), "content": None},
            {"role": "user", "content": [{"type": marked("kind", text), "data": marked("unknown", text)}]},
        ],
    }
    return {
        "id": marked("id", text),
        "task": marked("task", text),
        "provider": marked("provider", text),
        "model_name": marked("model", text),
        "prompt_text": marked("prompt", text),
        "system_prompt": marked("system", text),
        "response_strong": marked("answer", text),
        "llm_signature": marked("signature", text),
        "prompt_hash": prompt_hash("", text),
        "slot_specs": {"field": marked("slot", text)},
        "metadata": {marked("key", text): marked("value", text), RESERVED_KEY: gleaner},
    }


def judge(row: ExampleIndex, text: str) -> None:
    stored = text.replace("\0", " ")
    Review.objects.create(
        example_id=row.pk,
        verdict="bad",
        comment=marked("comment", stored),
        correction=marked("correction", stored),
        reviewed_by=marked("reviewer", stored),
        reviewed_at=row.created_at,
    )
    ExampleTag.objects.create(example_id=row.pk, tag=marked("tag", stored), tagged_by="x", tagged_at=row.created_at)
    Feedback.objects.create(
        example_id=row.pk,
        label=marked("label", stored),
        comment=marked("opinion", stored),
        source=marked("source", stored),
        created_at=row.created_at,
    )


@pytest.fixture
def shown_with(show: Show) -> Callable[[Sequence[str]], list[Page]]:
    """The whole pages of examples that have a text in every field, each beside another one of its conversation."""

    def open_with(texts: Sequence[str]) -> list[Page]:
        wholes = [one_of_everything(text) for text in texts]
        spool(*(example(**whole) for whole in wholes), example(id="a"), example(id="z"))  # none is the first or last
        spool(*(example(**{**whole, "id": f"other {number}"}) for number, whole in enumerate(wholes)))
        drain_captures()
        rows = [ExampleIndex.objects.get(pk=whole["id"].replace("\0", " ")) for whole in wholes]
        for row, text in zip(rows, texts, strict=True):
            judge(row, text)
        return [show(row.pk, all="1") for row in rows]

    return open_with


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_text_is_text_on_the_page_and_changes_nothing_else_of_it(
    kind: str, shown_with: Callable[[Sequence[str]], list[Page]]
) -> None:
    harmless, *pages = shown_with(["harmless words", *KINDS[kind].values()])
    for (name, text), page in zip(KINDS[kind].items(), pages, strict=True):
        for field in _TEXTS:
            assert_is_text(page, field, text)
        for field in _JUDGMENTS:
            assert_is_text(page, field, text.replace("\0", " "))
        for field in _NAMES:
            assert_is_name(page, field, text)
        for field in _JSON:
            written = visible(json.dumps(marked(field, text), ensure_ascii=False))
            assert any(written in found for found in page.texts_with(f"{field}¦")), (name, field)
        assert list(page.dangers()) == [], name
        assert skeleton(page) == skeleton(harmless), name


def assert_is_text(page: Page, field: str, text: str) -> None:
    """Every text with it is all of it, the beginning of it, or all of it in a line that says more."""
    whole = visible(marked(field, text))
    beginnings = {whole, short(marked(field, text)), short(marked(field, text).replace("\0", " ")[:90])}
    found = page.texts_with(f"{field}¦")
    assert beginnings & set(found), field
    for each in found:
        assert each in beginnings or whole.startswith(each) or each.startswith(short(marked(field, text))), field


def assert_is_name(page: Page, field: str, text: str) -> None:
    name = short(marked(field, text)[:_NAME_CHARACTERS].replace("\0", " "))
    found = page.texts_with(f"{field}¦")
    assert found, field
    assert set(found) == {name}, field


def skeleton(page: Page) -> tuple[list[tuple[str, tuple[str, ...]]], list[str]]:
    """The elements but those that mark what a correction changed, and the comments."""
    return [element for element in page.elements if element[0] not in ("ins", "del")], page.comments


def test_hostile_text_by_itself_is_shown_too(store: Store, show: Show) -> None:
    """Without anything before it, JSON is JSON, and a formula a formula."""
    turns = [{"role": "user", "content": text} for text in HOSTILE.values()]
    row = store(metadata={RESERVED_KEY: {"messages": turns}})

    page = show(row.pk, all="1")

    assert list(page.dangers()) == []
    for name, text in HOSTILE.items():
        if not text.startswith(("{", "[")):
            assert visible(text) in [*page.texts, ""], name


@pytest.mark.parametrize("name", [name for name, text in HOSTILE.items() if text.startswith(("{", "["))])
def test_an_answer_that_is_hostile_json_is_shown(name: str, store: Store, show: Show) -> None:
    row = store(response_strong=HOSTILE[name], slot_specs={"x": HOSTILE[name]})

    page = show(row.pk, all="1")

    assert list(page.dangers()) == []
    assert "Answer" in page.texts
