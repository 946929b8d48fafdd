"""What was put aside goes into the inbox again, once, and the rest stays byte for byte."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from capture_app.blobs import Blob
from capture_app.example import Example
from capture_app.exceptions import InboxError, JobBusy
from capture_app.inbox.spool import SpoolInbox
from capture_app.quarantine import BadRecord, count_quarantined, count_withheld, quarantine
from capture_app.requeue import alone, requeue_quarantine, requeue_withheld
from capture_app.services import drain_captures
from capture_app.withheld import withhold
from tests.unit.capture_app.captured import example, spool, stored, stored_rows, waiting_records
from tests.unit.capture_app.processes import in_child

pytestmark = pytest.mark.django_db(transaction=True)

Capture = Callable[..., None]
REDACTORS = "tests.unit.capture_app.redactors"


def put_aside(data_dir: Path, *records: bytes, name: str = "batch") -> Path:
    bad = [BadRecord(record, "refused") for record in records]
    quarantine(data_dir, generation="g", batch_name=name, records=bad)
    return data_dir / "quarantine" / "g" / f"{name}.jsonl"


def odd_line(found: Example) -> bytes:
    return found.to_json_line().rstrip().replace(b'"input_tokens":6', b'"input_tokens":"many"')


# --- Quarantine ------------------------------------------------------------------------------------------------------


def test_what_can_be_mended_is_stored_and_leaves_the_quarantine(data_dir: Path) -> None:
    good, odd = example(), example()
    path = put_aside(data_dir, good.to_json_line().rstrip(), odd_line(odd))

    done = requeue_quarantine()

    assert (done.found, done.requeued, done.mended, done.left) == (2, 2, 1, {})
    assert not path.exists()
    assert drain_captures().rows == 2
    assert stored() == sorted([good.id, odd.id])


def test_what_the_drain_refused_comes_back_through_the_drain(data_dir: Path) -> None:
    odd = example()
    spool(example(), odd_line(odd) + b"\n")
    assert drain_captures().quarantined == 1

    requeue_quarantine()

    assert drain_captures().rows == 1
    assert count_quarantined(data_dir) == 0
    [found] = [row for row in stored_rows() if row["id"] == odd.id]
    assert (found["input_tokens"], orjson.loads(found["metadata"])["gleaner"]["mended"]) == (
        None,
        {"input_tokens": "many"},
    )


def test_what_cannot_be_stored_stays_byte_for_byte(data_dir: Path) -> None:
    path = put_aside(data_dir, b"{torn", odd_line(example()), b'{"task": "no id"}')
    first, _, last = path.read_bytes().splitlines(keepends=True)
    with path.open("ab") as file:
        file.write(b"by hand\n")

    done = requeue_quarantine()

    assert path.read_bytes() == first + last + b"by hand\n"
    assert (done.found, done.requeued) == (4, 1)
    assert done.left["no id"] == 1
    assert done.left["no line of the quarantine"] == 1


def edit_text(path: Path, edit: Callable[[str], str]) -> None:
    """As somebody does with an editor."""
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    path.write_bytes(b"".join(orjson.dumps({**line, "text": edit(line["text"])}) + b"\n" for line in lines))


def test_a_record_whose_text_was_mended_by_hand_is_taken_from_there(data_dir: Path) -> None:
    record = example()
    path = put_aside(data_dir, record.to_json_line().rstrip()[:-1])
    edit_text(path, lambda text: text + "}")

    assert requeue_quarantine().requeued == 1

    assert drain_captures().rows == 1
    assert stored() == [record.id]


def test_a_text_that_was_spread_over_lines_is_one_record(data_dir: Path) -> None:
    record = example()
    path = put_aside(data_dir, record.to_json_line().rstrip()[:-1])
    edit_text(path, lambda text: orjson.dumps(orjson.loads(text + "}"), option=orjson.OPT_INDENT_2).decode())

    requeue_quarantine()

    assert (drain_captures().rows, count_quarantined(data_dir)) == (1, 0)


def test_a_text_that_was_mended_wrongly_stays(data_dir: Path) -> None:
    path = put_aside(data_dir, b"{torn")
    edit_text(path, lambda text: text + "\nand more")
    before = path.read_bytes()

    assert requeue_quarantine().requeued == 0
    assert path.read_bytes() == before


def test_bytes_that_are_no_text_are_no_edit(data_dir: Path) -> None:
    path = put_aside(data_dir, b'{"id": "\xff"}')
    before = path.read_bytes()

    assert requeue_quarantine().left.total() == 1

    assert path.read_bytes() == before


def test_a_dry_run_changes_nothing(data_dir: Path) -> None:
    path = put_aside(data_dir, odd_line(example()))
    before = path.read_bytes()

    done = requeue_quarantine(dry_run=True)

    assert (done.requeued, done.mended) == (1, 1)
    assert path.read_bytes() == before
    assert waiting_records() == []


def test_a_full_disk_leaves_the_quarantine_as_it_is(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put_aside(data_dir, odd_line(example()))
    before = path.read_bytes()

    def refuse(inbox: SpoolInbox, lines: Any) -> int:
        raise InboxError("full")

    monkeypatch.setattr(SpoolInbox, "take_in", refuse)
    with pytest.raises(InboxError):
        requeue_quarantine()

    assert path.read_bytes() == before


def test_only_one_process_requeues(data_dir: Path) -> None:
    def try_it() -> str:
        try:
            with alone():
                return "alone"
        except JobBusy:
            return "busy"

    with alone():
        assert in_child(try_it) == "busy"


# --- Withheld --------------------------------------------------------------------------------------------------------


def test_what_can_be_redacted_by_now_is_stored_in_clear_of_secrets(data_dir: Path, capture: Capture) -> None:
    kept = Blob("a" * 64, "image/png", b"picture")
    dropped = Blob("b" * 64, "image/png", b"other")
    metadata = {"gleaner": {"messages": [{"role": "user", "content": kept.reference}]}}
    sealed = example(prompt_text="Mail ann@example.org", metadata=metadata)
    withhold(data_dir, sealed, [kept, dropped], "it failed")
    capture(REDACT=f"{REDACTORS}.everywhere")

    done = requeue_withheld()
    drain_captures()

    assert (done.found, done.requeued, count_withheld(data_dir)) == (1, 1, 0)
    assert stored("prompt_text") == ["Mail [mail]"]
    assert [path.name for path in (data_dir / "blobs").rglob("*") if path.is_file()] == [kept.sha256]


def test_what_fails_again_stays_sealed(data_dir: Path, capture: Capture) -> None:
    withhold(data_dir, example(), [], "it failed")
    capture(REDACT=f"{REDACTORS}.fails")

    done = requeue_withheld()

    assert (done.requeued, count_withheld(data_dir)) == (0, 1)
    assert next(iter(done.left)).startswith(f"{REDACTORS}.fails raised ValueError")


def test_nothing_is_unsealed_without_a_redactor(data_dir: Path) -> None:
    withhold(data_dir, example(), [], "it failed")

    done = requeue_withheld()

    assert (done.requeued, count_withheld(data_dir)) == (0, 1)
    assert "REDACT is not set" in next(iter(done.left))


def test_another_key_leaves_it_sealed(data_dir: Path, capture: Capture, settings: Any) -> None:
    withhold(data_dir, example(), [], "it failed")
    capture(REDACT=f"{REDACTORS}.everywhere")
    settings.SECRET_KEY = "another"

    done = requeue_withheld()

    assert "no key in SECRET_KEY" in next(iter(done.left))
    assert count_withheld(data_dir) == 1


def test_a_line_that_is_none_stays(data_dir: Path, capture: Capture) -> None:
    withhold(data_dir, example(), [], "it failed")
    [path] = (data_dir / "quarantine" / "withheld").iterdir()
    with path.open("ab") as file:
        file.write(b"{torn\n[]\n")
    capture(REDACT=f"{REDACTORS}.everywhere")

    done = requeue_withheld()

    assert (done.requeued, done.left) == (1, {"no line of what is withheld": 2})
    [path] = (data_dir / "quarantine" / "withheld").iterdir()
    assert path.read_bytes() == b"{torn\n[]\n"
    assert path.stat().st_mode & 0o077 == 0


def test_the_redactor_is_given_what_it_was_given_at_first(data_dir: Path, capture: Capture) -> None:
    withheld = example()
    withhold(data_dir, withheld, [], "it failed")
    capture(REDACT="tests.unit.capture_app.test_requeue.remember")
    given.clear()

    requeue_withheld()

    assert given == [withheld]


def test_a_dry_run_takes_nothing_and_moves_no_file(data_dir: Path, capture: Capture) -> None:
    withhold(data_dir, example(), [], "it failed")
    capture(REDACT=f"{REDACTORS}.everywhere")
    [before] = (data_dir / "quarantine" / "withheld").iterdir()

    assert requeue_withheld(dry_run=True).requeued == 1

    assert [*(data_dir / "quarantine" / "withheld").iterdir()] == [before]
    assert waiting_records() == []


given: list[Example] = []


def remember(found: Example) -> Example:
    given.append(found)
    return found
