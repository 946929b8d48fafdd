"""The optional setting TRAINING_ARCHIVE, as a typed value with its defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from capture_app.conf import capture_settings

SETTING: Final = "TRAINING_ARCHIVE"
ZIP_NAME: Final = "llm_training_dataset.zip"
DEFAULT_COMPRESSLEVEL: Final = 9

KEYS = frozenset({"ZIP_PATH", "COMPRESSLEVEL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSettings:
    """TRAINING_ARCHIVE with its defaults; no key is required."""

    zip_path: Path  # default: beside the live database
    compresslevel: int  # 1 (fast) to 9 (small)


def archive_settings() -> ArchiveSettings:
    """TRAINING_ARCHIVE as it stands now."""
    raw: Mapping[str, Any] = getattr(settings, SETTING, {})
    return ArchiveSettings(
        zip_path=Path(raw.get("ZIP_PATH", capture_settings().data_dir / ZIP_NAME)),
        compresslevel=raw.get("COMPRESSLEVEL", DEFAULT_COMPRESSLEVEL),
    )
