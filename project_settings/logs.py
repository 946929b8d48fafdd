"""How this project logs: JSON lines, or a readable console, from the standard library's loggers of every package.

The apps call `logging.getLogger(...)` and pass what belongs to an event in `extra=`, such as `example_id`; here each of
these becomes a field of its own.
"""

import logging
from functools import cached_property
from typing import Any

# They log a line per request, where the provider's answer or error says it all.
_QUIET = ("httpcore", "httpx", "httpx2", "openai")


def logging_config(*, style: str, level: str) -> dict[str, Any]:
    """Django's LOGGING: everything from `level` up on standard error, as `json` or for a `console`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"chosen": {"()": StructlogFormatter, "style": style}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "chosen"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            **{name: {"level": "WARNING"} for name in _QUIET},
            # These bring handlers of their own; all shall come out of the one above.
            "django": {"handlers": []},
            "gunicorn.error": {"handlers": [], "propagate": True},
            "gunicorn.access": {"handlers": [], "propagate": True, "level": "WARNING"},  # a proxy keeps that log
        },
    }


class StructlogFormatter(logging.Formatter):
    """structlog's own, made for the first record: most commands log nothing, and need not wait for its import."""

    def __init__(self, *, style: str) -> None:
        super().__init__()
        self._chosen = style

    def format(self, record: logging.LogRecord) -> str:
        return self._formatter.format(record)

    @cached_property
    def _formatter(self) -> logging.Formatter:
        from structlog import dev, processors, stdlib

        renderers: list[Any]
        if self._chosen == "json":
            renderers = [processors.format_exc_info, processors.JSONRenderer()]
        else:  # the plain traceback: the pretty one prints local variables, and with them prompts and keys
            renderers = [dev.ConsoleRenderer(exception_formatter=dev.plain_traceback)]
        return stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                stdlib.add_logger_name,
                stdlib.add_log_level,
                stdlib.ExtraAdder(),
                processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
