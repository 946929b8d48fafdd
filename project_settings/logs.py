"""How this project logs: JSON lines, or a readable console, from the standard library's loggers of every package.

The apps call `logging.getLogger(...)` and pass what belongs to an event in `extra=`, such as `example_id`; here each of
these becomes a field of its own.
"""

from typing import Any

import structlog

# They log a line per request, where the provider's answer or error says it all.
_QUIET = ("httpcore", "httpx", "httpx2", "openai")


def logging_config(*, style: str, level: str) -> dict[str, Any]:
    """Django's LOGGING: everything from `level` up on standard error, as `json` or for a `console`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "chosen": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [
                    structlog.stdlib.add_logger_name,
                    structlog.stdlib.add_log_level,
                    structlog.stdlib.ExtraAdder(),
                    structlog.processors.TimeStamper(fmt="iso", utc=True),
                ],
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(style)],
            }
        },
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


def _renderers(style: str) -> list[Any]:
    if style == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    # The plain traceback: the pretty one prints local variables, and with them prompts and keys.
    return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
