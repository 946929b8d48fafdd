"""System checks of TRAINING_ARCHIVE."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from capture_app.checks import TAG
from training_archive.conf import DEFAULT_COMPRESSLEVEL, DEFAULT_LIMITS, KEYS, SETTING

_MOST = 1e15  # what is above it, as infinity is, was not meant
_MOST_TIME = 1e6  # days, hours or minutes


@register(TAG)
def check_archive_settings(**kwargs: Any) -> list[CheckMessage]:
    """All that is wrong at once, ids training_archive.E001 to E006."""
    raw = getattr(settings, SETTING, {})
    if not isinstance(raw, Mapping):
        return [Error(f"{SETTING} is no dict.", hint="Leave it out to take the defaults.", id="training_archive.E001")]
    found: list[CheckMessage] = [
        Error(f"{SETTING} has no key {key!r}.", hint=f"It has {', '.join(sorted(KEYS))}.", id="training_archive.E001")
        for key in sorted(set(raw) - KEYS)
    ]
    if "ZIP_PATH" in raw and not Path(raw["ZIP_PATH"]).is_absolute():
        found.append(
            Error(
                f"{SETTING}['ZIP_PATH'] is the relative path {str(raw['ZIP_PATH'])!r}.",
                hint="Make it absolute (BASE_DIR / ...): beat, cron and shell start in different folders.",
                id="training_archive.E002",
            )
        )
    if raw.get("COMPRESSLEVEL", DEFAULT_COMPRESSLEVEL) not in range(1, 10):
        found.append(
            Error(
                f"{SETTING}['COMPRESSLEVEL'] is {raw['COMPRESSLEVEL']!r}.",
                hint="It is a number from 1 (fast) to 9 (small).",
                id="training_archive.E003",
            )
        )
    found += [
        Error(
            f"{SETTING}[{key!r}] is {raw[key]!r}.",
            hint="It is a number above 0: hours, days, minutes or bytes, as its name says.",
            id="training_archive.E004",
        )
        for key in DEFAULT_LIMITS
        if key in raw and not _is_limit(key, raw[key])
    ]
    return found + _shipping_errors(raw)


def _shipping_errors(raw: Mapping[str, Any]) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for storage, folder in (("SHIP_TO", "SHIP_PREFIX"), ("COLD_STORAGE", "COLD_PREFIX")):
        alias, prefix = raw.get(storage, ""), raw.get(folder, "")
        if alias != "" and (not isinstance(alias, str) or alias not in settings.STORAGES):
            found.append(
                Error(
                    f"{SETTING}[{storage!r}] is {alias!r}, which STORAGES does not have.",
                    hint=f"It has {', '.join(sorted(settings.STORAGES))}. Leave {storage} out to have none.",
                    id="training_archive.E005",
                )
            )
        if not isinstance(prefix, str) or prefix.startswith("/") or {"..", "."} & set(prefix.split("/")):
            found.append(
                Error(
                    f"{SETTING}[{folder!r}] is {prefix!r}.",
                    hint="It is a folder in the storage, such as 'team/archive': without a '/' before it, or a '..' "
                    "in it.",
                    id="training_archive.E006",
                )
            )
    return found


def _is_limit(key: str, value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < (_MOST if key.endswith("BYTES") else _MOST_TIME)
