"""Which examples an export has to look at: those that no export has judged yet, and those that people judged anew.

There is no watermark that could be wrong. What became of an example is written down for each (ExportedExample), so none
is lost at a seam, on a missed run, or when it arrives late, and none is taken twice. What bounds the work is the index:
without a text being read it says which examples are new, and in which chunks they lie.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Final

from django.db.models import Exists, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Left

from capture_app.duckdb_files import count_rows, scalar
from capture_app.example import RESERVED_KEY
from capture_app.models import ExampleIndex, Feedback, Review
from capture_app.progress import Progress
from continuous_training.exporting.rules import ExportRules
from continuous_training.models import ExportedExample, HeldOutExample
from continuous_training.models.exports import FORGOTTEN
from training_archive.exports.forgotten import leave_out_forgotten
from training_archive.exports.options import ExportOptions
from training_archive.exports.sources import gather
from training_archive.exports.workspace import ALIAS, Workspace
from training_archive.models import ArchivedGeneration

_PAGE: Final = 10_000  # examples that one question to Django's database finds
_PAGES: Final = 10  # in one export: the transaction that notes them keeps others from writing for some seconds
_IDS_AT_ONCE: Final = 900  # in one question; SQLite may be built to take 999 at most
_INDEXED: Final = 200  # characters of a task's name in the index

_SHADOW: Final = "a shadow's answer"
_EXCLUDED: Final = "excluded task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """What one run takes, when a person narrows it. What it passes over is taken by a later one."""

    since: datetime | None = None  # aware; included
    tasks: Sequence[str] = ()  # none named: all
    reconsider: bool = False  # judge anew what earlier runs left out, by the rules as they are now


def find_candidates(
    workspace: Workspace, narrowed: Narrowed, rules: ExportRules, after: str, progress: Progress
) -> str:
    """Fill `wanted` with the next part of what is to be looked at: new ones behind the id `after`, "" at first.

    `wanted`: id, generation, judged_at (when people last judged it; naive, in UTC). `earlier`: id, hash and task of
    those that an export has judged before. Returns the id behind which the next part begins, "" when there is none.
    """
    workspace.execute(f"CREATE TABLE {ALIAS}.wanted (id VARCHAR, generation VARCHAR, judged_at TIMESTAMP)")
    workspace.execute(f"CREATE TABLE {ALIAS}.earlier (id VARCHAR, hash VARCHAR, task VARCHAR)")
    found, last = 0, ""
    for page in islice(_new(narrowed, rules, after), _PAGES):
        progress("looking for new examples", 0, 0)
        _want(workspace, page, may_be_known=narrowed.reconsider)
        found, last = found + len(page), page[-1][0]
    for page in _judged_anew(narrowed, rules) if not after else ():
        progress("looking for what was judged anew", 0, 0)
        _want(workspace, page, may_be_known=True)
    return last if found == _PAGES * _PAGE else ""


def is_any_wanted(workspace: Workspace) -> bool:
    return count_rows(workspace.connection, f"{ALIAS}.wanted") > 0


def read_candidates(
    workspace: Workspace, narrowed: Narrowed, rules: ExportRules, zip_path: Path, progress: Progress
) -> int:
    """Fill `keys` with what is wanted and can be read, and `owners` with whose it is; how many could not be read."""
    gather(
        workspace,
        ExportOptions(format="openai-chat"),
        zip_path,
        progress,
        are_pairs=False,
        condition=f"id IN (SELECT id FROM {ALIAS}.wanted)",
        is_wanted=_wanted_chunks(workspace),
    )
    unread = _unread(workspace)
    _read_facts(workspace)
    leave_out_forgotten(workspace)
    _leave_out_by_facts(workspace, narrowed, rules)
    return unread


def _want(workspace: Workspace, page: list[tuple[str, str]], *, may_be_known: bool) -> None:
    ids = [example_id for example_id, _ in page]
    judged = _judged_at(ids)
    types = ("VARCHAR", "VARCHAR", "TIMESTAMP")
    workspace.insert("wanted", types, [(*each, _naive(judged.get(each[0]))) for each in page])
    for some in _batches(ids) if may_be_known else ():
        known = ExportedExample.objects.filter(pk__in=some).values_list("pk", "pair_hash", "task")
        workspace.insert("earlier", ("VARCHAR", "VARCHAR", "VARCHAR"), list(known))


def _new(narrowed: Narrowed, rules: ExportRules, after: str) -> Iterator[list[tuple[str, str]]]:
    """(id, generation) of all behind this id that no export has judged."""
    judged = ExportedExample.objects.filter(pk=OuterRef("pk"))
    if narrowed.reconsider:
        judged = judged.filter(left_out__in=("", FORGOTTEN))
    held_out = HeldOutExample.objects.filter(pk=OuterRef("pk"))
    rows = _narrowed(ExampleIndex.objects.filter(~Exists(judged), ~Exists(held_out)), narrowed, rules)
    rows = rows.order_by("pk")
    while page := list(rows.filter(pk__gt=after).values_list("pk", "generation")[:_PAGE]):
        yield page
        after = page[-1][0]


def _narrowed(rows: QuerySet[ExampleIndex], narrowed: Narrowed, rules: ExportRules) -> QuerySet[ExampleIndex]:
    """The index may have cut a task's name, or know none that stands in the metadata: then the text decides."""
    if narrowed.since is not None:
        rows = rows.filter(created_at__gte=narrowed.since)
    if narrowed.tasks:
        rows = rows.filter(Q(task__in=[*(task[:_INDEXED] for task in narrowed.tasks), ""]))
    for number, name in enumerate(rules.excluded_tasks):
        if name.endswith("*"):  # `startswith` takes capitals for small letters in SQLite
            head = f"head_{number}"
            rows = rows.alias(**{head: Left("task", len(name) - 1)}).exclude(**{head: name[:-1]})
        else:
            rows = rows.exclude(task=name)
    return rows


# --- What people judged since ----------------------------------------------------------------------------------------


def _judged_anew(narrowed: Narrowed, rules: ExportRules) -> Iterator[list[tuple[str, str]]]:
    """(id, generation) of what was exported, or left out, before people judged it as they do now."""
    for ids in chain(_pages_of_judged(), _pages_of_known()):
        changed = _changed(ids)
        if changed:
            rows = _narrowed(ExampleIndex.objects.filter(pk__in=changed), narrowed, rules)
            yield list(rows.values_list("pk", "generation"))


def _pages_of_judged() -> Iterator[list[str]]:
    """Ids that people said something of that counts; some twice."""
    for rows in (_reviews(), _feedback()):
        name = "pk" if rows.model is Review else "example_id"
        ordered = rows.order_by(name).values_list(name, flat=True).distinct()
        page = list(ordered[:_IDS_AT_ONCE])
        while page:
            yield page
            page = list(ordered.filter(**{f"{name}__gt": page[-1]})[:_IDS_AT_ONCE])


def _pages_of_known() -> Iterator[list[str]]:
    """Ids of examples that had been judged when they were looked at: perhaps what was said is taken back."""
    rows = ExportedExample.objects.exclude(judged_at=None).order_by("pk").values_list("pk", flat=True)
    page = list(rows[:_IDS_AT_ONCE])
    while page:
        yield page
        page = list(rows.filter(pk__gt=page[-1])[:_IDS_AT_ONCE])


def _changed(ids: Sequence[str]) -> list[str]:
    known = ExportedExample.objects.filter(pk__in=ids).exclude(left_out=FORGOTTEN).values_list("pk", "judged_at")
    now = _judged_at(ids)
    return [example_id for example_id, judged_at in known if now.get(example_id) != judged_at]


def _judged_at(ids: Sequence[str]) -> dict[str, datetime]:
    """When people last said something of each that counts; of most, nobody did."""
    found: dict[str, datetime] = {}
    for some in _batches(ids):
        said = _feedback().filter(example_id__in=some).values("example_id").annotate(at=Max("created_at"))
        reviewed = _reviews().filter(pk__in=some).values_list("pk", "reviewed_at")
        for example_id, at in chain(said.values_list("example_id", "at"), reviewed):
            found[example_id] = max(at, found.get(example_id, at))
    return found


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _IDS_AT_ONCE] for start in range(0, len(ids), _IDS_AT_ONCE))


def _reviews() -> QuerySet[Review]:
    return Review.objects.exclude(verdict="", correction="")


def _feedback() -> QuerySet[Feedback]:
    return Feedback.objects.exclude(score=None, correction="").order_by()


def _naive(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment else None


# --- What is known of them before their texts are made lines ---------------------------------------------------------


def _wanted_chunks(workspace: Workspace) -> Callable[[str], bool]:
    """Whether a chunk holds an example that is wanted. First asked when what is live and sealed has been read: so what
    is archived at this time is found, too."""

    @cache
    def names() -> set[str]:
        wanted = f"SELECT DISTINCT generation FROM {ALIAS}.wanted"
        generations = {generation for (generation,) in workspace.rows(wanted)}
        chunks = ArchivedGeneration.objects.values_list("generation", "chunk_id").iterator(chunk_size=_PAGE)
        return {chunk for generation, chunk in chunks if generation in generations}

    return lambda name: name in names()


def _unread(workspace: Workspace) -> int:
    query = f"SELECT count(DISTINCT id) FROM {ALIAS}.wanted WHERE id NOT IN (SELECT id FROM {ALIAS}.keys)"
    return int(scalar(workspace.connection, query))


def _read_facts(workspace: Workspace) -> None:
    """Out of the metadata all at once, for each way into it parses the JSON anew."""
    paths = [f"$.{RESERVED_KEY}.{name}" for name in ("user_id", "conversation_id", "shadow_of")]
    workspace.execute(
        f"CREATE TABLE {ALIAS}.owners AS SELECT row, coalesce(facts[1], '') AS user_id, "
        "coalesce(facts[2], '') AS conversation_id, facts[3] IS NOT NULL AS is_shadow "
        f"FROM (SELECT rowid AS row, metadata->>{paths} AS facts FROM {ALIAS}.examples)"
    )


def _leave_out_by_facts(workspace: Workspace, narrowed: Narrowed, rules: ExportRules) -> None:
    if narrowed.tasks:
        tasks = list(narrowed.tasks)
        workspace.execute(f"DELETE FROM {ALIAS}.keys WHERE NOT list_contains(?::VARCHAR[], task)", [tasks])
    for name in rules.excluded_tasks:
        is_named = "starts_with(task, ?)" if name.endswith("*") else "task = ?"
        workspace.execute(
            f"INSERT INTO {ALIAS}.left_out SELECT row, ? FROM {ALIAS}.alive WHERE {is_named}",
            [_EXCLUDED, name.removesuffix("*")],
        )
    workspace.leave_out(_SHADOW, f"SELECT row FROM {ALIAS}.alive JOIN {ALIAS}.owners USING (row) WHERE is_shadow")
