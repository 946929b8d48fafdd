"""What requests may say."""

from typing import Any, Final

from rest_framework import serializers

from capture_app.judged_values import NAME_CHARACTERS
from training_files.api.fields import (
    Asked,
    Choice,
    ConversationIds,
    Flag,
    Line,
    NumberInQuery,
    Score,
    Since,
    Text,
    WholeInQuery,
)
from training_files.api.pages import LIMIT, MOST
from training_files.balance import MOST_SUGGESTIONS, SCAFFOLDING, TIER
from training_files.creating import LONGEST_NAME, LONGEST_TEXT
from training_files.finding import ALL
from training_files.joining import FORMATS
from training_files.models import Conversation, TrainingFile

MOST_IN_BUILD: Final = 100_000

_CURSOR_MOST: Final = 2_000  # an id in it may have 200 characters of four bytes
_MOST_VERSION: Final = 999_999_999


class NewTrainingFile(Asked):
    keywords = {"examples": [{"name": "january", "description": "", "conversation_ids": ["first", "second"]}]}

    name = Line(max_length=LONGEST_NAME, help_text="No other training file has it.")
    description = Text(required=False, default="", allow_blank=True, max_length=LONGEST_TEXT)
    conversation_ids = ConversationIds()


class ChangedTrainingFile(Asked):
    """At least one of the two."""

    keywords = {"minProperties": 1, "examples": [{"name": "january"}]}

    name = Line(required=False, max_length=LONGEST_NAME)
    description = Text(required=False, allow_blank=True, max_length=LONGEST_TEXT)

    def validate(self, attrs: Any) -> Any:
        if not attrs:
            raise serializers.ValidationError({"": ["Name at least one of name, description."]})
        return attrs


class SomeConversations(Asked):
    keywords = {"examples": [{"conversation_ids": ["first", "second"]}]}

    conversation_ids = ConversationIds()


class NewVersion(Asked):
    may_be_missing = True

    note = Text(required=False, default="", allow_blank=True, max_length=LONGEST_TEXT)


class Matching(Asked):
    """All conversations that are enriched and match; the oldest are added first."""

    source = Choice(  # type: ignore[assignment]  # no attribute: the metaclass takes fields away
        required=False, choices=Conversation.Source.values
    )
    tier = Text(required=False, max_length=NAME_CHARACTERS)
    persona = Text(required=False, max_length=NAME_CHARACTERS)
    arc = Text(required=False, max_length=NAME_CHARACTERS)
    topic = Text(required=False, max_length=NAME_CHARACTERS)
    min_quality = Score(required=False)
    max_quality = Score(required=False)
    created_after = Since(required=False)
    created_before = Since(required=False)


class NewBuild(Asked):
    """Either ids, or a filter: all that match it and are not in the training file yet."""

    keywords = {
        "oneOf": [{"required": ["conversation_ids"]}, {"required": ["filter"]}],
        "examples": [{"filter": {"tier": "production", "min_quality": 4}}],
    }

    conversation_ids = ConversationIds(required=False, most=MOST_IN_BUILD)
    filter = Matching(required=False)

    def validate(self, attrs: Any) -> Any:
        if len(attrs) != 1:
            raise serializers.ValidationError({"": ["Name either conversation_ids or filter."]})
        return attrs


class Review(Asked):
    keywords = {"examples": [{"score": 5, "notes": "Warm and clear"}]}

    score = Score(required=False, min_value=0, max_value=5, help_text="1 to 5; 0: none. Without it, as it was.")
    notes = Text(required=False, default="", allow_blank=True, max_length=LONGEST_TEXT)
    seed_example = Flag(required=False, help_text="Whether it is to be an example for others. Without it, as it was.")


# --- In a query --------------------------------------------------------------------------------------------------


class Paged(Asked):
    limit = WholeInQuery(required=False, default=LIMIT, min_value=1, max_value=MOST, help_text="Of a page.")
    cursor = Text(
        required=False, max_length=_CURSOR_MOST, help_text="Out of the link to a page; it means nothing by itself."
    )


class _Scaffolding(Asked):
    """Of conversations."""

    tier = Text(required=False, allow_blank=True, max_length=NAME_CHARACTERS, help_text="Such as production.")
    persona = Text(required=False, allow_blank=True, max_length=NAME_CHARACTERS, help_text="Its key.")
    arc = Text(required=False, allow_blank=True, max_length=NAME_CHARACTERS, help_text="Its key.")
    topic = Text(required=False, allow_blank=True, max_length=NAME_CHARACTERS, help_text="Its key.")
    min_quality = NumberInQuery(required=False, help_text="Of the mean quality score, 1 to 5.")
    max_quality = NumberInQuery(required=False)
    created_after = Since(required=False, help_text="This moment included.")
    created_before = Since(required=False, help_text="This moment not included.")


class TrainingFilesWanted(_Scaffolding, Paged):
    """A training file has a tier, persona, arc or topic when at least one of its conversations has it."""

    status = Choice(
        required=False,
        default=TrainingFile.Status.ACTIVE.value,
        choices=[*TrainingFile.Status.values, ALL],
        help_text="Without it, active ones only.",
    )
    name = Text(required=False, allow_blank=True, max_length=LONGEST_NAME, help_text="A part of it.")
    owner = Text(required=False, allow_blank=True, max_length=NAME_CHARACTERS, help_text="Such as token:ci.")


class ConversationsWanted(_Scaffolding, Paged):
    enrichment_status = Choice(required=False, choices=Conversation.Enrichment.values)
    source = Choice(  # type: ignore[assignment]  # no attribute: the metaclass takes fields away
        required=False, choices=Conversation.Source.values
    )


class _Version(WholeInQuery):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{"min_value": 1, "max_value": _MOST_VERSION, **options})


class ImportWanted(Asked):
    source_file = Line(
        required=False,
        default="conversation.json",
        max_length=LONGEST_NAME,
        help_text="The name under which it came; the conversation's id is taken from it when the file has none.",
    )


class VersionWanted(Asked):
    version = WholeInQuery(
        required=False, min_value=1, max_value=_MOST_VERSION, help_text="Without it, the current one."
    )


class MembersWanted(VersionWanted, Paged):
    pass


class DiffWanted(Asked):
    old = _Version()
    new = _Version()


class DownloadWanted(VersionWanted):
    format = Choice(choices=list(FORMATS))


class SuggestionsWanted(Asked):
    by = Choice(required=False, default=SCAFFOLDING, choices=[SCAFFOLDING, TIER])
    limit = WholeInQuery(required=False, default=20, min_value=1, max_value=MOST_SUGGESTIONS)
    min_quality = NumberInQuery(required=False)
