"""Archives with old and young chunks, a look at where their examples are, and kills at every step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training_archive.conftest import Killed
from training_archive.blob_sweep import sweep_marked_blobs
from training_archive.cold import forgetting, moving, returning, settling, storage
from training_archive.cold.ledger import Ledger
from training_archive.dated_names import archive_zips
from training_archive.reader import iter_examples
from training_archive.shipping.stores.folder import FolderStore
from training_archive.zip_archive import extract_chunk, list_chunks, open_zip

# What a run does, step by step: dying before each of them, and after the last, is dying anywhere.
STEPS: tuple[tuple[Any, str], ...] = (
    *((FolderStore, name) for name in ("stage", "put", "delete", "is_sound")),
    (Ledger, "write"),
    *((moving, name) for name in ("mark_blobs", "rewrite_zip", "remember_part", "remember_change")),
    (moving, "sweep_marked_blobs"),
    *((returning, name) for name in ("restore_blobs", "build_part", "_place", "remember_change")),
    *((forgetting, name) for name in ("rewrite_zip", "build_part", "remember_part", "forget_records")),
    (settling, "remember_part"),
    (storage, "publish_copies"),
)

__all__ = ["STEPS", "cold_ids", "dying_before", "here_ids", "kill_everywhere", "sweep_marked_blobs"]


def here_ids(zip_path: Path) -> list[str]:
    """The examples in the ZIPs that are here."""
    return sorted(each["id"] for each in iter_examples(zip_path)) if archive_zips(zip_path) else []


def cold_ids(folder: Path, scratch: Path) -> list[str]:
    """The examples in all parts that are in the storage's folder, known or not."""
    found: list[str] = []
    for path in folder.rglob("*.cold-*.zip"):
        found += ids_in(path, scratch)
    return sorted(found)


def ids_in(path: Path, scratch: Path) -> list[str]:
    import duckdb

    found: list[str] = []
    with open_zip(path) as archive:
        for member in list_chunks(archive):
            scratch.mkdir(exist_ok=True)
            chunk = extract_chunk(archive, member, scratch)
            with duckdb.connect(str(chunk), read_only=True) as connection:
                found += [row[0] for row in connection.execute("SELECT id FROM examples").fetchall()]
            chunk.unlink()
    return found


@contextmanager
def dying_before(monkeypatch: pytest.MonkeyPatch, step: int) -> Iterator[list[str]]:
    """Within the block the run dies instead of its n-th step; the names of the steps that were made."""
    made: list[str] = []

    def counted(owner: Any, name: str) -> Callable[..., Any]:
        real = getattr(owner, name)

        def act(*args: Any, **options: Any) -> Any:
            if len(made) == step:
                raise Killed
            made.append(name)
            return real(*args, **options)

        return act

    with monkeypatch.context() as patch, suppress(Killed):
        for owner, name in STEPS:
            patch.setattr(owner, name, counted(owner, name))
        yield made


def kill_everywhere(
    monkeypatch: pytest.MonkeyPatch, prepare: Callable[[], None], run: Callable[[], Any], check: Callable[[str], None]
) -> list[str]:
    """Prepare, die before the first step, check; prepare, die before the second; until it comes to its end."""
    step = 0
    while True:
        prepare()
        with dying_before(monkeypatch, step) as made:
            run()
        check(f"before step {step}, after {made[-1:]}")
        if len(made) < step or (len(made) == step and _came_to_its_end(made, step)):
            return made
        step += 1


def _came_to_its_end(made: list[str], step: int) -> bool:
    return False
