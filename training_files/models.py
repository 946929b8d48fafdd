"""What Django's database knows of conversations and of the training files made from them. Their text is in the storage.

A training file is a row of versions; a version is all parts whose interval [since, until) holds its number; a part is
a run of conversations, written once and never changed. So a new version costs one row, adding costs what is added,
removing writes one part anew, and an older version stays what it was.
"""

import uuid
from typing import Any

import orjson
from django.db import models


class Conversation(models.Model):
    """One conversation, and how far it is on its way to be trained on.

    The columns of figures and scaffolding repeat what is in its stored file, for browsing; `conversations.store` writes
    both. See v4.conversation for the stored form.
    """

    class Source(models.TextChoices):
        IMPORTED = "imported"
        CAPTURED = "captured"

    class Enrichment(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        COMPLETED = "completed"
        FAILED = "failed"

    id = models.TextField(primary_key=True)
    source = models.TextField(choices=Source)
    source_file = models.TextField(blank=True)  # the name under which it came
    created_at = models.DateTimeField()  # of the row
    updated_at = models.DateTimeField()
    created_date = models.DateField(null=True)  # of the conversation itself
    added_by = models.TextField(blank=True)
    changed_by = models.TextField(blank=True)  # the last one

    enrichment_status = models.TextField(choices=Enrichment, default=Enrichment.PENDING)
    enrichment_problem = models.TextField(blank=True)
    enricher = models.TextField(blank=True)  # the mark of the run that has it; see conversations.enrichment.claims
    enriched_file_path = models.TextField(null=True)  # noqa: DJ001  (null until there is one, as the API says it)
    sha256 = models.TextField(blank=True)  # of the stored file
    origin_sha256 = models.TextField(blank=True)  # of what came in, before anybody enriched or reviewed it here
    size = models.BigIntegerField("size (bytes)", default=0)

    turns = models.IntegerField(default=0)
    pairs = models.IntegerField(default=0)
    quality_score = models.FloatField(null=True)  # mean of its pairs'
    quality_tier = models.TextField(blank=True)
    reviewed_pairs = models.IntegerField(default=0)
    persona_key = models.TextField(blank=True)
    persona_name = models.TextField(blank=True)
    emotional_arc_key = models.TextField(blank=True)
    emotional_arc = models.TextField(blank=True)
    training_topic_key = models.TextField(blank=True)
    training_topic = models.TextField(blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["created_at", "id"], name="conversation_time"),
            models.Index(fields=["enrichment_status", "created_at", "id"], name="conversation_enrichment"),
            models.Index(fields=["persona_key", "emotional_arc_key", "training_topic_key"], name="conversation_cell"),
            models.Index(fields=["quality_score"], name="conversation_quality"),
        ]

    def __str__(self) -> str:
        return self.id


class ConversationExample(models.Model):
    """A captured example that a conversation was made from: the answer of one of its pairs.

    It outlives a conversation that training files hold in an older version; see lineage.
    """

    conversation = models.ForeignKey(
        Conversation, on_delete=models.DO_NOTHING, db_constraint=False, related_name="examples"
    )
    position = models.IntegerField()  # in the order of the conversation
    example_id = models.TextField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["conversation", "position"], name="conversation_example")]

    def __str__(self) -> str:
        return self.example_id


class EnrichmentAnswer(models.Model):
    """What a model answered when it was asked to enrich a conversation. What was of use is never asked twice.

    It outlives the conversation, without the answer: the captured call repeats what the conversation said, and must be
    found when that is to be forgotten; see lineage.
    """

    conversation = models.ForeignKey(
        Conversation, on_delete=models.DO_NOTHING, db_constraint=False, related_name="answers"
    )
    step = models.TextField()  # see conversations.enrichment.steps
    question_sha256 = models.TextField()  # of all that was sent: when that is another, it is asked anew
    answer = models.JSONField(null=True)  # checked; None: it was of no use, or the conversation is gone
    example_id = models.TextField(blank=True, db_index=True)  # of the captured call; "": it could not be captured
    answered_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["conversation", "step"], name="enrichment_answer")]

    def __str__(self) -> str:
        return f"{self.conversation_id}: {self.step}"


class TrainingFile(models.Model):
    """A named, versioned selection of conversations. `training_files.service` alone changes one."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        ARCHIVED = "archived"
        PROCESSING = "processing"  # a long build is at work on it
        FAILED = "failed"  # a long build stopped; what it had added is there

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.TextField(unique=True)
    description = models.TextField(blank=True)
    status = models.TextField(choices=Status, default=Status.ACTIVE)
    owner = models.TextField()  # "user:NAME" or "token:NAME"
    vertical = models.TextField(blank=True)
    profile_json = models.TextField(default="{}")  # as text: no database then reorders its keys
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    version = models.IntegerField(default=1)  # the current one, the only one that changes

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["created_at", "id"], name="training_file_time"),
            models.Index(fields=["status", "created_at", "id"], name="training_file_status"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def consultant_profile(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.profile_json)
        return found


class TrainingFileVersion(models.Model):
    """The figures of a version; those of the current one change with it."""

    training_file = models.ForeignKey(TrainingFile, on_delete=models.CASCADE, related_name="versions")
    number = models.IntegerField()
    created_at = models.DateTimeField()
    created_by = models.TextField()
    note = models.TextField(blank=True)
    updated_at = models.DateTimeField()
    revision = models.IntegerField(default=0)  # counts its changes
    file_name = models.TextField()  # what the training file was called, as long as this version was current
    figures = models.JSONField(default=dict)  # see v4.figures
    quality_score = models.FloatField(null=True)  # mean of its pairs', out of the figures
    part_count = models.IntegerField(default=0)
    json_bytes = models.BigIntegerField(default=0)  # of its parts, without what joins them
    jsonl_bytes = models.BigIntegerField(default=0)
    jsonl_part_count = models.IntegerField(default=0)  # parts that have at least one line

    class Meta:
        ordering = ["training_file", "-number"]
        constraints = [models.UniqueConstraint(fields=["training_file", "number"], name="training_file_version")]

    def __str__(self) -> str:
        return f"version {self.number}"


class TrainingFilePart(models.Model):
    """Some conversations, one after the other, as JSON and as JSON Lines, ready to be joined with others.

    In the storage: `<stem>.json` and `<stem>.jsonl`.
    """

    training_file = models.ForeignKey(TrainingFile, on_delete=models.CASCADE, related_name="parts")
    position = models.IntegerField()  # parts are joined in this order
    since = models.IntegerField()  # the first version that has it
    until = models.IntegerField(null=True)  # the first version that has it no more
    stem = models.TextField(unique=True)
    json_bytes = models.BigIntegerField()
    json_sha256 = models.TextField()
    jsonl_bytes = models.BigIntegerField()
    jsonl_sha256 = models.TextField()
    figures = models.JSONField()  # of its conversations, see v4.figures

    class Meta:
        indexes = [models.Index(fields=["training_file", "position"], name="training_file_part")]

    def __str__(self) -> str:
        return self.stem


class TrainingFileConversation(models.Model):
    """A conversation in a part, as it was when the part was written."""

    part = models.ForeignKey(TrainingFilePart, on_delete=models.CASCADE, related_name="conversations")
    conversation_id = models.TextField(db_index=True)  # no foreign key: a part outlives a conversation that is deleted
    position = models.IntegerField()  # in the part
    sha256 = models.TextField()  # of the conversation's stored file

    class Meta:
        constraints = [models.UniqueConstraint(fields=["part", "position"], name="training_file_conversation")]

    def __str__(self) -> str:
        return self.conversation_id


class JoinedFile(models.Model):
    """A version as one object in an S3 bucket, for presigned URLs. Made when first asked for, let go at a change."""

    class Format(models.TextChoices):
        JSON = "json"
        JSONL = "jsonl"

    version = models.ForeignKey(TrainingFileVersion, on_delete=models.CASCADE, related_name="joined_files")
    format = models.TextField(choices=Format)
    revision = models.IntegerField()  # of the version
    name = models.TextField(unique=True)  # in the storage
    size = models.BigIntegerField("size (bytes)")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "format"], name="training_file_joined")]

    def __str__(self) -> str:
        return self.name


class Build(models.Model):
    """A long addition to a training file, in batches, by a worker or a command. `training_files.builds` runs it.

    Each batch is one transaction that also moves `done`, so whoever goes on after a kill goes on just there. Whoever
    goes on writes its mark into `runner`; one that finds another's there stops.
    """

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        ABANDONED = "abandoned"  # somebody opened the file again without it

    training_file = models.ForeignKey(TrainingFile, on_delete=models.CASCADE, related_name="builds")
    state = models.TextField(choices=State, default=State.QUEUED)
    requested_by = models.TextField()
    requested_at = models.DateTimeField()
    seen_at = models.DateTimeField()  # when somebody last worked on it
    finished_at = models.DateTimeField(null=True)
    runner = models.TextField(blank=True)
    ids_name = models.TextField()  # in the storage: the ids of the conversations to add, one a line
    ids_sha256 = models.TextField()
    total = models.IntegerField()  # conversations
    done = models.IntegerField(default=0)  # with those that were forgotten before their turn came
    problem = models.TextField(blank=True)  # what stopped it; of one that succeeded, what it left out

    class Meta:
        ordering = ["-requested_at", "-id"]
        indexes = [models.Index(fields=["state", "seen_at"], name="training_file_build")]
        constraints = [
            models.UniqueConstraint(
                fields=["training_file"],
                condition=models.Q(state__in=["queued", "running", "failed"]),
                name="training_file_build_pending",
            ),
        ]

    def __str__(self) -> str:
        return f"build {self.pk}"


class IdempotencyKey(models.Model):
    """A request that came with a key, and what was answered, so that the same is not done twice. See `idempotency`."""

    actor = models.TextField()  # keys of one do not concern another
    key = models.TextField()
    digest = models.TextField()  # SHA-256 of the request
    claimed_at = models.DateTimeField(db_index=True)
    status = models.IntegerField(null=True)  # null: it is being answered
    body = models.TextField(blank=True)  # JSON; no text of a conversation
    location = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["actor", "key"], name="training_file_idempotency")]

    def __str__(self) -> str:
        return self.key


class LooseFile(models.Model):
    """In the storage, or soon there, and named by no other row. Noted before it is written, and when it is let go.

    Whoever commits rows that name it deletes this one in the same transaction, and gives up when it is gone: a sweep
    deletes the file, and then this row, once it is old.
    """

    name = models.TextField(primary_key=True)
    noted_at = models.DateTimeField(db_index=True)
    is_condemned = models.BooleanField(default=False)  # by a sweep, after which nobody may name it any more

    def __str__(self) -> str:
        return self.name
