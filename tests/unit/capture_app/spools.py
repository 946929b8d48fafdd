"""Records for a spool, and what is in one."""

from pathlib import Path


def line(number: int) -> bytes:
    return b'{"id":"%d"}\n' % number


def files(folder: Path, state: str = "*") -> list[Path]:
    return sorted(folder.glob(f"*.{state}.jsonl"))


def kept(folder: Path) -> list[bytes]:
    """Every line in the spool, in order; the last piece of a file counts even without its newline."""
    return sorted(row for path in files(folder) for row in rows(path))


def rows(path: Path) -> list[bytes]:
    """The lines of a segment, without the empty one that seals it."""
    return [row for row in path.read_bytes().splitlines(keepends=True) if row != b"\n"]
