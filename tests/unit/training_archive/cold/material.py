"""A look at where examples are, and kills at every step."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.unit.training_archive.conftest import Killed
from training_archive.cold import forgetting, moving, returning, settling, storage
from training_archive.cold.ledger import Ledger
from training_archive.dated_names import archive_zips
from training_archive.reader import iter_examples
from training_archive.shipping.stores.folder import FolderStore
from training_archive.zip_archive import extract_chunk, list_chunks, open_zip

# What runs do, step by step: dying before each of them, and after the last, is dying anywhere.
STEPS: tuple[tuple[Any, str], ...] = (
    *((FolderStore, name) for name in ("stage", "put", "delete", "is_sound")),
    (Ledger, "write"),
    (storage, "publish_copies"),
    *((moving, name) for name in ("publish_copies", "mark_blobs", "rewrite_zip", "remember_part", "remember_change")),
    (moving, "sweep_marked_blobs"),
    *((returning, name) for name in ("restore_blobs", "build_part", "_place", "remember_change")),
    *((forgetting, name) for name in ("rewrite_zip", "build_part", "remember_part", "forget_records")),
    (settling, "remember_part"),
)


def here_ids(zip_path: Path) -> list[str]:
    """The examples in the ZIPs that are here."""
    return sorted(each["id"] for each in iter_examples(zip_path)) if archive_zips(zip_path) else []


def cold_ids(folder: Path) -> list[str]:
    """The examples in everything that the storage's folder has, known or not."""
    return sorted(example_id for path in folder.rglob("*.cold-*.zip") for example_id in _ids_in(path))


def _ids_in(path: Path) -> list[str]:
    found: list[str] = []
    with open_zip(path) as archive:
        for member in list_chunks(archive):
            chunk = extract_chunk(archive, member, path.parent)
            found += ids_of(chunk)
            chunk.unlink()
    return found


def ids_of(chunk: Path) -> list[str]:
    with duckdb.connect(str(chunk), read_only=True) as connection:
        return [example_id for (example_id,) in connection.execute("SELECT id FROM examples").fetchall()]


def killed_before(monkeypatch: pytest.MonkeyPatch, step: int, run: Callable[[], Any]) -> bool:
    """Run, and die instead of the n-th step, from 0 on; whether it died."""
    made = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def act(*args: Any, **options: Any) -> Any:
            nonlocal made
            if made == step:
                raise Killed
            made += 1
            return real(*args, **options)

        return act

    with monkeypatch.context() as patch, suppress(Killed):
        for owner, name in STEPS:
            patch.setattr(owner, name, counted(getattr(owner, name)))
        run()
        return False
    return True
