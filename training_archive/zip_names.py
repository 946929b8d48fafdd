"""Names of members, which come from anywhere: which may be kept as file names, and how any of them may be printed."""

from typing import Final

from training_archive.chunks import CHUNK_SUFFIX, PREFIX

_LONGEST: Final = 200  # bytes; file systems take 255


def is_plain_name(name: str) -> bool:
    """Whether a file of another kind may bear the name: it leads nowhere else, hides nothing, and comes near no chunk.

    DuckDB would replay a `.wal` beside an unzipped chunk.
    """
    ours = name.casefold().startswith(PREFIX) or name.casefold().endswith((CHUNK_SUFFIX, ".wal"))
    leads_elsewhere = name in ("", ".", "..") or any(sign in name for sign in '/\\:*?"<>|')
    return not ours and not leads_elsewhere and name.isprintable() and len(name.encode()) <= _LONGEST


def shown(name: str) -> str:
    """A member's name as it may be printed: nothing in it moves the cursor, turns the line round or floods it."""
    safe = name if name.isprintable() else ascii(name)[1:-1]
    return safe if len(safe) <= _LONGEST else f"{safe[:_LONGEST]}... ({len(name)} characters)"
