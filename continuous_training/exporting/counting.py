"""What one run of the export found, in figures."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from capture_app.duckdb_files import count_rows, scalar
from continuous_training.exporting.outcomes import Treated
from training_archive.exports.workspace import ALIAS, Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Examples, but for what says otherwise."""

    examples: int  # that no export had judged, or that people have judged anew
    pairs: int  # lines that are new among all tasks
    tasks: Mapping[str, int] = field(default_factory=dict)  # lines that are new for each task
    repeated: int = 0  # the same pair, redacted, as another example's
    left_out: Mapping[str, int] = field(default_factory=dict)  # by reason
    withdrawn: int = 0  # pairs that leave the master files, because people judged them away
    unread: int = 0  # that could not be read this time, and wait for the next one
    cut: int = 0  # messages that were too long
    redacted: Mapping[str, int] = field(default_factory=dict)  # values, by kind

    @property
    def is_nothing(self) -> bool:
        """Whether no file changes."""
        return not (self.tasks or self.withdrawn)


def total(parts: Sequence[Counts]) -> Counts:
    """Of a run that exported in several parts."""
    if len(parts) == 1:
        return parts[0]
    sums: dict[str, Any] = {}
    for each in fields(Counts):
        values = [getattr(part, each.name) for part in parts]
        is_number = isinstance(values[0], int)
        sums[each.name] = sum(values) if is_number else dict(sum(map(Counter, values), Counter[str]()).most_common())
    return Counts(**sums)


def count(workspace: Workspace, treated: Treated, unread: int) -> Counts:
    connection = workspace.connection
    with_pair = scalar(connection, f"SELECT count(*) FROM {ALIAS}.outcomes WHERE hash <> ''")
    return Counts(
        examples=count_rows(connection, f"{ALIAS}.outcomes"),
        pairs=scalar(connection, f"SELECT count(*) FROM {ALIAS}.new WHERE is_first"),
        tasks=_counted(workspace, "task", "new"),
        repeated=with_pair - count_rows(connection, f"{ALIAS}.new"),
        left_out=_counted(workspace, "left_out", "outcomes", "hash = ''"),
        withdrawn=scalar(connection, f"SELECT count(DISTINCT hash) FROM {ALIAS}.withdrawn"),
        unread=unread,
        cut=treated.cut,
        redacted=dict(sorted(treated.redacted.items())),
    )


def _counted(workspace: Workspace, column: str, table: str, condition: str = "true") -> dict[str, int]:
    query = f"SELECT {column}, count(*) AS n FROM {ALIAS}.{table} WHERE {condition} GROUP BY {column}"
    return dict(workspace.rows(f"{query} ORDER BY n DESC, {column}"))
