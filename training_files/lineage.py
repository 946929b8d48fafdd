"""From captured examples to the conversations made from them, to the training files that hold those; and forgetting.

When an example is forgotten, each conversation made from it goes as a whole: a later turn repeats the earlier ones in
its history. The conversation and its stored file go, and the current version of every training file loses it, whatever
the file's status. An older version stays what it was, and the receipt names it: it is for people to delete the training
file. Which examples a conversation was made from is known as long as a version holds it.

The order makes a kill harmless. The rows of conversations go first, so that nobody can add one any more; then what
training files hold; and last, when the files in the storage are gone, too, what led there.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from capture_app.models import ForgottenExample
from capture_app.put_aside import Wanted
from training_archive.copies import Copies, register_copies
from training_archive.made_from import CONVERSATION, TRAINING_FILE, MadeFrom, register_made_from
from training_files.actors import Actor
from training_files.changing import ANY, held_in, remove
from training_files.conversations.store import batches, delete_conversations, id_of_captured
from training_files.exceptions import InvalidRequest, NotFound
from training_files.finding import existing_ids
from training_files.idempotency import forget_answers
from training_files.models import (
    Conversation,
    ConversationExample,
    EnrichmentAnswer,
    TrainingFile,
    TrainingFileConversation,
)
from training_files.storage import sweep_loose_files

FORGETTING: Final = Actor("forget", may_change_all=True)

Versions = set[int]


# --- What was made from examples -------------------------------------------------------------------------------------


@register_made_from
def conversations_and_training_files(ids: Sequence[str]) -> Iterator[MadeFrom]:
    """The conversations made from the examples, and each training file that holds some, with its versions that do."""
    made = _made_from(ids)
    for some in batches(sorted(made)):
        present = Conversation.objects.filter(pk__in=some).order_by("pk").values_list("pk", flat=True)
        yield from (MadeFrom(kind=CONVERSATION, name=each, examples=len(made[each])) for each in present)
    held: dict[UUID, set[str]] = defaultdict(set)  # by training file: examples
    versions: dict[UUID, Versions] = defaultdict(set)
    for conversation_id, training_file, since, until in _held(made):
        held[training_file] |= made[conversation_id]
        versions[training_file].update(range(since, until))
    files = [TrainingFile.objects.filter(pk__in=some) for some in batches(map(str, held))]
    for found in sorted((each for some in files for each in some), key=lambda each: each.name):
        name = f"{found.name}, {_named(versions[found.pk])}"
        yield MadeFrom(kind=TRAINING_FILE, name=name, examples=len(held[found.pk]))


def _made_from(ids: Iterable[str]) -> dict[str, set[str]]:
    """By conversation: those of the examples that it was made from."""
    made: dict[str, set[str]] = defaultdict(set)
    for some in batches(ids):
        rows = ConversationExample.objects.filter(example_id__in=some).values_list("conversation_id", "example_id")
        for conversation_id, example_id in rows:
            made[conversation_id].add(example_id)
    return made


def _held(conversation_ids: Iterable[str]) -> Iterator[tuple[str, UUID, int, int]]:
    """(conversation, training file, first version that has it, first that has it no more) of each part."""
    for some in batches(conversation_ids):
        rows = TrainingFileConversation.objects.filter(conversation_id__in=some).values_list(
            "conversation_id",
            "part__training_file",
            "part__since",
            "part__until",
            "part__training_file__version",
        )
        for conversation_id, training_file, since, until, current in rows:
            yield conversation_id, training_file, since, current + 1 if until is None else until


def _named(numbers: Versions) -> str:
    """`version 3`, `versions 1 to 3`, `versions 1, 4 and 5`."""
    ordered = sorted(numbers)
    if len(ordered) == 1:
        return f"version {ordered[0]}"
    if len(ordered) > 2 and ordered[-1] - ordered[0] == len(ordered) - 1:
        return f"versions {ordered[0]} to {ordered[-1]}"
    return f"versions {', '.join(map(str, ordered[:-1]))} and {ordered[-1]}"


# --- Forgetting ------------------------------------------------------------------------------------------------------


def erase_conversations(wanted: Wanted) -> int:
    """Erase the conversations made from examples that are meant, and those that are meant by their own ids; how many.

    What it counts are conversations that there still are, so one that is done again after a kill counts none twice.
    """
    meant = _meant(wanted)
    present = existing_ids(meant)
    delete_conversations(present)
    _remove_from_current_versions(meant)
    if meant:
        sweep_loose_files(older_than=timedelta(0))  # what was let go holds them; who is writing begins anew
        forget_answers(set(meant))
    _drop_lineage(meant)
    for some in batches(wanted.ids):
        EnrichmentAnswer.objects.filter(example_id__in=some).delete()
    return len(present)


def erase_forgotten(conversation_ids: Collection[str]) -> int:
    """Erase those of the conversations that are made from an example that was forgotten; how many.

    To be called once conversations were stored, outside of any transaction: who forgets at the same time has either
    seen them, or has written down what is looked for here.
    """
    rows = [
        row
        for some in batches(conversation_ids)
        for row in ConversationExample.objects.filter(conversation__in=some).values_list("conversation", "example_id")
    ]
    forgotten = {
        example_id
        for some in batches({example_id for _, example_id in rows})
        for example_id in ForgottenExample.objects.filter(pk__in=some).values_list("pk", flat=True)
    }
    meant = {conversation_id for conversation_id, example_id in rows if example_id in forgotten}
    return erase_conversations(Wanted(conversations=meant)) if meant else 0


def questions_about(wanted: Wanted) -> Iterator[str]:
    """The ids of the captured calls by which conversations that are meant were enriched: they repeat their text."""
    for some in batches(_meant(wanted)):
        answers = EnrichmentAnswer.objects.filter(conversation__in=some).exclude(example_id="")
        yield from answers.values_list("example_id", flat=True)


def answers_left() -> QuerySet[EnrichmentAnswer]:
    """Those about conversations that are gone: a model was asked while they were being forgotten."""
    return EnrichmentAnswer.objects.filter(~Exists(Conversation.objects.filter(pk=OuterRef("conversation_id"))))


register_copies(Copies(place="conversations", erase=erase_conversations, said_again=questions_about))


def _meant(wanted: Wanted) -> list[str]:
    """The ids of the conversations, whether there still are rows of them or not.

    A captured conversation is known by its name even when its examples were pruned.
    """
    return sorted({*_made_from(wanted.ids), *wanted.conversations, *map(id_of_captured, wanted.conversations)})


def _remove_from_current_versions(conversation_ids: Sequence[str]) -> None:
    held: dict[UUID, set[str]] = defaultdict(set)
    for conversation_id, training_file, *_ in _held(conversation_ids):
        held[training_file].add(conversation_id)
    for training_file, some in held.items():
        _remove_from(training_file, sorted(some))


def _remove_from(file_id: UUID, conversation_ids: Sequence[str]) -> None:
    """At the same time somebody may remove some of them, too, or delete the training file."""
    while training_file := TrainingFile.objects.filter(pk=file_id).first():
        held = [each for each, _ in held_in(training_file, conversation_ids)]
        if not held:
            return
        with suppress(InvalidRequest, NotFound):
            remove(file_id, held, by=FORGETTING, statuses=ANY)


def _drop_lineage(conversation_ids: Iterable[str]) -> None:
    """What leads to a conversation that no version holds any more leads nowhere; unless it was just made anew. Nor
    does the note of a question that was never captured."""
    for some in batches(conversation_ids):
        there = Conversation.objects.filter(pk__in=some).values("pk")
        held = TrainingFileConversation.objects.filter(conversation_id__in=some).values("conversation_id")
        leading = ConversationExample.objects.filter(conversation__in=some)
        leading.exclude(conversation__in=held).exclude(conversation__in=there).delete()
        uncaptured = EnrichmentAnswer.objects.filter(conversation__in=some, example_id="")
        uncaptured.exclude(conversation__in=there).delete()
