"""What the page of a conversation shows: its pairs as turns. Everything a model or a person said is text, and cut."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.template.defaultfilters import filesizeformat

from capture_app.shown import Budget, Text, short
from training_archive.shipping.exceptions import ShippingError
from training_files.admin.file_page import moment, quality
from training_files.conversations.store import load_conversation
from training_files.exceptions import TrainingFilesError
from training_files.models import Conversation, TrainingFile, TrainingFileConversation
from training_files.v4.conversation import SCAFFOLDING, EnrichedConversation
from training_files.v4.figures import quality_score

PAGE: Final = 20  # pairs
_MOST_FILES: Final = 20
_WORDS: Final = ("current_user_input", "target_response")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A pair."""

    number: int  # from 1, in the stored conversation
    asked: Text | None
    answer: Text | None  # None: a user's turn, of which nothing is learned
    facts: list[tuple[str, str]]
    rest: Text  # all else that is stored of it
    score: str  # as a number field of a form has it; "": none
    notes: str  # as a form has them
    notes_shown: Text
    is_seed: bool
    is_reviewed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationPage:
    row: Conversation
    facts: list[tuple[str, str]]
    scaffolding: list[tuple[str, str, str, str]]  # field, what it is called, value, and that fit to be shown
    turns: list[Turn]
    page: int
    pages: int
    files: list[tuple[str, TrainingFile]]  # that hold it in their current version
    trouble: str  # why the turns cannot be shown; "": they are
    is_cut: bool = field(default=False)


def conversation_page(row: Conversation, *, page: int, is_whole: bool) -> ConversationPage:
    """Pages begin with 1. `is_whole`: no text is cut."""
    budget = Budget(is_whole=is_whole)
    stored, trouble = _stored(row)
    pairs = stored.pairs if stored else []
    pages = max(1, -(-len(pairs) // PAGE))
    page = min(max(page, 1), pages)
    first = (page - 1) * PAGE
    turns = list(_turns(pairs[first : first + PAGE], first, budget))
    return ConversationPage(
        row=row,
        facts=list(_facts(row)),
        scaffolding=[_scaffold(name, getattr(row, name)) for name in SCAFFOLDING],
        turns=turns,
        page=page,
        pages=pages,
        files=_files_with(row),
        trouble=trouble,
        is_cut=budget.has_cut,
    )


def _scaffold(name: str, value: str) -> tuple[str, str, str, str]:
    return name, name.replace("_", " "), value, short(value)


def _stored(row: Conversation) -> tuple[EnrichedConversation | None, str]:
    """The conversation, or why it cannot be shown."""
    try:
        return load_conversation(row), ""
    except (TrainingFilesError, ShippingError) as error:
        return None, str(error)


def _turns(pairs: Sequence[Mapping[str, Any]], before: int, budget: Budget) -> Iterator[Turn]:
    """What was said comes first, so that it is cut last."""
    said = [[_text(pair.get(name), budget) for name in _WORDS] for pair in pairs]
    for number, (pair, (asked, answer)) in enumerate(zip(pairs, said, strict=True), before + 1):
        metadata = _mapping(pair.get("training_metadata"))
        score, said_of_it = quality_score(pair), metadata.get("reviewer_notes")
        notes = said_of_it if isinstance(said_of_it, str) else ""
        yield Turn(
            number=number,
            asked=asked,
            answer=answer,
            facts=list(_pair_facts(pair, metadata)),
            rest=budget.json_value({name: value for name, value in pair.items() if name not in _WORDS}),
            score="" if score is None else f"{score:g}",
            notes=notes,
            notes_shown=budget.text(notes),
            is_seed=metadata.get("use_as_seed_example") is True,
            is_reviewed=metadata.get("human_reviewed") is True,
        )


def _text(value: Any, budget: Budget) -> Text | None:
    if value is None:
        return None
    return budget.text(value) if isinstance(value, str) else budget.json_value(value)


def _pair_facts(pair: Mapping[str, Any], metadata: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    emotions = _mapping(_mapping(pair.get("emotional_context")).get("detected_emotions"))
    told = (
        ("Difficulty", metadata.get("difficulty_level")),
        ("Objective", metadata.get("key_learning_objective")),
        ("Emotion", emotions.get("primary")),
    )
    yield "Quality", quality(quality_score(pair))
    yield "Reviewed", "by a person" if metadata.get("human_reviewed") is True else "not yet"
    yield from ((label, short(value)) for label, value in told if isinstance(value, str) and value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _facts(row: Conversation) -> Iterator[tuple[str, str]]:
    yield "Source", f"{row.get_source_display()}, {short(row.source_file) or 'no file'}"
    yield "Came", f"{moment(row.created_at)}, {short(row.added_by) or 'not known by whom'}"
    yield "Changed", moment(row.updated_at)
    yield "Of the day", f"{row.created_date:%Y-%m-%d}" if row.created_date else "not known"
    yield "Turns", f"{row.turns:,}"
    yield "Pairs", f"{row.pairs:,}, of which people reviewed {row.reviewed_pairs:,}"
    yield "Quality", f"{quality(row.quality_score)}, {short(row.quality_tier) or 'no tier'}"
    yield "Size", filesizeformat(row.size)


def _files_with(row: Conversation) -> list[tuple[str, TrainingFile]]:
    held = TrainingFileConversation.objects.filter(conversation_id=row.pk, part__until__isnull=True)
    files = TrainingFile.objects.filter(pk__in=held.values("part__training_file")).order_by("name")[:_MOST_FILES]
    return [(short(each.name), each) for each in files]
