"""Logging for what may happen at each call, and shall not fill a log."""

import logging
from functools import lru_cache


def log_once(logger: logging.Logger, message: str, error: Exception) -> None:
    """Log an error the first time that this process meets its kind under this message."""
    _log(logger, message, type(error).__name__)


@lru_cache(maxsize=256)
def _log(logger: logging.Logger, message: str, kind: str) -> None:
    logger.error("%s (%s). This is said once.", message, kind)
