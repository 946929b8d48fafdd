"""Sealed files: live databases that were taken away, and wait to become chunks of the ZIP."""

from pathlib import Path

from capture_app.conf import capture_settings
from training_archive.chunks import CHUNK_SUFFIX, is_chunk_name
from training_archive.conf import SEALED_FOLDER


def sealed_folder() -> Path:
    """Where the configured live database is sealed."""
    return capture_settings().data_dir / SEALED_FOLDER


def sealed_files(folder: Path | None = None) -> list[Path]:
    """What waits in the folder (default: the configured one), oldest first."""
    folder = folder or sealed_folder()
    return sorted(path for path in folder.glob(f"*{CHUNK_SUFFIX}") if is_chunk_name(path.stem))
