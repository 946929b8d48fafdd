"""What becomes of each candidate, decided in the workspace: a line to write, or a reason why there is none.

Tables, beside those of the workspace:

    turns     n, row, block           candidates in the order of their lines; a block is what is read at once
    outcomes  n, id, task, left_out, hash, judged_at, user_id, conversation_id
              of every candidate; `hash` is "" for one that was left out
    lines     n, line                 of those that are pairs
    known     hash, task              pairs that earlier exports have taken, among those of `outcomes`
    new       n and task of the outcomes whose lines are written; is_first: whether no task had the pair before
    withdrawn hash, task              pairs that are in master files, and that people have judged away since; task is
              NULL where no task has the pair any more
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from capture_app.duckdb_files import count_rows, scalar
from capture_app.example import COLUMNS
from capture_app.progress import Progress
from continuous_training.exporting.pairs import Candidate, LeftOut, pair_of
from continuous_training.exporting.rules import ExportRules
from continuous_training.models import ExportedExample
from training_archive.exports.workspace import ALIAS, Workspace
from training_archive.exports.writing import example_of

_TOO_LARGE: Final = "larger than a file may be"

# A block is read, and put in order, at once: so many bytes of text or rows, whichever comes first.
_BLOCK_BYTES: Final = 16 * 2**20
_BLOCK_ROWS: Final = 4096
_HASHES_AT_ONCE: Final = 900  # in one question; SQLite may be built to take 999 at most

_MADE: Final = {"n": "BIGINT", "id": "VARCHAR", "task": "VARCHAR", "left_out": "VARCHAR", "hash": "VARCHAR"}


@dataclass(slots=True)
class Treated:
    """What was done to the texts."""

    cut: int = 0  # messages
    redacted: Counter[str] = field(default_factory=Counter)  # by kind


def decide(workspace: Workspace, rules: ExportRules, progress: Progress) -> Treated:
    """Fill the tables. Bounded memory: texts go from one table to the other a block at a time."""
    _put_in_order(workspace, rules)
    columns = ", ".join(f"{name} {kind}" for name, kind in _MADE.items())
    workspace.execute(f"CREATE TABLE {ALIAS}.made ({columns})")
    workspace.execute(f"CREATE TABLE {ALIAS}.lines (n BIGINT, line BLOB)")
    treated = _make_lines(workspace, rules, progress)
    _join_outcomes(workspace)
    _look_up_known(workspace, progress)
    _withdraw(workspace)
    return treated


def _put_in_order(workspace: Workspace, rules: ExportRules) -> None:
    """By group in the order in which each began, and by time within it."""
    group = ", ".join([*(f"nullif({name}, '')" for name in rules.group_by), "id"])
    weight = f"greatest(bytes, {_BLOCK_BYTES // _BLOCK_ROWS})"
    workspace.execute(
        f"CREATE TABLE {ALIAS}.grouped AS SELECT row, id, created_at, bytes, md5(coalesce({group})) AS grouped "
        f"FROM {ALIAS}.alive JOIN {ALIAS}.owners USING (row)"
    )
    workspace.execute(
        f"CREATE TABLE {ALIAS}.turns AS SELECT n, row, "
        f"((sum({weight}) OVER (ORDER BY n ROWS UNBOUNDED PRECEDING) - {weight}) // {_BLOCK_BYTES})::BIGINT AS block "
        "FROM (SELECT *, row_number() OVER (ORDER BY began NULLS FIRST, grouped, created_at NULLS FIRST, id) - 1 AS n "
        f"FROM (SELECT *, min(created_at) OVER (PARTITION BY grouped) AS began FROM {ALIAS}.grouped))"
    )


def _make_lines(workspace: Workspace, rules: ExportRules, progress: Progress) -> Treated:
    treated, done = Treated(), 0
    total = count_rows(workspace.connection, f"{ALIAS}.turns")
    for block in _blocks(workspace):
        for batch in block:
            _insert(workspace, [_made(n, candidate, rules, treated) for n, candidate in batch])
            done += len(batch)
            progress("making pairs", done, total)
    return treated


def _blocks(workspace: Workspace) -> Iterator[Iterator[list[tuple[int, Candidate]]]]:
    columns = ", ".join(f"e.{name}" for name in COLUMNS)
    query = (
        f"SELECT t.n, e.label, e.rating, e.corrected, {columns} FROM (FROM {ALIAS}.turns WHERE block = ?) AS t "
        f"JOIN {ALIAS}.examples AS e ON e.rowid = t.row ORDER BY t.n"
    )
    last = scalar(workspace.connection, f"SELECT coalesce(max(block), -1) FROM {ALIAS}.turns")
    for block in range(last + 1):
        yield ([_candidate(row) for row in batch] for batch in workspace.batches(query, [block]))


def _candidate(row: Sequence[Any]) -> tuple[int, Candidate]:
    n, task, rating, is_corrected, *columns = row
    example = example_of(columns)
    return n, Candidate(example["id"], task, rating, is_corrected, example)


def _made(n: int, candidate: Candidate, rules: ExportRules, treated: Treated) -> tuple[Any, ...]:
    """Columns of `made`, and the line."""
    try:
        pair = pair_of(candidate, rules.of(candidate.task))
        if len(pair.line) > rules.max_file_bytes:
            raise LeftOut(_TOO_LARGE)
    except LeftOut as reason:
        return n, candidate.id, candidate.task, str(reason), "", None
    treated.cut += pair.cut
    treated.redacted.update(pair.redacted)
    return n, candidate.id, candidate.task, "", pair.hash, pair.line


def _insert(workspace: Workspace, rows: Sequence[Sequence[Any]]) -> None:
    workspace.insert("made", tuple(_MADE.values()), [row[:-1] for row in rows])
    workspace.insert("lines", ("BIGINT", "BLOB"), [(row[0], row[-1]) for row in rows if row[-1] is not None])


def _join_outcomes(workspace: Workspace) -> None:
    """With those that were left out before, and with what is noted of all."""
    workspace.execute(
        f"CREATE TABLE {ALIAS}.outcomes AS SELECT o.*, judged_at, user_id, conversation_id FROM ("
        f"FROM {ALIAS}.made UNION ALL SELECT NULL, id, task, min(reason), '' "
        f"FROM {ALIAS}.left_out JOIN {ALIAS}.keys USING (row) GROUP BY id, task) AS o "
        f"JOIN {ALIAS}.keys USING (id) JOIN {ALIAS}.owners USING (row) "
        f"LEFT JOIN (SELECT id, max(judged_at) AS judged_at FROM {ALIAS}.wanted GROUP BY id) USING (id)"
    )


def _look_up_known(workspace: Workspace, progress: Progress) -> None:
    """Which of the pairs are in files already. Of those that are new, the first of each is written."""
    workspace.execute(f"CREATE TABLE {ALIAS}.known (hash VARCHAR, task VARCHAR)")
    progress("looking for pairs that were exported before", 0, 0)
    hashes: list[str] = []
    for (pair_hash,) in workspace.rows(f"SELECT DISTINCT hash FROM {ALIAS}.outcomes WHERE hash <> ''"):
        hashes.append(pair_hash)
        if len(hashes) == _HASHES_AT_ONCE:
            _add_known(workspace, hashes)
            hashes = []
    _add_known(workspace, hashes)
    workspace.execute(
        f"CREATE TABLE {ALIAS}.new AS SELECT n, task, row_number() OVER (PARTITION BY hash ORDER BY n) = 1 AND "
        f"hash NOT IN (SELECT hash FROM {ALIAS}.known) AS is_first FROM {ALIAS}.outcomes "
        f"WHERE hash <> '' AND (hash, task) NOT IN (SELECT (hash, task) FROM {ALIAS}.known) "
        "QUALIFY row_number() OVER (PARTITION BY hash, task ORDER BY n) = 1"
    )


def _add_known(workspace: Workspace, hashes: Sequence[str]) -> None:
    rows = ExportedExample.objects.filter(left_out="", pair_hash__in=hashes).values_list("pair_hash", "task")
    workspace.insert("known", ("VARCHAR", "VARCHAR"), list(rows.distinct()))


def _withdraw(workspace: Workspace) -> None:
    """What an example was exported as before, and is no more: unless another example says the same."""
    workspace.execute(f"CREATE TABLE {ALIAS}.withdrawn (hash VARCHAR, task VARCHAR)")
    if not count_rows(workspace.connection, f"{ALIAS}.earlier"):
        return
    workspace.execute(
        f"CREATE TABLE {ALIAS}.gone AS SELECT DISTINCT e.hash, e.task FROM {ALIAS}.earlier AS e "
        f"JOIN {ALIAS}.outcomes AS o USING (id) WHERE e.hash NOT IN ('', o.hash)"
    )
    _find_holders(workspace)
    workspace.execute(
        f"INSERT INTO {ALIAS}.withdrawn SELECT hash, task FROM {ALIAS}.gone "
        f"WHERE (hash, task) NOT IN (SELECT (hash, task) FROM {ALIAS}.holders) UNION ALL "
        f"SELECT DISTINCT hash, NULL FROM {ALIAS}.gone WHERE hash NOT IN (SELECT hash FROM {ALIAS}.holders)"
    )


def _find_holders(workspace: Workspace) -> None:
    """The table `holders`: the examples, by what they are from now on, that stand for a pair which is gone."""
    workspace.execute(f"CREATE TABLE {ALIAS}.holders (id VARCHAR, hash VARCHAR, task VARCHAR)")
    gone = [pair_hash for (pair_hash,) in workspace.rows(f"SELECT DISTINCT hash FROM {ALIAS}.gone")]
    for start in range(0, len(gone), _HASHES_AT_ONCE):
        some = gone[start : start + _HASHES_AT_ONCE]
        rows = ExportedExample.objects.filter(left_out="", pair_hash__in=some).values_list("pk", "pair_hash", "task")
        workspace.insert("holders", ("VARCHAR", "VARCHAR", "VARCHAR"), list(rows))
    workspace.execute(f"DELETE FROM {ALIAS}.holders WHERE id IN (SELECT id FROM {ALIAS}.outcomes)")
    workspace.execute(f"INSERT INTO {ALIAS}.holders SELECT id, hash, task FROM {ALIAS}.outcomes WHERE hash <> ''")
