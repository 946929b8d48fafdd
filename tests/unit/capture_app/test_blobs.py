"""Images and files in messages: stored once, by their hash, and referred to."""

import base64
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest

from capture_app import blobs as blobs_module
from capture_app import call_llm
from capture_app.blobs import (
    REFERENCE,
    Blob,
    BlobExtractor,
    blob_path,
    bring_back_blobs,
    referenced_blobs,
    remove_blobs,
    remove_unfinished_blobs,
    store_blobs,
)
from capture_app.metrics import capture_failures_total
from capture_app.providers.offline import NOTICE
from tests.unit.capture_app.captured import only_record, waiting_records

CONTENT = bytes(range(256))
HASH = hashlib.sha256(CONTENT).hexdigest()
URL = "data:image/png;base64," + base64.b64encode(CONTENT).decode()
BASE64 = URL.partition(",")[2]


def image(url: str = URL) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}


def ask(*messages: dict[str, Any]) -> dict[str, Any]:
    """The record of a call with these messages."""
    response = call_llm(messages=messages, training_metadata={})
    assert response.text.startswith(NOTICE)
    assert response.example_id is not None
    return waiting_records()[-1]


def kept(record: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = record["metadata"]["gleaner"]
    return found


def files(data_dir: Path) -> dict[str, bytes]:
    """What is under blobs/, by its path there."""
    folder = data_dir / "blobs"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- What is taken out -------------------------------------------------------------------------------------------


def test_an_image_is_stored_apart_and_referred_to(data_dir: Path) -> None:
    record = ask(image())

    assert files(data_dir) == {f"{HASH[:2]}/{HASH}": CONTENT}
    assert kept(record)["messages"] == [image(REFERENCE + HASH)]
    assert kept(record)["blobs"] == {HASH: {"media_type": "image/png", "bytes": 256}}


@pytest.mark.parametrize(
    ("part", "media_type"),
    [
        ({"type": "image_url", "image_url": URL}, "image/png"),
        ({"type": "input_image", "image_url": URL}, "image/png"),
        ({"type": "input_file", "filename": "a", "file_data": URL}, "image/png"),
        ({"type": "file", "file": {"filename": "a", "file_data": URL}}, "image/png"),
        ({"type": "input_audio", "input_audio": {"data": BASE64, "format": "mp3"}}, "audio/mp3"),
        ({"type": "input_audio", "input_audio": {"data": BASE64}}, "audio/wav"),
        (
            {"type": "image_url", "image_url": {"url": URL.replace("image/png", "image/svg+xml;charset=utf-8")}},
            "image/svg+xml",
        ),
        ({"type": "image_url", "image_url": {"url": URL.replace("image/png", "")}}, "text/plain"),
    ],
)
def test_every_form_of_part_is_known(data_dir: Path, part: dict[str, Any], media_type: str) -> None:
    record = ask({"role": "user", "content": [{"type": "text", "text": "What is this?"}, part]})

    assert list(files(data_dir).values()) == [CONTENT]
    assert kept(record)["blobs"] == {HASH: {"media_type": media_type, "bytes": 256}}
    assert BASE64[:50] not in orjson.dumps(record).decode()


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a.png?" + "x" * 100,
        "data:image/png;base64,no base64!" + "x" * 100,
        "data:image/png;base64," + "x" * 101,
        "data:image/png," + "x" * 100,
        "data:image/png;base64" + "x" * 100,
        "data:" + "x" * 100,
        "data:image/png;base64,AAAA",
        "data:image/png;base64," + BASE64[:100] + "\n" + BASE64[100:],
        "data:image/png;base64," + "größer" * 20,
    ],
)
def test_what_is_no_base64_is_left_as_it_was_sent(data_dir: Path, url: str) -> None:
    record = ask(image(url))

    assert files(data_dir) == {}
    assert kept(record)["messages"] == [image(url)]
    assert "blobs" not in kept(record)


def test_the_same_image_in_three_turns_and_two_calls_is_one_file(data_dir: Path) -> None:
    ask(image(), image(), image())
    ask(image())

    assert len(files(data_dir)) == 1
    assert [len(kept(record)["blobs"]) for record in waiting_records()] == [1, 1]


def test_the_callers_messages_are_not_changed() -> None:
    messages = [image(), {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": BASE64}}]}]
    before = orjson.dumps(messages)

    ask(*messages)

    assert orjson.dumps(messages) == before


def test_an_image_over_the_limit_is_named_and_not_kept(data_dir: Path, capture: Callable[..., None]) -> None:
    capture(BLOB_BYTES=255)

    record = ask(image())

    assert files(data_dir) == {}
    assert kept(record)["messages"] == [image(REFERENCE + HASH)]
    assert kept(record)["blobs"] == {HASH: {"media_type": "image/png", "bytes": 256, "kept": False}}


def test_an_image_at_the_limit_is_kept(data_dir: Path, capture: Callable[..., None]) -> None:
    capture(BLOB_BYTES=256)

    ask(image())

    assert list(files(data_dir).values()) == [CONTENT]


def test_images_in_a_tools_result_are_taken_out(data_dir: Path) -> None:
    part = {"type": "image_url", "image_url": {"url": URL}}

    ask({"role": "user", "content": "What is this?"}, {"role": "tool", "tool_call_id": "c1", "content": [part]})

    assert list(files(data_dir).values()) == [CONTENT]


def test_a_text_that_looks_like_a_reference_refers_to_nothing(data_dir: Path) -> None:
    record = ask({"role": "user", "content": [{"type": "text", "text": f"{REFERENCE}{'0' * 64} {REFERENCE}../../x"}]})

    assert files(data_dir) == {}
    assert "blobs" not in kept(record)


@pytest.mark.parametrize("format_", ["../../x", "wav\0", "a" * 5000, 7, None, ["x"]])
def test_a_hostile_format_goes_no_further_than_its_name(data_dir: Path, format_: Any) -> None:
    part = {"type": "input_audio", "input_audio": {"data": BASE64, "format": format_}}

    ask({"role": "user", "content": [part]})

    assert list(files(data_dir)) == [f"{HASH[:2]}/{HASH}"]


@pytest.mark.parametrize("media_type", ["../../etc/passwd", "image/../x", "/x", "image/png\n", "a b/c"])
def test_a_hostile_media_type_names_no_file(data_dir: Path, media_type: str) -> None:
    ask(image(URL.replace("image/png", media_type)))

    assert set(files(data_dir)) <= {f"{HASH[:2]}/{HASH}"}


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "input_audio", "input_audio": None}],
        [{"type": "input_audio", "input_audio": BASE64}],
        [{"type": "input_audio", "input_audio": {"data": None}}],
        [{"type": "input_audio", "input_audio": {"data": 7, "format": "wav"}}],
        [{"type": "image_url", "image_url": None}],
        [{"type": "image_url", "image_url": {"url": 7}}],
        [None, 7, "x" * 100],
    ],
)
def test_odd_parts_are_kept_as_they_are(content: Any) -> None:
    assert kept(ask({"role": "user", "content": content}))["messages"] == [{"role": "user", "content": content}]


def test_messages_that_contain_themselves_are_kept_as_far_as_json_goes() -> None:
    part: dict[str, Any] = {"type": "odd"}
    part["itself"] = part

    ask({"role": "user", "content": [part]})


def test_messages_that_nest_deep_are_kept_as_far_as_json_goes() -> None:
    part: Any = {"type": "odd"}
    for _ in range(600):
        part = {"type": "odd", "inner": part}

    ask({"role": "user", "content": [part]})


# --- How it is stored --------------------------------------------------------------------------------------------


def blob(content: bytes = CONTENT) -> Blob:
    return Blob(hashlib.sha256(content).hexdigest(), "image/png", content)


def test_nobody_else_may_read_a_blob(data_dir: Path) -> None:
    store_blobs(data_dir, [blob()])

    assert (data_dir / "blobs" / HASH[:2]).stat().st_mode & 0o077 == 0


def test_a_blob_that_is_there_is_not_written_again(data_dir: Path) -> None:
    store_blobs(data_dir, [blob()])
    before = blob_path(data_dir, HASH).stat()

    store_blobs(data_dir, [blob()], fsync=True)

    assert blob_path(data_dir, HASH).stat() == before


def test_writers_at_the_same_time_leave_one_whole_file(data_dir: Path) -> None:
    content = os.urandom(2**20)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: store_blobs(data_dir, [blob(content)]), range(32)))

    assert list(files(data_dir).values()) == [content]


@pytest.mark.parametrize("sha256", ["", "../" * 21 + "x", HASH.upper(), HASH[:-1], HASH + "0", HASH + "\n", "/" * 64])
def test_what_is_no_hash_names_no_path(data_dir: Path, sha256: str) -> None:
    with pytest.raises(ValueError, match="no SHA-256"):
        blob_path(data_dir, sha256)


def test_a_disk_that_fails_in_the_middle_leaves_nothing(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_up(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_up)

    with pytest.raises(OSError, match="No space"):
        store_blobs(data_dir, [blob()])
    assert files(data_dir) == {}


def test_a_disk_that_cannot_sync_leaves_nothing(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(blobs_module, "fsync_file", fail)

    with pytest.raises(OSError, match="Input/output"):
        store_blobs(data_dir, [blob()], fsync=True)
    assert files(data_dir) == {}


def test_a_blobs_folder_that_cannot_be_written_breaks_no_call(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "blobs").touch()

    response = call_llm(messages=[image()], training_metadata={})

    assert response.text.startswith(NOTICE)
    assert response.example_id is None
    assert sum(capture_failures_total().values()) == 1
    assert waiting_records() == []


def test_capture_goes_on_when_the_folder_is_mended(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "blobs").touch()
    call_llm(messages=[image()], training_metadata={})
    (data_dir / "blobs").unlink()

    ask(image())

    assert only_record()["metadata"]["gleaner"]["messages"] == [image(REFERENCE + HASH)]


# --- The parts ---------------------------------------------------------------------------------------------------


def test_the_references_of_a_record_are_found() -> None:
    line = orjson.dumps({"a": REFERENCE + "a" * 64, "b": ["x " + REFERENCE + "b" * 64], "c": REFERENCE + "C" * 64})

    found: Sequence[str] = referenced_blobs(line)

    assert list(found) == ["a" * 64, "b" * 64]


def test_values_without_blobs_come_back_as_they_are() -> None:
    extractor = BlobExtractor(100)

    assert extractor.take_out_of({"a": [1, None, "x", ("y", 2.5)]}) == {"a": [1, None, "x", ["y", 2.5]]}
    assert (extractor.blobs, extractor.facts) == ({}, {})


# --- Removing ----------------------------------------------------------------------------------------------------


NOW = 2_000_000_000.0  # seconds since the epoch


def stored_at(data_dir: Path, moment: float, content: bytes = CONTENT) -> Path:
    store_blobs(data_dir, [blob(content)])
    path = blob_path(data_dir, blob(content).sha256)
    os.utime(path, (moment, moment))
    return path


def test_a_blob_that_is_used_again_has_its_time_renewed(data_dir: Path) -> None:
    path = stored_at(data_dir, 1000)

    store_blobs(data_dir, [blob()])

    assert path.stat().st_mtime > 1000


def test_a_blob_that_was_cut_off_is_written_anew(data_dir: Path) -> None:
    path = stored_at(data_dir, NOW)
    path.write_bytes(CONTENT[:10])

    store_blobs(data_dir, [blob()])

    assert path.read_bytes() == CONTENT


def test_blobs_unused_since_then_are_removed(data_dir: Path) -> None:
    old, other = stored_at(data_dir, NOW - 1), stored_at(data_dir, NOW - 1, b"another" * 20)

    assert remove_blobs(data_dir, [HASH], unused_since=NOW) == 1

    assert not old.exists()
    assert list(files(data_dir)) == [f"{other.parent.name}/{other.name}"]


@pytest.mark.parametrize("moment", [NOW, NOW + 1])
def test_a_blob_used_since_then_stays(data_dir: Path, moment: float) -> None:
    path = stored_at(data_dir, moment)

    assert remove_blobs(data_dir, [HASH], unused_since=NOW) == 0

    assert path.read_bytes() == CONTENT
    assert len(files(data_dir)) == 1


def test_a_blob_that_is_not_there_is_not_removed(data_dir: Path) -> None:
    assert remove_blobs(data_dir, [HASH], unused_since=NOW) == 0


def test_a_blob_that_a_killed_run_had_moved_aside_is_brought_back(data_dir: Path) -> None:
    path = stored_at(data_dir, NOW)
    path.rename(path.with_name(f".{path.name}.leaving"))

    bring_back_blobs(data_dir, [HASH, "0" * 64])

    assert files(data_dir) == {f"{HASH[:2]}/{HASH}": CONTENT}


def test_what_is_no_hash_removes_no_file(data_dir: Path) -> None:
    with pytest.raises(ValueError, match="no SHA-256"):
        remove_blobs(data_dir, ["../../x"], unused_since=NOW)


def test_a_sweep_meanwhile_takes_no_blob_from_those_who_store_it(data_dir: Path) -> None:
    def sweep() -> int:
        return sum(remove_blobs(data_dir, [HASH], unused_since=1000.0) for _ in range(300))

    with ThreadPoolExecutor(4) as pool:
        removed = pool.submit(sweep)
        list(pool.map(lambda _: store_blobs(data_dir, [blob()]), range(200)))

    assert removed.result() == 0
    assert files(data_dir) == {f"{HASH[:2]}/{HASH}": CONTENT}


@pytest.fixture
def unfinished(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a writer that was killed leaves behind."""

    def die(*args: Any) -> None:
        os._exit(9)

    child = os.fork()
    if not child:
        monkeypatch.setattr(Path, "replace", die)
        store_blobs(data_dir, [blob()])
    os.waitpid(child, 0)
    [left] = data_dir.glob("blobs/??/.*.tmp")
    return left


def test_what_a_killed_writer_left_is_removed_an_hour_later(data_dir: Path, unfinished: Path) -> None:
    kept = stored_at(data_dir, 1000, b"another" * 20)

    remove_unfinished_blobs(data_dir)
    assert unfinished.exists()
    os.utime(unfinished, (time.time() - 3601, time.time() - 3601))
    remove_unfinished_blobs(data_dir)

    assert list(files(data_dir)) == [f"{kept.parent.name}/{kept.name}"]


def test_without_blobs_nothing_is_unfinished(data_dir: Path) -> None:
    remove_unfinished_blobs(data_dir)

    assert not data_dir.exists()
