"""What capture counts: calls kept, calls lost by cause, examples withheld, calls whose memory failed.

A failure is logged when its cause appears, and then only counted. Nothing here imports prometheus_client: that costs
tens of milliseconds, and only /metrics needs it (see exposition.py).
"""

import logging
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from django.core.signals import setting_changed

from capture_app.conf import SETTING, capture_settings
from capture_app.counters import FOLDER, Counters, sum_counts

logger = logging.getLogger("capture_app")

# Names in the files of counters.py; they stay as they are, for old files are read too.
_CAPTURED: Final = "captured"
_WITHHELD: Final = "withheld"
_FAILED: Final = "failed "  # and the cause
_FORGETFUL: Final = "memory_failed"

_CAUSE_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class CaptureCounts:
    """What all processes of this host have counted since the first of them."""

    captured: int = 0  # examples that drains have put into the live database
    withheld: int = 0  # examples that could not be redacted
    failures: dict[str, int] = field(default_factory=dict)  # by cause: answered calls whose example was not kept
    memory_failures: int = 0  # calls made without memory, for recalling failed or took too long


def _folder() -> Path:
    return capture_settings().data_dir / FOLDER


_counters = Counters(_folder)
_lock = threading.RLock()  # reentrant as that of Counters, and for the same reason
_open_causes: set[str] = set()


def count_captures(number: int) -> None:
    """Count examples that a drain has put into the live database.

    Not where the call is recorded: a count that survives the process costs a microsecond and a half, and a call none.
    """
    _counters.add(_CAPTURED, number)


def count_withheld() -> None:
    """Count an example that could not be redacted, and went to quarantine."""
    _counters.add(_WITHHELD)


def count_memory_failure() -> None:
    """Count a call that was made without the memory that it asked for."""
    _counters.add(_FORGETFUL)


def count_capture_failure(error: Exception) -> None:
    """Count a call whose example could not be kept; log its cause unless it is already known to be failing."""
    cause = _cause(error)
    _counters.add(_FAILED + cause)
    with _lock:
        first = cause not in _open_causes
        _open_causes.add(cause)
    if first:
        logger.error(
            "A call was answered but its example could not be kept (%s). Further ones are counted, not logged.",
            cause,
            exc_info=error,
        )


def note_capture_success() -> None:
    """After failures, say once that capture works again, so that a new outage is logged anew."""
    if not _open_causes:
        return
    with _lock:
        causes = sorted(_open_causes)
        _open_causes.clear()
    if causes:
        logger.warning("Capture works again after: %s. In all, %d examples were not kept.", ", ".join(causes), total())


def capture_failures_total() -> dict[str, int]:
    """Examples that this process could not keep, by cause."""
    return _counts(_counters.own()).failures


def total() -> int:
    return sum(capture_failures_total().values())


def capture_counts() -> CaptureCounts:
    """What all processes of this host have counted, the dead ones included. Takes no lock. Raises OSError."""
    return _counts(sum_counts(_folder()))


def _counts(by_name: dict[str, int]) -> CaptureCounts:
    return CaptureCounts(
        captured=by_name.get(_CAPTURED, 0),
        withheld=by_name.get(_WITHHELD, 0),
        failures={name.removeprefix(_FAILED): n for name, n in by_name.items() if name.startswith(_FAILED)},
        memory_failures=by_name.get(_FORGETFUL, 0),
    )


def _cause(error: Exception) -> str:
    root = error.__cause__ or error
    number = f" errno {root.errno}" if isinstance(root, OSError) and root.errno else ""
    name = type(root).__name__.encode("ascii", "backslashreplace").decode()
    return f"{name[:_CAUSE_CHARACTERS]}{number}"


def _start_anew() -> None:
    """In a forked child, whose parent goes on with its own counts."""
    global _lock
    _lock = threading.RLock()
    _open_causes.clear()
    _counters.start_anew()


def _follow_setting(*, setting: str, **kwargs: Any) -> None:
    if setting == SETTING:
        _start_anew()


os.register_at_fork(after_in_child=_start_anew)
setting_changed.connect(_follow_setting, dispatch_uid="capture_app.metrics")
