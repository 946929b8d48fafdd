"""Numbers that come with an address. What is none counts as not given."""

import math
import re
from typing import Final

_WHOLE: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


def whole(text: str | None) -> int | None:
    return int(text) if text and _WHOLE.fullmatch(text) else None


def decimal(text: str | None) -> float | None:
    """A finite one."""
    try:
        found = float(text or "")
    except ValueError:
        return None
    return found if math.isfinite(found) else None
