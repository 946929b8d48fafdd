"""Stage 5 of an export: what becomes a record, in the order in which it is written.

An item is an example or, for the preference formats, two answers to one question. The table `items`: n (position), row,
rejected (a row, NULL for an example), task, domain, unit, block. Items are in the order of time, then of id, whatever
file they came from, so that the same examples always make the same data set.
"""

from typing import Final

from training_archive.exports.duplicates import BEST_FIRST
from training_archive.exports.workspace import ALIAS, Workspace

UNPAIRED: Final = "no other answer to pair with"

# A block is what is fetched, and put in order, at once: so many bytes of text or rows, whichever comes first.
_BLOCK_BYTES: Final = 24 * 2**20
_BLOCK_ROWS: Final = 8192

_POSITION = "row_number() OVER (ORDER BY created_at NULLS FIRST, id, rejected) - 1"


def make_items(workspace: Workspace) -> None:
    """Every example is one."""
    _make(
        workspace,
        f"SELECT row, NULL::BIGINT AS rejected, unit, bytes AS size, created_at, id, task, domain FROM {ALIAS}.alive",
    )


def make_pairs(workspace: Workspace, *, min_rating: float | None) -> None:
    """The corrected answer against the model's own; and the best rated answer to a question against each worse rated.

    A chosen answer needs `min_rating`; a correction is a person's answer, and needs none.
    """
    workspace.execute(
        f"CREATE TABLE {ALIAS}.pairs AS SELECT row AS chosen, row AS rejected FROM {ALIAS}.alive WHERE corrected"
    )
    workspace.execute(
        f"INSERT INTO {ALIAS}.pairs WITH rated AS (FROM {ALIAS}.alive WHERE usable AND rating IS NOT NULL), "
        "best AS (FROM rated QUALIFY "
        f"row_number() OVER (PARTITION BY question ORDER BY rating DESC, {BEST_FIRST}) = 1) "
        "SELECT best.row, rated.row FROM best JOIN rated USING (question) "
        "WHERE rated.rating < best.rating AND rated.answer <> best.answer AND best.rating >= ?",
        [float("-inf") if min_rating is None else min_rating],
    )
    _make(
        workspace,
        "SELECT chosen AS row, rejected, c.unit, c.bytes + r.bytes AS size, c.created_at, c.id, c.task, c.domain "
        f"FROM {ALIAS}.pairs "
        f"JOIN {ALIAS}.keys AS c ON c.row = chosen JOIN {ALIAS}.keys AS r ON r.row = rejected",
    )
    workspace.leave_out(
        UNPAIRED,
        f"SELECT row FROM {ALIAS}.alive WHERE row NOT IN (SELECT chosen FROM {ALIAS}.pairs) "
        f"AND row NOT IN (SELECT rejected FROM {ALIAS}.pairs)",
    )


def _make(workspace: Workspace, candidates: str) -> None:
    weight = f"greatest(size, {_BLOCK_BYTES // _BLOCK_ROWS})"
    workspace.execute(
        f"CREATE TABLE {ALIAS}.items AS SELECT n, row, rejected, task, domain, unit, "
        f"((sum({weight}) OVER (ORDER BY n ROWS UNBOUNDED PRECEDING) - {weight}) // {_BLOCK_BYTES})::BIGINT AS block "
        f"FROM (SELECT *, {_POSITION} AS n FROM ({candidates}))"
    )
