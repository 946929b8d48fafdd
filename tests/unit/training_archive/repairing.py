"""Damaging ZIPs, and repairing them in tests."""

import zipfile
from pathlib import Path

from training_archive.reader import iter_examples
from training_archive.services import verify_archive
from training_archive.services.repair import RepairedZip, repair_archive

FIRST, SECOND = "llm_training_chunk_0000", "llm_training_chunk_0001"  # of the fixture `damaged`


def overwrite(path: Path, position: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        file.write(content)


def flip(path: Path, position: int) -> None:
    overwrite(path, position, bytes([path.read_bytes()[position] ^ 0xFF]))


def place_of(path: Path, filename: str) -> tuple[int, int]:
    """Where a member's head is, and where its data ends."""
    with zipfile.ZipFile(path) as archive:
        infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
        starts = [info.header_offset for info in infos] + [archive.start_dir]
        number = [info.filename for info in infos].index(filename)
    return starts[number], starts[number + 1]


def repaired(path: Path) -> RepairedZip:
    """The one ZIP that was repaired; it is sound, and the damaged one was not touched."""
    before = path.read_bytes()
    [result] = repair_archive(zip_path=path).repaired
    assert path.read_bytes() == before
    if result.repaired is not None:
        assert all(
            "no chunk belongs" in problem.reason for problem in verify_archive(zip_path=result.repaired).problems
        )
    return result


def new_zip(result: RepairedZip) -> Path:
    assert result.repaired is not None
    return result.repaired


def ids(path: Path) -> list[str]:
    return sorted(example["id"] for example in iter_examples(path))


def lost(result: RepairedZip) -> dict[str, int | None]:
    return {loss.member: loss.rows for loss in result.lost}
