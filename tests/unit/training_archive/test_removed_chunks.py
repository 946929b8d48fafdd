"""What pruning and forgetting note for shipping."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from training_archive.chunks import PREFIX
from training_archive.removed_chunks import forget_noted, note_removed_chunks, removed_chunks

pytestmark = pytest.mark.usefixtures("data_dir")


def test_notes_add_up_and_leave_no_file_when_all_is_told(data_dir: Path) -> None:
    note_removed_chunks([f"{PREFIX}0000"])
    note_removed_chunks([f"{PREFIX}0001", f"{PREFIX}0000"])
    note_removed_chunks([])
    assert removed_chunks() == {f"{PREFIX}0000", f"{PREFIX}0001"}

    forget_noted([f"{PREFIX}0000"])
    assert removed_chunks() == {f"{PREFIX}0001"}
    forget_noted([f"{PREFIX}0001", f"{PREFIX}0002"])

    assert not (data_dir / "removed_chunks.json").exists()


def test_notes_of_several_runs_at_once_are_all_kept() -> None:
    names = [f"{PREFIX}{number:04d}" for number in range(40)]
    note_removed_chunks(names[:20])

    with ThreadPoolExecutor(4) as pool:
        noting = [pool.submit(note_removed_chunks, [name]) for name in names[20:]]
        forgetting = [pool.submit(forget_noted, [name]) for name in names[:20]]
    for done in [*noting, *forgetting]:
        done.result()

    assert removed_chunks() == set(names[20:])
