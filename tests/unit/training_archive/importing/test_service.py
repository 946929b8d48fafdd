"""Importing: each example is stored once, and everything else is counted and named."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from capture_app import call_llm
from capture_app.inbox import get_inbox
from capture_app.models import ExampleIndex, ForgottenExample
from capture_app.quarantine import count_withheld
from capture_app.services import drain_captures
from tests.unit.capture_app.captured import stored, stored_rows
from tests.unit.training_archive.material import files_below, row, write_archive
from training_archive.exceptions import ArchiveError
from training_archive.importing import intake
from training_archive.importing.service import import_examples
from training_archive.models import ArchivedChunk
from training_archive.services import archive_training_data, forget, rebuild_example_index

pytestmark = pytest.mark.django_db(transaction=True)

Write = Callable[..., Path]
Capture = Callable[..., None]

REDACTORS = "tests.unit.capture_app.redactors"
SECRET = "ann@example.org"


def ids(count: int) -> list[str]:
    return [str(uuid.UUID(int=number + 1)) for number in range(count)]


def test_what_is_imported_is_stored_and_indexed(write_lines: Write) -> None:
    report = import_examples([write_lines(*map(row, ids(3)))])

    assert (report.read, report.counts.imported) == (3, 3)
    assert stored() == ids(3)
    assert ExampleIndex.objects.count() == 3


def test_importing_again_stores_nothing_twice(write_lines: Write) -> None:
    path = write_lines(*map(row, ids(3)))
    import_examples([path])

    report = import_examples([path, path])

    assert (report.read, report.counts.imported, report.counts.already_there) == (6, 0, 6)
    assert len(stored()) == 3


def test_an_example_is_stored_once_however_the_loads_fall(write_lines: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_LOAD_RECORDS", 4)
    path = write_lines(*map(row, ids(10)), *map(row, ids(10)))

    report = import_examples([path])

    assert (report.counts.imported, report.counts.already_there) == (10, 10)
    assert stored() == ids(10)


def test_what_is_archived_by_now_is_not_stored_again(write_lines: Write, zip_path: Path) -> None:
    path = write_lines(*map(row, ids(3)))
    import_examples([path])
    archive_training_data()

    report = import_examples([path, zip_path, write_lines(row(ids(4)[3]), name="new.jsonl")])

    assert (report.counts.imported, report.counts.already_there) == (1, 6)
    assert stored() == ids(4)[3:]


def test_a_drain_of_what_an_import_took_in_compares_with_the_archive_too(write_lines: Write) -> None:
    lines = write_lines(*map(row, ids(2))).read_bytes().splitlines(keepends=True)
    get_inbox().take_in(lines)
    drain_captures()
    archive_training_data()

    get_inbox().take_in(lines)

    assert drain_captures().rows == 0
    assert stored() == []


def test_what_was_erased_on_request_stays_out(write_lines: Write) -> None:
    ForgottenExample.objects.create(id=ids(1)[0], erasure="e1")
    path = write_lines(*map(row, ids(2)))

    report = import_examples([path])

    assert (report.counts.imported, report.counts.forgotten) == (1, 1)
    get_inbox().take_in(path.read_bytes().splitlines(keepends=True))
    assert drain_captures().rows == 0
    assert stored() == ids(2)[1:]
    assert not ExampleIndex.objects.filter(pk=ids(1)[0]).exists()


def test_another_gleaners_archive_is_imported(tmp_path: Path) -> None:
    write_archive(tmp_path / "theirs.zip", map(row, ids(3)), map(row, ids(5)[2:]))

    report = import_examples([tmp_path / "theirs.zip"])

    assert (report.read, report.counts.imported, report.counts.already_there) == (6, 5, 1)
    assert stored() == ids(5)


def test_bad_records_are_named_and_the_good_ones_go_in(write_lines: Write) -> None:
    report = import_examples([write_lines(row(ids(1)[0]), b"{torn", row("b", prompt_text=5))])

    assert stored() == ids(1)
    assert [(found.file, found.place) for found in report.refusals] == [
        ("source.jsonl", "line 2"),
        ("source.jsonl", "line 3"),
    ]
    assert report.refused["prompt_text is no text"] == 1


def test_strict_imports_nothing_when_a_record_is_bad(write_lines: Write, data_dir: Path) -> None:
    good = write_lines(row(ids(1)[0]), name="good.jsonl")

    report = import_examples([good, write_lines(row(ids(2)[1]), b"{torn")], strict=True)

    assert (report.refused_records, report.counts.imported) == (1, 0)
    assert not (data_dir / "spool").exists()
    assert import_examples([good], strict=True).counts.imported == 1


def test_a_dry_run_counts_and_writes_nothing(write_lines: Write, data_dir: Path) -> None:
    import_examples([write_lines(row(ids(1)[0]))])
    before = files_below(data_dir)

    report = import_examples(
        [write_lines(*map(row, ids(3)), row(ids(3)[2]), b"{torn", name="more.jsonl")], dry_run=True
    )

    counts = report.counts
    assert (counts.imported, counts.already_there, report.refused_records) == (2, 2, 1)
    assert (stored(), files_below(data_dir)) == (ids(1), before)


def test_the_task_may_be_given(write_lines: Write) -> None:
    import_examples([write_lines(row(ids(1)[0]))], task="prices")

    assert stored("task") == ["prices"]


def test_what_is_imported_is_redacted_like_a_call(write_lines: Write, capture: Capture) -> None:
    capture(REDACT=f"{REDACTORS}.everywhere")

    import_examples([write_lines(row(ids(1)[0], prompt_text=f"Mail {SECRET}"))])

    [found] = stored_rows()
    assert (found["prompt_text"], found["id"]) == ("Mail [mail]", ids(1)[0])


def test_what_cannot_be_redacted_is_withheld_once(write_lines: Write, capture: Capture, data_dir: Path) -> None:
    capture(REDACT=f"{REDACTORS}.fails")
    path = write_lines(*map(row, ids(2)))

    first, second = import_examples([path]), import_examples([path])

    assert (first.counts.withheld, second.counts.withheld, second.counts.already_there) == (2, 0, 2)
    assert count_withheld(data_dir) == 2
    assert not ExampleIndex.objects.exists()


def test_images_are_kept_as_blobs_and_missing_ones_counted(write_lines: Write, data_dir: Path) -> None:
    image = "data:image/png;base64," + "QUFB" * 40
    content = [{"type": "image_url", "image_url": {"url": image}}, {"type": "text", "text": "blob:sha256:" + "0" * 64}]
    metadata = {"gleaner": {"messages": [{"role": "user", "content": content}]}}

    report = import_examples([write_lines(row(ids(1)[0], metadata=metadata))])

    assert report.counts.missing_blobs == 1
    [blob] = [path for path in (data_dir / "blobs").rglob("*") if path.is_file()]
    assert blob.read_bytes() == b"AAA" * 40


def test_a_blob_that_was_never_kept_is_not_missing(write_lines: Write) -> None:
    key = "0" * 64
    reserved = {"messages": [{"role": "user", "content": f"blob:sha256:{key}"}], "blobs": {key: {"kept": False}}}

    assert import_examples([write_lines(row(ids(1)[0], metadata={"gleaner": reserved}))]).counts.missing_blobs == 0


def test_what_waits_in_the_inbox_counts_as_there(write_lines: Write) -> None:
    get_inbox().append(orjson.dumps(row(ids(1)[0])) + b"\n")

    assert import_examples([write_lines(row(ids(1)[0]))]).counts.already_there == 1


def test_a_file_that_is_none_stops_before_anything_is_stored(
    write_lines: Write, tmp_path: Path, data_dir: Path
) -> None:
    with pytest.raises(ArchiveError, match="no regular file"):
        import_examples([write_lines(row("a")), tmp_path])

    assert not (data_dir / "spool").exists()


def test_the_live_database_is_not_imported_into_itself(write_lines: Write, data_dir: Path) -> None:
    import_examples([write_lines(row("a"))])

    with pytest.raises(ArchiveError, match="the live database itself"):
        import_examples([data_dir / "llm_training_dataset.duckdb"])


def test_a_damaged_archive_is_one_refusal(tmp_path: Path) -> None:
    (tmp_path / "theirs.zip").write_bytes(b"PK\x03\x04 and nothing")

    report = import_examples([tmp_path / "theirs.zip"])

    assert "is not readable as a ZIP" in report.refusals[0].reason


def test_only_the_first_problems_are_named_and_all_are_counted(
    write_lines: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training_archive.importing.service._NAMED", 2)

    report = import_examples([write_lines(row("a"), b"{", b"{", b"{")])

    assert (len(report.refusals), report.refused_records) == (2, 3)


@pytest.mark.parametrize("inbox", ["spool", "redis"])
def test_either_inbox_takes_an_import(
    write_lines: Write, capture: Capture, inbox: str, needs: Callable[[str], str], tmp_path: Path
) -> None:
    from tests.faults.redis_server import durable_redis

    path = write_lines(*map(row, ids(3)))
    if inbox == "spool":
        assert import_examples([path]).counts.imported == 3
        return
    with durable_redis(needs("redis-server"), tmp_path / "redis") as server:
        capture(INBOX="capture_app.inbox.redis_stream.RedisStreamInbox", REDIS_URL=server.url)
        assert import_examples([path]).counts.imported == 3
        assert import_examples([path]).counts.already_there == 3


def test_progress_names_each_file(write_lines: Write) -> None:
    told: list[Any] = []

    import_examples([write_lines(row("a"))], progress=lambda *facts: told.append(facts))

    assert told[0] == ("importing source.jsonl", 0, 0)


# --- Without ids -----------------------------------------------------------------------------------------------------


def as_training_set() -> list[dict[str, Any]]:
    """What is live, as OpenAI's fine-tuning takes it: it knows no ids. The corrected answer is the one to learn."""
    said = []
    for found in stored_rows():
        answer = orjson.loads(found["metadata"]).get("correction") or found["response_strong"]
        asked = [
            {"role": "system", "content": found["system_prompt"]},
            {"role": "user", "content": found["prompt_text"]},
        ]
        said.append({"messages": [*asked, {"role": "assistant", "content": answer}]})
    return said


def captured(**metadata: Any) -> None:
    for user in ("ada", "bob"):
        call_llm(
            f"What does {user} want?",
            system_prompt="You know.",
            task="shop",
            training_metadata={"user_id": user, **metadata},
        )
    drain_captures()


def test_what_was_erased_stays_out_where_only_its_words_tell_it(write_lines: Write) -> None:
    captured()
    path = write_lines(*as_training_set())
    forget(user="ada", by="test")

    report = import_examples([path])

    assert (report.read, report.counts.forgotten, report.counts.equal, report.counts.imported) == (2, 1, 1, 0)
    assert import_examples([path], keep_equal=True).counts.imported == 1
    assert stored("prompt_text") == ["What does bob want?"]


def test_so_does_its_corrected_answer(write_lines: Write) -> None:
    captured(correction="A red one.")
    path = write_lines(*as_training_set())
    forget(user="ada", by="test")

    assert import_examples([path]).counts.forgotten == 1


def test_what_was_erased_stays_out_when_another_tool_has_it_too(write_lines: Write) -> None:
    captured()
    body = {"id": "chatcmpl-1", "object": "chat.completion", "model": "m"}
    lines = [
        {**body, "messages": found["messages"][:-1], "choices": [{"message": found["messages"][-1]}]}
        for found in as_training_set()
        if "ada" in found["messages"][1]["content"]
    ]
    forget(user="ada", by="test")

    assert import_examples([write_lines(*lines)]).counts.forgotten == 1


def test_what_is_erased_only_when_redacted_stays_out(write_lines: Write, capture: Capture) -> None:
    capture(REDACT=f"{REDACTORS}.everywhere")
    answer = call_llm(f"Mail {SECRET}", task="shop", training_metadata={"user_id": "ada"}).text
    drain_captures()
    asked = [{"role": "user", "content": f"Mail {SECRET}"}]
    path = write_lines({"messages": [*asked, {"role": "assistant", "content": answer}]})
    forget(user="ada", by="test")

    counts = import_examples([path]).counts

    assert (counts.forgotten, counts.imported) == (1, 0)


def test_an_example_of_ours_with_another_id_and_the_same_words_is_another_example(write_lines: Write) -> None:
    import_examples([write_lines(row(ids(1)[0]))])
    forget(ids=ids(1), by="test")

    report = import_examples([write_lines(*map(row, ids(2)), name="both.jsonl")])

    assert (report.counts.forgotten, report.counts.imported) == (1, 1)


def test_forgetting_again_keeps_the_hashes(write_lines: Write) -> None:
    import_examples([write_lines(row(ids(1)[0]))])
    forget(ids=ids(1), by="test")
    before = ForgottenExample.objects.get().content_hmac

    forget(ids=ids(1), by="test")

    assert ForgottenExample.objects.get().content_hmac == before != ""


def test_another_answer_to_the_same_question_is_imported(write_lines: Write) -> None:
    captured()
    record = as_training_set()[0]
    record["messages"][-1]["content"] = "Something else."

    counts = import_examples([write_lines(record, record)]).counts

    assert (counts.equal, counts.imported, counts.already_there) == (0, 1, 1)


# --- Which files -----------------------------------------------------------------------------------------------------


@pytest.fixture
def rolled_over(tmp_path: Path) -> tuple[Path, Path]:
    """Another Gleaner's archive: its active ZIP of one example, and a dated one of two."""
    path = tmp_path / "theirs" / "set.zip"
    dated = path.with_name("set-20260101.zip")
    write_archive(dated, map(row, ids(2)))
    write_archive(path, [row(ids(3)[2])])
    return path, dated


def test_the_active_zip_brings_the_dated_ones(rolled_over: tuple[Path, Path]) -> None:
    active, dated = rolled_over

    report = import_examples([active])

    assert (report.read, stored()) == (3, ids(3))
    assert list(report.formats) == [str(dated), str(active)]


def test_a_dated_zip_comes_alone_and_none_is_read_twice(rolled_over: tuple[Path, Path]) -> None:
    active, dated = rolled_over

    assert import_examples([dated], dry_run=True).read == 2
    assert import_examples([active, dated], dry_run=True).read == 3


def test_the_name_of_an_active_zip_that_was_just_rolled_over_is_enough(rolled_over: tuple[Path, Path]) -> None:
    active, dated = rolled_over
    active.unlink()

    assert list(import_examples([active]).formats) == [str(dated)]


def test_only_zips_have_dated_ones(write_lines: Write) -> None:
    write_lines(row("b"), name="source-20260101.jsonl")

    assert import_examples([write_lines(row("a"))]).read == 1


def test_strict_says_how_many_records_were_read(write_lines: Write) -> None:
    assert import_examples([write_lines(row("a"), row("b"), b"{torn")], strict=True).read == 3


def test_an_archive_that_the_index_does_not_know_stops_the_import(write_lines: Write, zip_path: Path) -> None:
    path = write_lines(row(ids(1)[0]))
    import_examples([path])
    archive_training_data()
    ExampleIndex.objects.all().delete()
    ArchivedChunk.objects.all().delete()

    with pytest.raises(ArchiveError, match="rebuild_example_index"):
        import_examples([path])

    rebuild_example_index()
    assert import_examples([path]).counts.already_there == 1


def test_a_file_of_no_known_format_is_told_what_there_is(write_lines: Write) -> None:
    with pytest.raises(ArchiveError, match="sharegpt: conversations"):
        import_examples([write_lines({"question": "a", "answer": "b"})])
