"""ExampleIndex: one row per example, made from DuckDB's own."""

from datetime import UTC, datetime
from typing import Any

import pytest

from capture_app.conf import capture_settings
from capture_app.live_database import generation, lock_live_database
from capture_app.models import ExampleIndex
from capture_app.services import drain_captures, index_live_database
from tests.unit.capture_app.captured import example, spool

pytestmark = pytest.mark.django_db


def indexed(**fields: Any) -> ExampleIndex:
    """The index row of an example with these fields, once it is drained."""
    spool(example(**fields))
    drain_captures()
    return ExampleIndex.objects.get()


def test_the_columns_are_copied() -> None:
    each = example()
    spool(each)
    drain_captures()

    row = ExampleIndex.objects.get(id=each.id)
    for name in ("task", "provider", "model_name", "input_tokens", "output_tokens", "latency_ms", "prompt_hash"):
        assert getattr(row, name) == getattr(each, name)


def test_the_time_is_in_utc() -> None:
    row = indexed(created_at=datetime(2026, 3, 1, 5, 0, 0, 250_000))

    assert row.created_at == datetime(2026, 3, 1, 5, 0, 0, 250_000, tzinfo=UTC)


def test_what_stands_under_the_reserved_key_is_taken_out() -> None:
    row = indexed(
        metadata={
            "gleaner": {
                "conversation_id": "c-1",
                "user_id": "42",
                "finish_reason": "length",
                "partial": True,
                "tools": [{"type": "function"}],
            }
        }
    )

    assert (row.conversation_id, row.user_id, row.finish_reason) == ("c-1", "42", "length")
    assert (row.is_partial, row.has_tools) == (True, True)


def test_what_is_not_there_is_empty() -> None:
    row = indexed(metadata={}, input_tokens=None)

    assert (row.conversation_id, row.user_id, row.finish_reason) == ("", "", "")
    assert (row.is_partial, row.has_tools, row.input_tokens) == (False, False, None)


def test_the_callers_own_keys_are_not_mistaken_for_ours() -> None:
    row = indexed(metadata={"conversation_id": "theirs", "partial": True})

    assert (row.conversation_id, row.is_partial) == ("", False)


@pytest.mark.parametrize(("given", "kept"), [(42, "42"), ({"a": 1}, '{"a":1}'), (None, ""), (True, "true")])
def test_a_user_id_that_is_no_text_becomes_text(given: object, kept: str) -> None:
    assert indexed(metadata={"gleaner": {"user_id": given}}).user_id == kept


def test_previews_are_the_first_two_hundred_characters() -> None:
    row = indexed(prompt_text="ż" * 300, response_strong="🙂" * 300)

    assert (row.prompt_preview, row.response_preview) == ("ż" * 200, "🙂" * 200)


def test_a_nul_in_a_preview_becomes_a_space() -> None:
    row = indexed(prompt_text="a\0b", response_strong="\0", task="t\0", metadata={"gleaner": {"user_id": "4\0002"}})

    assert (row.prompt_preview, row.response_preview, row.task, row.user_id) == ("a b", " ", "t ", "4 2")


def test_a_long_task_is_cut_in_the_index() -> None:
    assert indexed(task="t" * 1000).task == "t" * 200


def test_a_row_knows_the_live_database_it_was_drained_into() -> None:
    row = indexed()

    with (
        lock_live_database(capture_settings().live_database) as live,
        live.connect(read_only=True) as connection,
    ):
        assert row.generation == generation(connection)


def test_it_can_be_made_anew_from_the_live_database() -> None:
    before = ExampleIndex.objects.filter(id=indexed().id).values().get()
    ExampleIndex.objects.all().delete()

    generation, rows = index_live_database()

    assert rows == 1
    assert ExampleIndex.objects.get().generation == generation
    assert ExampleIndex.objects.values().get() == before


def test_making_it_anew_adds_nothing_twice() -> None:
    indexed()

    index_live_database()

    assert ExampleIndex.objects.count() == 1


def test_more_rows_than_one_fetch_are_indexed() -> None:
    spool(b"".join(example().to_json_line() for _ in range(2500)))

    drain_captures()

    assert ExampleIndex.objects.count() == 2500


def test_an_example_names_itself_by_task_and_id() -> None:
    row = indexed(id="e-1", task="shop")

    assert str(row) == "shop e-1"
