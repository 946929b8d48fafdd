"""Which examples an action is for. Their ids travel in the page's form: what is confirmed is what was seen."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from django.db.models import QuerySet
from django.http import HttpRequest

from capture_app.models import ExampleIndex
from console.actions.exceptions import BadSelection, TooMany

MOST: Final = 10_000  # examples in one action
FIELD: Final = "ids"  # of the form: a JSON list
PARAMETER: Final = "id"  # of an address, which may name one example or several
_MOST_CHARACTERS: Final = 1_000_000  # of all ids; Django takes 2.5 MB of a form
_IDS_AT_ONCE: Final = 900  # in one question to the database; SQLite may be built to take 999 at most


@dataclass(frozen=True, slots=True)
class Selection:
    """Examples that are in the index, each once, in the order in which they were picked."""

    ids: tuple[str, ...]
    tasks: tuple[tuple[str, int], ...]  # examples of each, the most first
    unknown: int = 0  # ids that were named and are not in the index

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def only_id(self) -> str:
        """The id, when it is one example; else ""."""
        return self.ids[0] if len(self.ids) == 1 else ""

    @property
    def as_json(self) -> str:
        """For the form's hidden field."""
        return orjson.dumps(self.ids).decode()


def from_queryset(queryset: QuerySet[ExampleIndex]) -> Selection:
    """The examples that were ticked, or all that match the list's filter. Raises TooMany, or BadSelection for none."""
    return selection_of(queryset.order_by("-created_at", "-id").values_list("pk", flat=True)[: MOST + 1])


def from_request(request: HttpRequest) -> Selection:
    """The examples that a form brings back, or an address names. Raises BadSelection or TooMany."""
    if request.method == "POST":
        return selection_of(_ids_in(request.POST.get(FIELD, "")))
    return selection_of(request.GET.getlist(PARAMETER))


def selection_of(given: Iterable[str]) -> Selection:
    """The examples with these ids. Raises BadSelection or TooMany."""
    ids = list(dict.fromkeys(given))
    if len(ids) > MOST or sum(map(len, ids)) > _MOST_CHARACTERS:
        raise TooMany(
            f"More than {MOST:,} examples match, and a page deals with no more. Nothing was changed; narrow the "
            "filter, or use the command line."
        )
    tasks = _tasks_of(ids)
    found = tuple(example_id for example_id in ids if example_id in tasks)
    if not found:
        raise BadSelection(
            "None of the examples is in the index (any more). Nothing was changed; pick some in the list."
        )
    counts = Counter(tasks.values()).most_common()
    return Selection(found, tuple(counts), unknown=len(ids) - len(found))


def _ids_in(text: str) -> list[str]:
    problem = "The form did not say which examples. Nothing was changed; pick some in the list."
    try:
        ids: Any = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadSelection(problem) from error
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise BadSelection(problem)
    return ids


def _tasks_of(ids: Sequence[str]) -> dict[str, str]:
    askable = [example_id for example_id in ids if "\0" not in example_id]  # PostgreSQL takes none in a text
    rows = (ExampleIndex.objects.filter(pk__in=some).values_list("pk", "task") for some in batches(askable))
    return {example_id: task for found in rows for example_id, task in found}


def batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """The ids, as many at once as any database takes in one question."""
    for start in range(0, len(ids), _IDS_AT_ONCE):
        yield ids[start : start + _IDS_AT_ONCE]
