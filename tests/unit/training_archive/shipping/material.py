"""Archives and blobs to ship, and a look at what was shipped."""

import hashlib
import json
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from capture_app.blobs import Blob, blob_path, store_blobs
from tests.unit.training_archive.conftest import Killed
from tests.unit.training_archive.material import row, write_chunk
from training_archive.archive_set import read_sidecars
from training_archive.chunks import PREFIX
from training_archive.reader import iter_examples
from training_archive.removed_blobs import note_removed_blobs
from training_archive.removed_chunks import removing
from training_archive.shipping.service import ship_archive
from training_archive.shipping.stores.folder import FolderStore
from training_archive.zip_writer import append_chunk, rewrite_zip

MANIFEST = "llm_training_dataset.manifest.json"
ACTIVE = "llm_training_dataset.zip"
DATED = "llm_training_dataset-20261121.zip"


def add_chunk(zip_path: Path, number: int, ids: Iterable[str], **values: Any) -> None:
    """Append a chunk with one example for each id; its name is the number's."""
    with tempfile.TemporaryDirectory() as folder:
        chunk = Path(folder) / f"{PREFIX}{number:04d}.duckdb"
        sidecar = write_chunk(chunk, [row(example_id, **values) for example_id in ids])
        append_chunk(zip_path, chunk, sidecar, compresslevel=1)


def prune(zip_path: Path) -> None:
    """Remove all chunks of the ZIP on purpose, and so the ZIP, as pruning does."""
    sidecars = read_sidecars(zip_path)
    with removing(zip_path.with_name(ACTIVE), zip_path, sidecars):
        rewrite_zip(zip_path, dict.fromkeys(sidecar.chunk for sidecar in sidecars), compresslevel=1)


def add_blob(data_dir: Path, content: bytes) -> str:
    """Store a blob as a capture does; its path below the data directory."""
    blob = Blob(hashlib.sha256(content).hexdigest(), "image/png", content)
    store_blobs(data_dir, [blob])
    return str(blob_path(data_dir, blob.sha256).relative_to(data_dir))


def remove_blob(data_dir: Path, name: str) -> None:
    """Remove a blob on purpose, as a sweep does."""
    (data_dir / name).unlink()
    note_removed_blobs(data_dir, [Path(name).name])


def remove_all_blobs(data_dir: Path) -> None:
    for name in blobs_in(data_dir):
        remove_blob(data_dir, name)


def manifest_in(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    return found


def change_manifest(folder: Path, **values: Any) -> None:
    (folder / MANIFEST).write_text(json.dumps({**manifest_in(folder), **values}))


def zips_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.zip")}


def blobs_in(folder: Path) -> dict[str, bytes]:
    """By their path below the folder."""
    found = (path for path in folder.glob("blobs/??/*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def examples_in(zip_path: Path) -> list[str]:
    """Their ids, of the whole archive."""
    return sorted(example["id"] for example in iter_examples(zip_path))


def flip_byte(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0xFF
    path.write_bytes(content)


def killed_ship(monkeypatch: pytest.MonkeyPatch, method: str, call: int) -> None:
    """Ship, and die instead of the store's n-th call of that method."""
    calls = 0
    real = getattr(FolderStore, method)

    def die(self: FolderStore, *args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise Killed
        return real(self, *args, **options)

    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(FolderStore, method, die)
        ship_archive()
