"""The optional setting TRAINING_FILES, as a typed value with its defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from capture_app.conf import capture_settings

SETTING: Final = "TRAINING_FILES"
FOLDER: Final = "training_files"  # in the data directory

DEFAULTS: Final[Mapping[str, Any]] = {
    "STORAGE": "",  # alias in STORAGES; "": a folder in the data directory
    "PREFIX": "",  # of the names in the storage
    "CONVERSATIONS_PER_REQUEST": 80,
    "VERTICAL": "general",  # of files whose conversations name none
    "CONSULTANT_PROFILE": {},  # of files whose conversations bring none
    "URL_SECONDS": 3600,  # how long a download's URL is good for
    "ORPHAN_HOURS": 24,  # after which what no version names may be removed
    "ENRICHMENT_TASK": "training_files.enrichment",  # the task by which a route is chosen
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFilesSettings:
    """TRAINING_FILES with its defaults; no key is required."""

    storage: str
    prefix: str
    folder: Path  # where things are kept while `storage` names no alias
    conversations_per_request: int
    vertical: str
    consultant_profile: Mapping[str, Any]
    url_lifetime: timedelta
    orphan_age: timedelta
    enrichment_task: str


def training_files_settings() -> TrainingFilesSettings:
    """TRAINING_FILES as it stands now."""
    raw = {**DEFAULTS, **getattr(settings, SETTING, {})}
    return TrainingFilesSettings(
        storage=raw["STORAGE"],
        prefix=raw["PREFIX"],
        folder=capture_settings().data_dir / FOLDER,
        conversations_per_request=int(raw["CONVERSATIONS_PER_REQUEST"]),
        vertical=raw["VERTICAL"],
        consultant_profile=raw["CONSULTANT_PROFILE"],
        url_lifetime=timedelta(seconds=int(raw["URL_SECONDS"])),
        orphan_age=timedelta(hours=float(raw["ORPHAN_HOURS"])),
        enrichment_task=raw["ENRICHMENT_TASK"],
    )
