"""The optional setting CONSOLE, as a typed value with its defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings

SETTING: Final = "CONSOLE"
DEFAULTS: Final[Mapping[str, int]] = {"CACHE_BYTES": 2 * 2**30}

KEYS = frozenset(DEFAULTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSettings:
    """CONSOLE with its defaults; no key is required."""

    cache_bytes: int  # of the chunks that are kept unpacked for the pages of their examples; 0: none is kept


def console_settings() -> ConsoleSettings:
    """CONSOLE as it stands now."""
    raw: Mapping[str, Any] = getattr(settings, SETTING, {})
    return ConsoleSettings(cache_bytes=int(raw.get("CACHE_BYTES", DEFAULTS["CACHE_BYTES"])))
