"""What an evaluation keeps of examples, erased with them: held-out examples, items, and the reports on this host.

Figures stay: they are sums over all items, and say nothing of one. Of items from a gold file, those are found whose
line gave the example's id.

The reports are made anew before the rows go. So a run that is killed in between finds the rows once more.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

from django.db import transaction
from django.db.models import Q

from capture_app.put_aside import Wanted
from continuous_training.evaluation.report import alone_with_reports, rewrite_report
from continuous_training.models import Evaluation, EvaluationItem, HeldOutExample
from training_archive.copies import Copies

_AT_ONCE: Final = 500  # values, in one question to Django's database


def erase(wanted: Wanted) -> int:
    """How many rows: held-out examples, and items of evaluations."""
    ids = {*wanted.ids, *_held_out(wanted)}
    if not Evaluation.objects.exists():  # nor any report
        return _erase_rows(ids)
    with alone_with_reports():
        for evaluation_id, numbers in _items(ids).items():
            evaluation = Evaluation.objects.get(pk=evaluation_id)
            if evaluation.state == Evaluation.State.DONE:
                rewrite_report(evaluation, without=numbers)
        return _erase_rows(ids)


def _erase_rows(ids: Iterable[str]) -> int:
    with transaction.atomic():
        return sum(
            rows.delete()[0]
            for some in _batches(ids)
            for rows in (
                EvaluationItem.objects.filter(example_id__in=some),
                HeldOutExample.objects.filter(pk__in=some),
            )
        )


def _held_out(wanted: Wanted) -> Iterator[str]:
    """The ids of those that are meant by whose they are: the archive may have been pruned of them."""
    users, conversations = list(wanted.users), list(wanted.conversations)
    whose = Q(user_id__in=users) | Q(conversation_id__in=conversations)
    yield from HeldOutExample.objects.filter(whose).values_list("pk", flat=True)


def _items(ids: Iterable[str]) -> Mapping[str, set[int]]:
    """By evaluation: the numbers of the items that are these examples."""
    found: dict[str, set[int]] = defaultdict(set)
    for some in _batches(ids):
        rows = EvaluationItem.objects.filter(example_id__in=some).values_list("evaluation_id", "number")
        for evaluation_id, number in rows:
            found[evaluation_id].add(number)
    return found


def _batches(values: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(sorted(set(values) - {""}))
    while some := list(islice(remaining, _AT_ONCE)):
        yield some


EVALUATIONS: Final = Copies(place="evaluations", erase=erase, said_again=lambda wanted: ())
