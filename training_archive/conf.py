"""The optional setting TRAINING_ARCHIVE, as a typed value with its defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from capture_app.conf import capture_settings

SETTING: Final = "TRAINING_ARCHIVE"
ZIP_NAME: Final = "llm_training_dataset.zip"
SEALED_FOLDER: Final = "sealed"  # beside the live database
DEFAULT_COMPRESSLEVEL: Final = 9

# What the freshness check allows, how far a ZIP may grow, and when chunks go to cold storage.
DEFAULT_LIMITS: Final[Mapping[str, float]] = {
    "MAX_AGE_HOURS": 26,  # a day, and time for a long run
    "MAX_INBOX_MINUTES": 15,  # drains run each minute
    "MAX_INBOX_BYTES": 2**30,
    "ROLL_BYTES": 2**31,  # each append copies the ZIP
    "ROLL_DAYS": 366,
    "COLD_AFTER_DAYS": 183,  # half a year
}

KEYS = frozenset(
    {"ZIP_PATH", "COMPRESSLEVEL", "SHIP_TO", "SHIP_PREFIX", "COLD_STORAGE", "COLD_PREFIX", *DEFAULT_LIMITS}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSettings:
    """TRAINING_ARCHIVE with its defaults; no key is required."""

    zip_path: Path  # default: beside the live database
    compresslevel: int  # 1 (fast) to 9 (small)
    max_age: timedelta  # of the last archive run that succeeded, while something waits for one
    max_inbox_age: timedelta  # of the record that waits longest in the inbox
    max_inbox_bytes: int
    roll_bytes: int  # a ZIP that would become larger is rolled over
    roll_age: timedelta  # so is one whose first chunk is older
    ship_to: str  # alias in STORAGES of the storage that gets a copy; "": none
    ship_prefix: str  # of the names there: a folder in it
    cold_storage: str  # alias in STORAGES of the storage that old chunks move to; "": they stay
    cold_prefix: str  # as ship_prefix
    cold_after: timedelta  # the age at which the monthly run moves them


def archive_settings() -> ArchiveSettings:
    """TRAINING_ARCHIVE as it stands now."""
    raw: Mapping[str, Any] = getattr(settings, SETTING, {})
    limits = {key: raw.get(key, default) for key, default in DEFAULT_LIMITS.items()}
    return ArchiveSettings(
        zip_path=Path(raw.get("ZIP_PATH", capture_settings().data_dir / ZIP_NAME)),
        compresslevel=raw.get("COMPRESSLEVEL", DEFAULT_COMPRESSLEVEL),
        max_age=timedelta(hours=limits["MAX_AGE_HOURS"]),
        max_inbox_age=timedelta(minutes=limits["MAX_INBOX_MINUTES"]),
        max_inbox_bytes=int(limits["MAX_INBOX_BYTES"]),
        roll_bytes=int(limits["ROLL_BYTES"]),
        roll_age=timedelta(days=limits["ROLL_DAYS"]),
        ship_to=raw.get("SHIP_TO", ""),
        ship_prefix=raw.get("SHIP_PREFIX", ""),
        cold_storage=raw.get("COLD_STORAGE", ""),
        cold_prefix=raw.get("COLD_PREFIX", ""),
        cold_after=timedelta(days=limits["COLD_AFTER_DAYS"]),
    )
