"""Lines into shards: named, hashed and counted; nothing is left of an export that failed."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from training_archive.exports.formats.base import Shard, ShardLimits
from training_archive.exports.formats.shards import LineShardWriter, ShardNames, Staged


def write(folder: Path, *lines: bytes, limits: ShardLimits | None = None, header: bytes = b"") -> list[Shard]:
    with LineShardWriter(ShardNames(folder, "train", "jsonl"), limits or ShardLimits(), header=header) as writer:
        for line in lines:
            writer.write(line)
        return writer.close()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_one_shard_has_no_number(tmp_path: Path) -> None:
    [shard] = write(tmp_path, b"1\n", b"2\n")

    assert contents(tmp_path) == {"train.jsonl": b"1\n2\n"}
    assert shard == Shard(tmp_path / "train.jsonl", 2, 4, hashlib.sha256(b"1\n2\n").hexdigest())


def test_no_record_is_no_shard(tmp_path: Path) -> None:
    assert write(tmp_path) == []
    assert contents(tmp_path) == {}


def test_a_shard_holds_as_many_rows_as_it_may(tmp_path: Path) -> None:
    shards = write(tmp_path, b"1\n", b"2\n", b"3\n", limits=ShardLimits(rows=2))

    assert [shard.rows for shard in shards] == [2, 1]
    assert contents(tmp_path) == {"train-00000-of-00002.jsonl": b"1\n2\n", "train-00001-of-00002.jsonl": b"3\n"}


def test_a_shard_holds_as_many_bytes_as_it_may(tmp_path: Path) -> None:
    shards = write(tmp_path, b"12\n", b"34\n", b"5\n", limits=ShardLimits(bytes=5))

    assert [shard.bytes for shard in shards] == [3, 5]


def test_a_record_larger_than_a_shard_has_one_of_its_own(tmp_path: Path) -> None:
    shards = write(tmp_path, b"1\n", b"123456789\n", b"2\n", limits=ShardLimits(bytes=5))

    assert [shard.bytes for shard in shards] == [2, 10, 2]


def test_each_shard_has_the_header(tmp_path: Path) -> None:
    shards = write(tmp_path, b"1\n", b"2\n", limits=ShardLimits(rows=1), header=b"id\n")

    assert list(contents(tmp_path).values()) == [b"id\n1\n", b"id\n2\n"]
    assert [(shard.rows, shard.bytes) for shard in shards] == [(1, 5), (1, 5)]
    assert shards[0].sha256 == hashlib.sha256(b"id\n1\n").hexdigest()


def test_more_than_is_written_at_once_is_written(tmp_path: Path) -> None:
    line = b"x" * 999 + b"\n"

    [shard] = write(tmp_path, *[line] * 3000)

    assert shard.bytes == 3_000_000
    assert (
        shard.sha256 == hashlib.sha256(shard.path.read_bytes()).hexdigest() == hashlib.sha256(line * 3000).hexdigest()
    )


def test_nobody_else_may_read_a_shard(tmp_path: Path) -> None:
    [shard] = write(tmp_path, b"1\n")

    assert stat.S_IMODE(shard.path.stat().st_mode) == 0o600


def test_a_link_in_the_place_of_a_shard_is_not_followed(tmp_path: Path) -> None:
    folder, victim = tmp_path / "export", tmp_path / "victim"
    folder.mkdir()
    victim.write_text("safe")
    (folder / ".train-00000.jsonl").symlink_to(victim)

    with pytest.raises(FileExistsError):
        write(folder, b"1\n")

    assert victim.read_text() == "safe"


def fail_after_two_shards(folder: Path) -> None:
    with LineShardWriter(ShardNames(folder, "train", "jsonl"), ShardLimits(rows=1)) as writer:
        for line in (b"1\n", b"2\n", b"3\n"):
            writer.write(line)
        raise KeyboardInterrupt


def test_nothing_is_left_when_writing_ends_in_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fail_after_two_shards(tmp_path)

    assert contents(tmp_path) == {}


def test_nothing_is_left_when_a_shard_cannot_get_its_name(tmp_path: Path) -> None:
    (tmp_path / "train-00001-of-00002.jsonl").mkdir()  # in the way of the second

    with pytest.raises(IsADirectoryError):
        write(tmp_path, b"1\n", b"2\n", limits=ShardLimits(rows=1))

    assert [path.name for path in tmp_path.iterdir()] == ["train-00001-of-00002.jsonl"]


def half_converted(staged: Staged, path: Path) -> None:
    assert staged.path.read_bytes() == b"1\n"
    path.write_bytes(b"half")
    raise OSError("No space left on device")


def test_nothing_is_left_of_a_conversion_that_fails(tmp_path: Path) -> None:
    scratch, folder = tmp_path / "scratch", tmp_path / "export"
    scratch.mkdir()
    folder.mkdir()
    names = ShardNames(folder, "train", "parquet")

    with LineShardWriter(names, ShardLimits(), scratch=scratch, conversion=half_converted) as writer:
        writer.write(b"1\n")
        with pytest.raises(OSError, match="No space"):
            writer.close()

    assert contents(folder) == {}
    assert contents(scratch) == {}


def test_nothing_is_left_when_the_disk_is_full(tmp_path: Path) -> None:
    with LineShardWriter(ShardNames(tmp_path, "train", "jsonl"), ShardLimits()) as writer:
        writer.write(b"1\n")
        put_a_full_disk_under(tmp_path / ".train-00000.jsonl")
        with pytest.raises(OSError, match="No space"):
            writer.close()

    assert contents(tmp_path) == {}


def put_a_full_disk_under(path: Path) -> None:
    """From now on, what is written to this open file meets a disk that is full."""
    [descriptor] = [int(fd.name) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink() and fd.readlink() == path]
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, descriptor)
    os.close(full)
