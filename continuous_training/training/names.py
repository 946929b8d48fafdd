"""How runs are named: `<task>_<YYYY>w<WW>-<six hex digits>`, by the ISO week in UTC."""

import re
import secrets
from datetime import UTC, datetime
from typing import Final

_TASK_CHARACTERS: Final = 40  # so that the name fits into the 64 that services allow a suffix


def new_run_id(task: str, now: datetime) -> str:
    """A name that is a file's, a suffix's and a part of a URL, whatever the task is called."""
    year, week, _ = now.astimezone(UTC).isocalendar()
    plain = re.sub(r"[^a-z0-9_]+", "-", task.lower())[:_TASK_CHARACTERS].strip("-_") or "task"
    return f"{plain}_{year}w{week:02d}-{secrets.token_hex(3)}"
