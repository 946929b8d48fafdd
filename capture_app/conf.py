"""The one setting, TRAINING_CAPTURE, as a typed value.

It is read when first needed and again whenever Django says that a setting changed (as tests do).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed

from capture_app.exceptions import CaptureConfigurationError

SETTING = "TRAINING_CAPTURE"
LIVE_DATABASE_NAME = "llm_training_dataset.duckdb"

DEFAULT_PROVIDERS: Mapping[str, Any] = {
    "openai": {"BACKEND": "capture_app.providers.openai_compatible.OpenAICompatibleProvider"},
    "offline": {"BACKEND": "capture_app.providers.offline.OfflineProvider"},
    "local": {"BACKEND": "capture_app.providers.local_transformers.LocalTransformersProvider"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSettings:
    """TRAINING_CAPTURE with its defaults. Only DATA_DIR must be given."""

    data_dir: Path  # everything Gleaner writes outside Django's database; absolute
    providers: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: DEFAULT_PROVIDERS)
    default_provider: str = "openai"
    default_model: str = ""  # for calls that name no model and match no route
    routes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # task or alias -> PROVIDER, MODEL
    inbox: str = "capture_app.inbox.spool.SpoolInbox"  # dotted path of the Inbox class
    fsync: bool = False  # True: a call returns only when its record is on the disk itself
    segment_bytes: int = 16 * 2**20  # a spool segment is replaced once it is this large
    memory_mb: int = 512  # DuckDB's, in megabytes, while it drains; enormous records get more
    blob_bytes: int = 20 * 2**20  # an image or file larger than this is named in its message, but not kept
    prices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # model -> USD per million tokens
    budgets: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # tasks -> DAY, MONTH in USD; see budgets
    budget_mail: bool = True  # ADMINS are told by mail, too, when a budget is nearly or wholly spent
    redact: str = ""  # dotted path of a function that clears an Example before it is stored
    pseudonym_key: str = ""  # for `pseudonym`; "" takes one made from SECRET_KEY
    memory: str = ""  # dotted path of a function that recalls what a user said before, for call_llm(memory=...)
    memory_seconds: float = 0.5  # that a call waits for it
    user_id: str = ""  # dotted path of a function from a request to a user's id, for the middleware
    spans: bool = True  # OpenTelemetry spans, when opentelemetry is installed and set up
    redis_url: str = ""  # of the Redis that holds the stream of RedisStreamInbox
    redis_stream: str = "gleaner:captures"  # the stream's key

    @property
    def live_database(self) -> Path:
        return self.data_dir / LIVE_DATABASE_NAME


KEYS = frozenset(name.upper() for name in CaptureSettings.__dataclass_fields__)


@cache
def capture_settings() -> CaptureSettings:
    """TRAINING_CAPTURE as it stands now; raises CaptureConfigurationError when it cannot be used at all."""
    raw: Any = getattr(settings, SETTING, {})
    if not isinstance(raw, Mapping):
        raise CaptureConfigurationError(f"{SETTING} is no dict. `manage.py check` has the details.")
    unknown = sorted(set(raw) - KEYS)
    if unknown or "DATA_DIR" not in raw:
        problem = f"has no key {', '.join(unknown)}" if unknown else "needs DATA_DIR, the folder for captured calls"
        raise CaptureConfigurationError(f"{SETTING} {problem}. `manage.py check` has the details.")
    values = {name.lower(): value for name, value in raw.items()}
    return CaptureSettings(**{**values, "data_dir": Path(raw["DATA_DIR"])})


def _forget_settings(*, setting: str, **kwargs: Any) -> None:
    if setting == SETTING:
        capture_settings.cache_clear()


setting_changed.connect(_forget_settings, dispatch_uid="capture_app.conf")
