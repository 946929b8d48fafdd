"""From the inbox into the live database: exactly once, and nothing bad takes anything good with it."""

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

import orjson
import pytest

from capture_app import call_llm, record_example
from capture_app.conf import capture_settings
from capture_app.exceptions import LiveDatabaseError
from capture_app.inbox import get_inbox
from capture_app.inbox.spool import SpoolInbox
from capture_app.live_database import lock_live_database
from capture_app.models import ExampleIndex
from capture_app.services import drain_captures, rotate_live_database
from tests.unit.capture_app.captured import example, quarantined, segments, spool, stored, stored_rows, waiting_records

pytestmark = pytest.mark.django_db


def forget_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the next drain die after its commit, before it forgets the batch."""

    def die(inbox: SpoolInbox, batch: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(SpoolInbox, "acknowledge", die)


# --- What arrives ------------------------------------------------------------------------------------------------


def test_a_call_arrives_as_a_row() -> None:
    response = call_llm(
        "What is the price?",
        system_prompt="Be brief.",
        task="shop",
        training_metadata={"user_id": "42", "page": 7, "slot_specs": {"price": "exact"}},
    )
    [waiting] = waiting_records()

    drain_captures()

    [row] = stored_rows()
    assert row["id"] == response.example_id
    assert orjson.loads(row.pop("metadata")) == waiting.pop("metadata")
    assert orjson.loads(row.pop("slot_specs")) == {"price": "exact"} == waiting.pop("slot_specs")
    assert row.pop("created_at") == datetime.fromisoformat(waiting.pop("created_at")).replace(tzinfo=None)
    assert row == waiting


def test_the_inbox_is_empty_afterwards() -> None:
    spool(example(), example())

    report = drain_captures()

    assert (report.rows, report.batches, report.quarantined) == (2, 1, 0)
    assert segments() == []


def test_an_empty_inbox_is_no_error() -> None:
    report = drain_captures()

    assert (report.rows, report.batches, report.quarantined) == (0, 0, 0)


def test_many_segments_arrive_in_one_drain(capture: Callable[..., None]) -> None:
    capture(SEGMENT_BYTES=1)
    examples = [example() for _ in range(20)]
    spool(*examples)

    assert drain_captures().batches == 20
    assert stored() == sorted(each.id for each in examples)


def test_the_lock_is_let_go_of_between_groups(capture: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capture_app.drain._GROUP_BYTES", 1)
    capture(SEGMENT_BYTES=1)
    spool(*(example() for _ in range(3)))
    counts: list[int] = []

    def look(stage: str, done: int, total: int) -> None:
        with lock_live_database(capture_settings().live_database, timeout=1) as live:
            counts.append(live.count_rows())

    drain_captures(progress=look)

    assert counts == [1, 2, 3]


@pytest.mark.parametrize("text", ["a\0b", "\u2028\u2029\x85", "zażółć 🙂", "\r\n\t", "'; DROP TABLE examples; --"])
def test_text_arrives_as_it_was(text: str) -> None:
    spool(example(prompt_text=text, metadata={"text": text}))

    drain_captures()

    assert stored("prompt_text") == [text]
    assert orjson.loads(stored("metadata")[0]) == {"text": text}


@pytest.mark.parametrize("zone", [None, UTC], ids=["without a zone", "with a zone"])
def test_a_time_in_utc_arrives_to_the_microsecond(zone: tzinfo | None) -> None:
    spool(example(created_at=datetime(2026, 3, 1, 5, 0, 0, 250_001, tzinfo=zone)))

    drain_captures()

    assert stored("created_at") == [datetime(2026, 3, 1, 5, 0, 0, 250_001)]


@pytest.mark.parametrize("megabytes", [5, 20])
def test_a_large_prompt_arrives_whole(megabytes: int) -> None:
    large = "ż" * (megabytes * 2**20 // 2)
    spool(example(prompt_text=large), example())

    assert drain_captures().rows == 2
    assert large in stored("prompt_text")


def test_an_enormous_record_and_the_small_one_beside_it_arrive() -> None:
    spool(example(id="enormous", prompt_text="x" * 100 * 2**20), example(id="small"))

    report = drain_captures()

    assert (report.rows, report.quarantined) == (2, 0)
    assert stored() == ["enormous", "small"]


def test_nesting_that_json_still_takes_arrives() -> None:
    deep: list[Any] = []
    for _ in range(200):
        deep = [deep]
    spool(example(metadata={"deep": deep}))

    drain_captures()

    assert orjson.loads(stored("metadata")[0]) == {"deep": deep}


def test_an_unknown_key_of_a_record_is_passed_over() -> None:
    spool(orjson.dumps({**orjson.loads(example().to_json_line()), "later": 1}) + b"\n")

    assert drain_captures().rows == 1


# --- Exactly once ------------------------------------------------------------------------------------------------


def test_the_same_batch_twice_is_stored_once() -> None:
    spool(example(), example())
    [segment] = segments()
    content = segment.read_bytes()
    drain_captures()
    segment.write_bytes(content)

    report = drain_captures()

    assert (report.rows, report.batches) == (0, 1)
    assert len(stored()) == 2
    assert ExampleIndex.objects.count() == 2


def test_a_drain_that_died_after_its_commit_is_finished_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    spool(example())
    with monkeypatch.context() as patch:
        forget_nothing(patch)
        with pytest.raises(KeyboardInterrupt):
            drain_captures()
    assert len(get_inbox().leftovers()) == 1
    spool(example())

    report = drain_captures()

    assert (report.rows, report.batches) == (1, 2)
    assert len(stored()) == 2
    assert ExampleIndex.objects.count() == 2
    assert segments() == []


def test_a_drain_that_died_before_its_index_rows_is_finished_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*arguments: object) -> int:
        raise KeyboardInterrupt

    spool(example())
    with monkeypatch.context() as patch:
        patch.setattr("capture_app.drain.index_examples", die)
        with pytest.raises(KeyboardInterrupt):
            drain_captures()

    assert drain_captures().rows == 0
    assert len(stored()) == ExampleIndex.objects.count() == 1


def test_a_database_that_cannot_be_used_leaves_the_inbox_as_it_was(data_dir: Path) -> None:
    examples = [example(), example()]
    spool(*examples)
    capture_settings().live_database.write_bytes(b"no database at all")

    with pytest.raises(LiveDatabaseError, match="safe in the inbox"):
        drain_captures()

    assert [record["id"] for record in waiting_records()] == [each.id for each in examples]
    assert ExampleIndex.objects.count() == 0


def test_what_was_kept_while_the_database_was_damaged_arrives_once_it_is_moved_aside(data_dir: Path) -> None:
    spool(example())
    live_database = capture_settings().live_database
    live_database.write_bytes(b"no database at all")
    with pytest.raises(LiveDatabaseError):
        drain_captures()
    spool(example())

    live_database.rename(data_dir / "damaged")

    assert drain_captures().rows == 2


# --- Batches that may repeat what is archived --------------------------------------------------------------------


@pytest.fixture
def repeating(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch says that it may repeat, as those of an inbox that several hosts share do."""
    seal = SpoolInbox.seal
    monkeypatch.setattr(SpoolInbox, "seal", lambda inbox: (replace(batch, may_repeat=True) for batch in seal(inbox)))


def archive_now() -> None:
    """Take the live database away, as an archive run does."""
    sealed = capture_settings().data_dir / "sealed" / "first.duckdb"
    sealed.parent.mkdir()
    rotate_live_database(db_path=capture_settings().live_database, sealed=sealed)


def test_what_is_archived_is_not_stored_again(repeating: None) -> None:
    spool(WHOLE, AFTER)
    drain_captures()
    archive_now()
    spool(AFTER, example(id="new"), WHOLE)

    assert drain_captures().rows == 1
    assert stored() == ["new"]
    assert ExampleIndex.objects.count() == 3


def test_what_is_archived_is_not_stored_again_beside_a_bad_record(repeating: None) -> None:
    spool(WHOLE)
    drain_captures()
    archive_now()
    spool(WHOLE, b"torn\n", BAD_RECORDS["no id"] + b"\n", AFTER)

    report = drain_captures()

    assert (report.rows, report.quarantined) == (1, 2)
    assert stored() == ["after"]


def test_a_batch_of_nothing_new_is_no_error(repeating: None) -> None:
    spool(WHOLE)
    drain_captures()
    archive_now()
    spool(WHOLE)

    assert (drain_captures().rows, stored(), segments()) == (0, [], [])


def test_what_is_in_the_live_database_is_not_stored_again_either(repeating: None) -> None:
    spool(WHOLE)
    drain_captures()
    spool(WHOLE, AFTER, AFTER)

    assert drain_captures().rows == 1
    assert stored() == ["after", "whole"]


def test_more_repeats_than_fit_in_one_question_are_found(repeating: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capture_app.known._IDS_AT_ONCE", 2)
    examples = [example() for _ in range(7)]
    spool(*examples)
    drain_captures()
    archive_now()
    spool(*examples, AFTER)

    drain_captures()

    assert stored() == ["after"]


def test_a_nul_in_an_id_hides_no_repeat(repeating: None) -> None:
    spool(example(id="a\0b"), AFTER)
    drain_captures()
    archive_now()
    spool(example(id="a\0b"), WHOLE)

    drain_captures()

    assert stored() == ["whole"]


# --- Bad records -------------------------------------------------------------------------------------------------

WHOLE = example(id="whole")
AFTER = example(id="after")


def changed(**fields: Any) -> bytes:
    return orjson.dumps({**orjson.loads(example().to_json_line()), **fields})


BAD_RECORDS = {
    "damaged by hand": b'{"id": "x", "task": oops}',
    "no object": b"[1, 2]",
    "a bare string": b'"text"',
    "no id": b'{"task": "shop"}',
    "an id of null": changed(id=None),
    "an integer over BIGINT": changed(input_tokens=2**63),
    "a figure that is text": changed(output_tokens="many"),
    "a time that is none": changed(created_at="yesterday"),
    "an escaped lone surrogate": changed(prompt_text="X").replace(b'"X"', rb'"\ud83d"'),
    "invalid utf-8": changed(prompt_text="X").replace(b'"X"', b'"\xff\xfe"'),
    "a raw control character": changed(prompt_text="X").replace(b'"X"', b'"\x01"'),
    "a NUL between records": b"\0\0\0\0",
    "two records on one line": changed() + changed(),
}


@pytest.mark.parametrize("bad", BAD_RECORDS.values(), ids=BAD_RECORDS.keys())
def test_a_bad_record_is_kept_apart_and_the_good_ones_around_it_arrive(bad: bytes) -> None:
    spool(WHOLE, bad + b"\n", AFTER)

    report = drain_captures()

    assert (report.rows, report.quarantined) == (2, 1)
    assert stored() == ["after", "whole"]
    assert segments() == []
    [record] = quarantined()
    assert base64.b64decode(record["raw"]) == bad
    assert record["reason"]


def test_a_torn_last_line_is_kept_apart() -> None:
    torn = example().to_json_line()[:50]
    spool(WHOLE, torn)

    assert drain_captures().quarantined == 1
    assert stored() == ["whole"]
    assert base64.b64decode(quarantined()[0]["raw"]) == torn


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("damaged by hand", "no JSON"),
        ("no object", "no JSON object"),
        ("no id", "no id"),
        ("an integer over BIGINT", "9223372036854775808"),
        ("a time that is none", "yesterday"),
    ],
)
def test_the_reason_is_kept_with_the_record(bad: str, reason: str) -> None:
    spool(BAD_RECORDS[bad] + b"\n")

    drain_captures()

    assert reason in quarantined()[0]["reason"]


def test_a_bad_record_in_quarantine_can_be_read() -> None:
    spool(b'{"prompt_text": "\xffprice"}\n')

    drain_captures()

    assert quarantined()[0]["text"] == '{"prompt_text": "\\xffprice"}'


def test_empty_lines_are_nothing() -> None:
    spool(b"\n", WHOLE, b"  \n")

    report = drain_captures()

    assert (report.rows, report.quarantined) == (1, 0)


def test_all_bad_records_of_a_batch_are_found() -> None:
    good = [example() for _ in range(10)]
    spool(*good[:3], BAD_RECORDS["a time that is none"] + b"\n", *good[3:7], *[b"torn\n"] * 2, *good[7:])

    report = drain_captures()

    assert (report.rows, report.quarantined) == (10, 3)
    assert len(quarantined()) == 3


def test_a_bad_record_in_one_batch_does_not_hold_up_another(capture: Callable[..., None]) -> None:
    capture(SEGMENT_BYTES=1)
    spool(WHOLE, b"torn\n", AFTER)

    report = drain_captures()

    assert (report.rows, report.batches, report.quarantined) == (2, 3, 1)


def test_a_large_record_beside_a_bad_one_arrives() -> None:
    spool(example(prompt_text="x" * 20 * 2**20), b"torn\n")

    report = drain_captures()

    assert (report.rows, report.quarantined) == (1, 1)


def test_a_bad_record_met_again_after_a_crash_is_kept_once(monkeypatch: pytest.MonkeyPatch) -> None:
    spool(WHOLE, b"torn\n")
    with monkeypatch.context() as patch:
        forget_nothing(patch)
        with pytest.raises(KeyboardInterrupt):
            drain_captures()

    drain_captures()

    assert len(quarantined()) == 1
    assert stored() == ["whole"]


def test_what_record_example_was_given_wrongly_is_kept_apart_and_not_lost() -> None:
    record_example(provider="anthropic", model="claude", prompt="What is the price?", input_tokens=2**63)

    assert drain_captures().quarantined == 1
    assert "What is the price?" in quarantined()[0]["text"]


def test_nothing_is_left_in_the_scratch_folder(data_dir: Path) -> None:
    spool(WHOLE, b"torn\n")

    drain_captures()

    assert list((data_dir / "tmp").iterdir()) == []
