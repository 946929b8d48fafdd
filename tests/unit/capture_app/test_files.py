"""The few file operations that durability rests on."""

import os
import time
from pathlib import Path

import pytest

from capture_app.files import fsync_directory, fsync_file, scratch_directory, write_atomically


def test_a_file_is_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"new")

    assert (tmp_path / "file").read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old and longer")

    write_atomically(tmp_path / "file", b"new")

    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"old")

    def broken(descriptor: int) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="the disk is gone"):
        write_atomically(tmp_path / "file", b"new")

    assert (tmp_path / "file").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_files_and_folders_can_be_synced(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    fsync_file(tmp_path / "file")
    fsync_directory(tmp_path)


def test_scratch_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    with scratch_directory(tmp_path) as one, scratch_directory(tmp_path) as two:
        (one / "work").touch()
        assert one != two

    assert list((tmp_path / "tmp").iterdir()) == []


def test_scratch_is_gone_after_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), scratch_directory(tmp_path):
        _ = 1 / 0

    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_killed_runs_left_is_removed_once_it_is_old(tmp_path: Path) -> None:
    old, recent = tmp_path / "tmp" / "old", tmp_path / "tmp" / "recent"
    for folder in (old, recent):
        folder.mkdir(parents=True)
        (folder / "work").touch()
    last_week = time.time() - 7 * 24 * 3600
    os.utime(old, (last_week, last_week))

    with scratch_directory(tmp_path):
        assert not old.exists()
        assert recent.exists()
