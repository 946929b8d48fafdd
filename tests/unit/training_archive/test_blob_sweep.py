"""Blobs to which nothing refers any more are swept; all others stay."""

import base64
import hashlib
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from capture_app import call_llm
from capture_app.blobs import Blob, blob_path, store_blobs
from capture_app.progress import silent
from capture_app.services import drain_captures
from tests.unit.training_archive.conftest import Killed
from tests.unit.training_archive.material import row, write_archive, write_database
from training_archive import blob_sweep
from training_archive.blob_sweep import has_marked_blobs, mark_blobs, sweep_marked_blobs
from training_archive.chunks import PREFIX
from training_archive.dated_names import roll_over
from training_archive.exceptions import ArchiveDamaged
from training_archive.removed_blobs import removed_blobs
from training_archive.services import archive_training_data

pytestmark = pytest.mark.django_db

IMAGE = b"an image " * 20
SHA256 = hashlib.sha256(IMAGE).hexdigest()
OTHER = b"another image " * 20
LONG_AGO = 1_600_000_000


@pytest.fixture
def stored(data_dir: Path) -> Callable[..., str]:
    """Store a blob of years ago; its hash."""

    def store(content: bytes = IMAGE) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        store_blobs(data_dir, [Blob(sha256, "image/png", content)])
        os.utime(blob_path(data_dir, sha256), (LONG_AGO, LONG_AGO))
        return sha256

    return store


def refers(sha256: str = SHA256) -> dict[str, Any]:
    """An example that refers to the blob."""
    part = {"type": "image_url", "image_url": {"url": f"blob:sha256:{sha256}"}}
    return row("a", metadata={"gleaner": {"messages": [{"role": "user", "content": [part]}]}})


def ask_with_image() -> None:
    url = "data:image/png;base64," + base64.b64encode(IMAGE).decode()
    message = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}
    call_llm(messages=[message], training_metadata={})


def drain_and_be_asked(**options: Any) -> None:
    """A call comes right after the drain: its record is in the inbox while everything else is searched."""
    drain_captures(**options)
    ask_with_image()


def sweep(zip_path: Path) -> int:
    mark_blobs([SHA256])
    return sweep_marked_blobs(zip_path, silent)


def test_a_marked_blob_that_nothing_refers_to_is_removed(
    stored: Callable[..., str], data_dir: Path, zip_path: Path
) -> None:
    stored()

    assert sweep(zip_path) == 1

    assert not blob_path(data_dir, SHA256).exists()


def test_what_is_not_marked_stays(stored: Callable[..., str], data_dir: Path, zip_path: Path) -> None:
    other = stored(OTHER)
    stored()

    sweep(zip_path)

    assert blob_path(data_dir, other).exists()


def test_without_marks_nothing_is_searched(zip_path: Path) -> None:
    zip_path.parent.mkdir()
    zip_path.write_bytes(b"no ZIP")

    assert sweep_marked_blobs(zip_path, silent) == 0


def in_a_zip(data_dir: Path, zip_path: Path) -> None:
    write_archive(zip_path, [row("b")], [refers()])


def in_a_dated_zip(data_dir: Path, zip_path: Path) -> None:
    write_archive(zip_path, [refers()])
    roll_over(zip_path, datetime.now(UTC))


def in_a_sealed_file(data_dir: Path, zip_path: Path) -> None:
    write_database(data_dir / "sealed" / f"{PREFIX}waiting.duckdb", [refers()])


def in_the_inbox(data_dir: Path, zip_path: Path) -> None:
    ask_with_image()
    os.utime(blob_path(data_dir, SHA256), (LONG_AGO, LONG_AGO))


def in_the_live_database(data_dir: Path, zip_path: Path) -> None:
    in_the_inbox(data_dir, zip_path)
    drain_captures()


def in_quarantine(data_dir: Path, zip_path: Path) -> None:
    in_the_inbox(data_dir, zip_path)
    [segment] = (data_dir / "spool").glob("*.jsonl")
    segment.write_bytes(segment.read_bytes().replace(b'"id"', b'"no id"'))


PLACES = [in_a_zip, in_a_dated_zip, in_a_sealed_file, in_the_inbox, in_the_live_database, in_quarantine]


@pytest.mark.parametrize("place", PLACES)
def test_a_blob_that_something_refers_to_stays(
    stored: Callable[..., str], data_dir: Path, zip_path: Path, place: Callable[[Path, Path], None]
) -> None:
    stored()
    place(data_dir, zip_path)

    assert sweep(zip_path) == 0

    assert blob_path(data_dir, SHA256).read_bytes() == IMAGE
    assert not has_marked_blobs()


def test_the_configured_archive_is_searched_also_when_another_one_is_meant(
    stored: Callable[..., str], data_dir: Path, zip_path: Path, tmp_path: Path
) -> None:
    stored()
    in_a_zip(data_dir, zip_path)
    other = tmp_path / "other.zip"
    write_archive(other, [row("c")])

    assert sweep(other) == 0

    assert blob_path(data_dir, SHA256).exists()


def test_a_call_that_comes_meanwhile_keeps_its_blob(
    stored: Callable[..., str], data_dir: Path, zip_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored()
    monkeypatch.setattr(blob_sweep, "drain_captures", drain_and_be_asked)

    assert sweep(zip_path) == 0

    assert blob_path(data_dir, SHA256).read_bytes() == IMAGE


def test_a_call_of_the_same_moment_keeps_its_blob(
    stored: Callable[..., str], data_dir: Path, zip_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File times tick in steps of milliseconds: just after time.time() a file may be given one from before it."""
    stored()
    monkeypatch.setattr(time, "time", lambda: time.time_ns() / 1e9 + 0.005)
    monkeypatch.setattr(blob_sweep, "drain_captures", drain_and_be_asked)

    assert sweep(zip_path) == 0


def test_marks_of_a_killed_run_are_swept_by_the_next(
    stored: Callable[..., str], data_dir: Path, zip_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored()
    other = stored(OTHER)

    def die(*args: Any, **options: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(blob_sweep, "remove_blobs", die)
        with pytest.raises(Killed):
            sweep(zip_path)
    mark_blobs([other])

    assert sweep_marked_blobs(zip_path, silent) == 2


def test_a_zip_that_cannot_be_searched_keeps_all_blobs(
    stored: Callable[..., str], data_dir: Path, zip_path: Path
) -> None:
    stored()
    zip_path.write_bytes(b"no ZIP")

    with pytest.raises(ArchiveDamaged):
        sweep(zip_path)

    assert blob_path(data_dir, SHA256).exists()
    assert has_marked_blobs()


def test_a_blob_that_is_marked_and_was_never_there_is_nothing(zip_path: Path) -> None:
    assert sweep(zip_path) == 0


def test_after_a_sweep_the_archive_goes_on(stored: Callable[..., str], data_dir: Path, zip_path: Path) -> None:
    stored()
    ask_with_image()
    archive_training_data()

    assert sweep(zip_path) == 0
    assert blob_path(data_dir, SHA256).exists()


# --- Notes for shipping ----------------------------------------------------------------------------------------------


def noted(data_dir: Path, tmp_path: Path) -> list[str]:
    return [entry.sha256 for entry in removed_blobs(data_dir, tmp_path / "notes")]


def test_what_was_removed_is_noted_and_what_stayed_is_not(
    stored: Callable[..., str], data_dir: Path, zip_path: Path, tmp_path: Path
) -> None:
    removed = stored(OTHER)
    stored()
    in_a_zip(data_dir, zip_path)
    mark_blobs([removed, SHA256])

    sweep_marked_blobs(zip_path, silent)

    assert noted(data_dir, tmp_path) == [removed]


def test_what_a_killed_run_had_removed_is_noted_by_the_next(
    stored: Callable[..., str], data_dir: Path, zip_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored()

    def die(*args: Any, **options: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(blob_sweep, "note_removed_blobs", die)
        with pytest.raises(Killed):
            sweep(zip_path)
    assert not blob_path(data_dir, SHA256).exists()

    sweep_marked_blobs(zip_path, silent)

    assert noted(data_dir, tmp_path) == [SHA256]


# --- What writers left -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "run", [lambda zip_path: sweep_marked_blobs(zip_path, silent), lambda _: archive_training_data()]
)
def test_what_killed_writers_left_is_removed_by_sweeps_and_archive_runs(
    stored: Callable[..., str], data_dir: Path, zip_path: Path, run: Callable[[Path], object]
) -> None:
    path = blob_path(data_dir, stored())
    left = path.rename(path.with_name(f".{path.name}.4711.0a1b2c3d.tmp"))

    run(zip_path)

    assert not left.exists()
