"""What is held out, as prompts that no export may teach and as items of an evaluation."""

from collections.abc import Iterable, Iterator
from typing import Final

from capture_app.judgments import RATINGS, Annotation, annotations_of
from capture_app.models import Review
from continuous_training.conf import loop_settings
from continuous_training.evaluation.gold_files import read_gold_file
from continuous_training.evaluation.items import FILE, HELD_OUT, GoldItem, GoldSet, is_text
from continuous_training.models import Evaluation, EvaluationItem, HeldOutExample
from training_archive.exports.tables import has_table
from training_archive.held_out import HeldOutPrompt

JUDGED_BAD: Final = "judged bad since"

_IDS_AT_ONCE: Final = 500


def held_out_prompts() -> Iterator[str]:
    """The prompts of all that is held out, as the column prompt_text would have them.

    For a comparison that also finds near duplicates: training_archive.held_out.held_out_index.
    """
    return (prompt.text for prompt in all_held_out())


def all_held_out() -> Iterator[HeldOutPrompt]:
    """Held-out examples; what the gold files in GOLD_SETS ask, and those that evaluations have asked from.

    Prompts with an image are not among them: of it they say only that there is one. Raises GoldSetInvalid.
    """
    yield from _of_examples()
    for task, path in loop_settings().gold_sets.items():
        yield from _of_items(task, read_gold_file(path).items)
    yield from _of_evaluations()


def _of_examples() -> Iterator[HeldOutPrompt]:
    if has_table(HeldOutExample):  # a training host may have no tables of ours
        for row in HeldOutExample.objects.iterator(_IDS_AT_ONCE):
            yield from _of_items(row.task, [_item(row)])


def _of_evaluations() -> Iterator[HeldOutPrompt]:
    """Of each file, what the last evaluation on it asked."""
    if not has_table(Evaluation):
        return
    seen: set[str] = set()
    for evaluation in Evaluation.objects.filter(gold__kind=FILE).order_by("-created_at"):
        if evaluation.gold["sha256"] not in seen:
            seen.add(evaluation.gold["sha256"])
            rows = EvaluationItem.objects.filter(evaluation=evaluation).only("messages").iterator(_IDS_AT_ONCE)
            yield from _of_items(evaluation.task, (GoldItem(messages=row.messages, expected="") for row in rows))


def _of_items(task: str, items: Iterable[GoldItem]) -> Iterator[HeldOutPrompt]:
    return (HeldOutPrompt(task, item.prompt) for item in items if is_text(item.messages))


# --- As a gold set ---------------------------------------------------------------------------------------------------


def held_out_set(task: str) -> GoldSet:
    """The held-out examples of a task, each with what people say of it by now."""
    rows = list(HeldOutExample.objects.filter(task=task).order_by("pk"))
    said = annotations_of(row.pk for row in rows)
    items = [_item(row, said[row.pk]) for row in rows if not _is_bad(said[row.pk])]
    left_out = {JUDGED_BAD: len(rows) - len(items)} if len(rows) > len(items) else {}
    return GoldSet(kind=HELD_OUT, name=task, items=items, left_out=left_out)


def _is_bad(said: Annotation) -> bool:
    return said.rating == RATINGS[Review.Verdict.BAD] and not said.correction


def _item(row: HeldOutExample, said: Annotation | None = None) -> GoldItem:
    return GoldItem(
        messages=row.messages,
        expected=(said.correction if said else "") or row.expected,
        category=row.category,
        slot_specs=row.slot_specs,
        settings=row.settings,
        example_id=row.pk,
    )
