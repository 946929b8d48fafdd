"""What must not be split: the examples of one conversation, and all that have a prompt in common with one of them.

So no prompt is trained on in one split and asked in another, though it was asked in several conversations. A prompt
that most conversations share makes one large unit of them; where that is not wanted, leave out duplicates.
"""

from array import array
from collections.abc import Iterable, Sequence

from capture_app.duckdb_files import count_rows
from training_archive.exports.workspace import ALIAS, Workspace


def join_units(workspace: Workspace) -> None:
    """Give those units in `keys` the same name, the smallest, that have a prompt in common among what is alive."""
    workspace.execute(
        f"CREATE TABLE {ALIAS}.links AS SELECT DISTINCT unit, prompt FROM {ALIAS}.alive WHERE prompt IN "
        f"(SELECT prompt FROM {ALIAS}.alive GROUP BY prompt HAVING min(unit) <> max(unit))"
    )
    workspace.execute(
        f"CREATE TABLE {ALIAS}.linked AS SELECT unit, row_number() OVER (ORDER BY unit) - 1 AS n "
        f"FROM (SELECT DISTINCT unit FROM {ALIAS}.links)"
    )
    count = count_rows(workspace.connection, f"{ALIAS}.linked")
    pairs = workspace.rows(
        f"SELECT n, min(n) OVER (PARTITION BY prompt) FROM {ALIAS}.links JOIN {ALIAS}.linked USING (unit)"
    )
    smallest = _smallest_joined(pairs, count)
    workspace.execute(f"CREATE TABLE {ALIAS}.joined (n BIGINT, smallest BIGINT)")
    workspace.insert("joined", ("BIGINT", "BIGINT"), enumerate(smallest))
    workspace.execute(
        f"UPDATE {ALIAS}.keys SET unit = renamed.name FROM (SELECT mine.unit AS unit, theirs.unit AS name "
        f"FROM {ALIAS}.joined JOIN {ALIAS}.linked AS mine ON mine.n = joined.n "
        f"JOIN {ALIAS}.linked AS theirs ON theirs.n = smallest WHERE joined.n <> smallest) AS renamed "
        "WHERE keys.unit = renamed.unit"
    )


def _smallest_joined(pairs: Iterable[tuple[int, int]], count: int) -> Sequence[int]:
    """For each of `count` numbers the smallest that `pairs` join it with, directly or through others: union-find."""
    parents = array("q", range(count))  # eight bytes each; never larger than the number itself

    def root(number: int) -> int:
        while (parent := parents[number]) != number:
            parents[number] = parents[parent]
            number = parent
        return number

    for one, other in pairs:
        lower, higher = sorted((root(one), root(other)))
        parents[higher] = lower
    for number in range(count):
        parents[number] = root(number)
    return parents
