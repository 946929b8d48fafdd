"""Counts of what went wrong in this process. A failure is logged when its cause appears, and then only counted."""

import logging
import threading
from collections import Counter

logger = logging.getLogger("capture_app")

_lock = threading.Lock()
_capture_failures: Counter[str] = Counter()
_open_causes: set[str] = set()


def count_capture_failure(error: Exception) -> None:
    """Count a call whose example could not be kept; log its cause unless it is already known to be failing."""
    cause = _cause(error)
    with _lock:
        _capture_failures[cause] += 1
        first = cause not in _open_causes
        _open_causes.add(cause)
    if first:
        logger.error(
            "A call was answered but its example could not be kept (%s). Further ones are counted, not logged.",
            cause,
            exc_info=error,
        )


def count_capture() -> None:
    """Count an example that is in the inbox."""


def count_withheld() -> None:
    """Count an example that could not be redacted."""


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
    with _lock:
        return dict(_capture_failures)


def total() -> int:
    return sum(capture_failures_total().values())


def _cause(error: Exception) -> str:
    root = error.__cause__ or error
    number = f" errno {root.errno}" if isinstance(root, OSError) and root.errno else ""
    return f"{type(root).__name__}{number}"
