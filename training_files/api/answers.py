"""What answers hold. The names are the seed's where it has one."""

from typing import Any

from rest_framework import serializers

from training_files.api.fields import Counts, Moment, Number
from training_files.describing import Described
from training_files.models import Build, Conversation, TrainingFile
from training_files.v4.writing import file_metadata


def shown(described: Described) -> dict[str, Any]:
    """A version with its training file, for the serializers below."""
    metadata = file_metadata(described.heading, described.figures)
    return {
        "file": described.file,
        "version": described.version,
        "figures": described.figures,
        "quality": metadata["quality_summary"],
        "distribution": metadata["scaffolding_distribution"],
        "json_bytes": described.json_bytes,
        "jsonl_bytes": described.jsonl_bytes,
        "is_current": described.version.number == described.file.version,
    }


class Answer(serializers.Serializer[Any]):
    """An object of an answer; all its keys are always there, its own before those that others have, too."""

    def get_fields(self) -> dict[str, Any]:
        inherited = {name for base in type(self).__bases__ for name in getattr(base, "_declared_fields", {})}
        fields = super().get_fields()
        return {name: fields[name] for name in sorted(fields, key=inherited.__contains__)}


class Distribution(Answer):
    """How many conversations, by key."""

    personas = Counts()
    emotional_arcs = Counts()
    training_topics = Counts()


class _Figures(Answer):
    """Of a version, computed from its pairs. A quality score is 0 where no pair has one."""

    conversation_count = serializers.IntegerField(source="figures.conversations")
    total_training_pairs = serializers.IntegerField(source="figures.pairs", help_text="Also those without an answer.")
    training_lines = serializers.IntegerField(
        source="figures.answered", help_text="Of the JSON Lines, one for each answer."
    )
    avg_quality_score = Number(source="quality.avg_quality_score")
    min_quality_score = Number(source="quality.min_quality_score")
    max_quality_score = Number(source="quality.max_quality_score")
    human_reviewed_count = serializers.IntegerField(source="quality.human_reviewed_count")
    human_reviewed_percentage = Number(source="quality.human_reviewed_percentage")
    scaffolding_distribution = Distribution(source="distribution")
    quality_tiers = Counts(source="figures.tiers")
    json_file_size = serializers.IntegerField(source="json_bytes", help_text="Of the whole download, in bytes.")
    jsonl_file_size = serializers.IntegerField(source="jsonl_bytes")


class TrainingFileFacts(_Figures):
    """A training file, with the figures of its current version."""

    id = serializers.UUIDField(source="file.id")
    name = serializers.CharField(source="file.name")
    description = serializers.CharField(source="file.description")
    status = serializers.ChoiceField(source="file.status", choices=TrainingFile.Status.choices)
    created_by = serializers.CharField(source="file.owner", help_text="user:NAME or token:NAME")
    created_at = Moment(source="file.created_at")
    updated_at = Moment(source="file.updated_at")
    vertical = serializers.CharField(source="file.vertical")
    version = serializers.IntegerField(source="version.number")
    revision = serializers.IntegerField(source="version.revision", help_text="Counts the changes of the version.")


class OneTrainingFile(Answer):
    trainingFile = TrainingFileFacts(source="*")  # noqa: N815  (the seed's name)


class VersionFacts(_Figures):
    """A version. Only the current one changes."""

    number = serializers.IntegerField(source="version.number")
    is_current = serializers.BooleanField()
    file_name = serializers.CharField(source="version.file_name")
    note = serializers.CharField(source="version.note")
    created_by = serializers.CharField(source="version.created_by")
    created_at = Moment(source="version.created_at")
    updated_at = Moment(source="version.updated_at")
    revision = serializers.IntegerField(source="version.revision")


class OneVersion(Answer):
    version = VersionFacts(source="*")


class _Page(Answer):
    """A part of a list."""

    next = serializers.CharField(allow_null=True, help_text="Where the list goes on; null on the last page.")
    previous = serializers.CharField(allow_null=True)


class TrainingFiles(_Page):
    """The newest first."""

    files = TrainingFileFacts(many=True)


class Versions(_Page):
    """The newest first."""

    versions = VersionFacts(many=True)


class MemberFacts(Answer):
    conversation_id = serializers.CharField()
    sha256 = serializers.CharField(help_text="Of the conversation's stored file, as it was when it was added.")


class Members(_Page):
    """In the order of the training file."""

    conversations = MemberFacts(many=True)


class Diff(Answer):
    """Ids of conversations, in the order of the files."""

    old = serializers.IntegerField()
    new = serializers.IntegerField()
    added = serializers.ListField(child=serializers.CharField())
    removed = serializers.ListField(child=serializers.CharField())
    changed = serializers.ListField(child=serializers.CharField(), help_text="In both, with other contents.")


class Download(Answer):
    download_url = serializers.CharField()
    filename = serializers.CharField()
    expires_in_seconds = serializers.IntegerField()


class SuggestionFacts(Answer):
    conversation_id = serializers.CharField()
    cell = serializers.ListField(child=serializers.CharField(), help_text="Its persona, arc and topic; or its tier.")
    quality_score = Number(allow_null=True)
    quality_tier = serializers.CharField()
    has_before = serializers.IntegerField(help_text="Conversations of the cell, with those suggested before this one.")
    why = serializers.CharField()


class Suggestions(Answer):
    """The one that evens the training file out most is first."""

    suggestions = SuggestionFacts(many=True)


class ConversationFacts(Answer):
    """What is known of a conversation. Its text is in training files and nowhere in this API."""

    id = serializers.CharField()
    source = serializers.ChoiceField(  # type: ignore[assignment]  # no attribute: the metaclass takes fields away
        choices=Conversation.Source.choices
    )
    source_file = serializers.CharField()
    created_at = Moment()
    updated_at = Moment()
    created_date = serializers.DateField(allow_null=True, format="iso-8601", help_text="Of the conversation itself.")
    added_by = serializers.CharField()
    enrichment_status = serializers.ChoiceField(choices=Conversation.Enrichment.choices)
    enrichment_problem = serializers.CharField()
    enriched_file_path = serializers.CharField(allow_null=True)
    sha256 = serializers.CharField()
    size = serializers.IntegerField()
    turns = serializers.IntegerField()
    pairs = serializers.IntegerField()
    quality_score = Number(allow_null=True)
    quality_tier = serializers.CharField()
    reviewed_pairs = serializers.IntegerField()
    persona_key = serializers.CharField()
    persona_name = serializers.CharField()
    emotional_arc_key = serializers.CharField()
    emotional_arc = serializers.CharField()
    training_topic_key = serializers.CharField()
    training_topic = serializers.CharField()


class OneConversation(Answer):
    conversation = ConversationFacts(source="*")


class Conversations(_Page):
    """The newest first."""

    conversations = ConversationFacts(many=True)


class BuildFacts(Answer):
    """A long addition, and how far it is."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=Build.State.choices)
    requested_by = serializers.CharField()
    requested_at = Moment()
    finished_at = Moment(allow_null=True)
    total = serializers.IntegerField(help_text="Conversations.")
    done = serializers.IntegerField()
    problem = serializers.CharField()


class OneBuild(Answer):
    build = BuildFacts(source="*")


class Builds(_Page):
    """The newest first."""

    builds = BuildFacts(many=True)


class ErrorDetails(Answer):
    code = serializers.CharField(help_text="Stays the same while messages may change.")
    fields = serializers.DictField(  # type: ignore[assignment]  # the same
        child=serializers.ListField(child=serializers.CharField()),
        help_text="What is wrong with each field of the request; under the empty name, with the whole.",
    )
    conversation_ids = serializers.ListField(child=serializers.CharField(), help_text="Those that are why.")


class Error(Answer):
    error = serializers.CharField(help_text="For people: what happened, what is safe, what to do next.")
    details = ErrorDetails()
