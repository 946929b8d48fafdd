"""What Django's own database knows: the read model of captured examples, what people said of them, what was erased,
who may post, and the state of the jobs."""

from typing import Final

from django.db import models

# Reasons to finish that say an answer is not what it would have been.
CUT_SHORT: Final = ("content_filter", "error", "length", "max_tokens", "refusal", "safety")


class ExampleIndex(models.Model):
    """One row per example, for browsing, filtering and lineage. The whole text is in the live database or its chunk.

    Filled by the drain, and made anew from the DuckDB files by `rebuild_example_index`: nothing here is the only copy.
    """

    id = models.TextField(primary_key=True)
    created_at = models.DateTimeField()
    task = models.TextField()
    provider = models.TextField()
    model_name = models.TextField("model")
    input_tokens = models.BigIntegerField(null=True)
    output_tokens = models.BigIntegerField(null=True)
    latency_ms = models.BigIntegerField("latency (ms)", null=True)
    cost_usd = models.FloatField("cost (USD)", null=True)
    prompt_hash = models.TextField()
    conversation_id = models.TextField(blank=True)
    user_id = models.TextField(blank=True)
    finish_reason = models.TextField(blank=True)
    is_partial = models.BooleanField("partial", default=False)
    has_tools = models.BooleanField(default=False)
    prompt_preview = models.TextField("prompt")
    response_preview = models.TextField("response")
    # The live database it was drained into; the archive knows which chunk that became. One value per database, so that
    # archiving a million examples changes no row here.
    generation = models.TextField()

    class Meta:
        verbose_name = "captured example"
        ordering = ["-created_at", "-id"]
        # Each is paid for in every drain. What has none is looked for along one of these.
        indexes = [
            models.Index(fields=["created_at", "id"], name="example_time"),
            models.Index(fields=["task", "created_at", "id"], name="example_task"),
            models.Index(fields=["model_name", "created_at", "id"], name="example_model"),
            models.Index(fields=["conversation_id", "created_at", "id"], name="example_conversation"),
            models.Index(fields=["prompt_hash"], name="example_prompt"),
            models.Index(fields=["created_at", "id"], name="example_partial", condition=models.Q(is_partial=True)),
            models.Index(fields=["created_at", "id"], name="example_tools", condition=models.Q(has_tools=True)),
            models.Index(
                fields=["created_at", "id"],
                name="example_cut_short",
                condition=models.Q(finish_reason__in=CUT_SHORT),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.id}"


class Review(models.Model):
    """What a person judged of an example. There is no other copy of it; see judgments.

    The example's row may be gone while the index is made anew, or not yet there, so the database does not insist on it.
    """

    class Verdict(models.TextChoices):
        GOOD = "good"
        BAD = "bad"

    example = models.OneToOneField(
        ExampleIndex, models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="review"
    )
    verdict = models.TextField(choices=Verdict, blank=True)  # "": only corrected or commented so far
    correction = models.TextField(blank=True)  # what the answer should have been
    comment = models.TextField(blank=True)
    reviewed_by = models.TextField()  # a user's name
    reviewed_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.example_id}: {self.verdict or 'not judged'}"


class ExampleTag(models.Model):
    """A word that a person put on an example, beside those that came with the call. See Review."""

    example = models.ForeignKey(ExampleIndex, models.DO_NOTHING, db_constraint=False, related_name="tags")
    tag = models.TextField(db_index=True)
    tagged_by = models.TextField()
    tagged_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["example", "tag"], name="one_tag_once")]

    def __str__(self) -> str:
        return f"{self.example_id}: {self.tag}"


class Feedback(models.Model):
    """What an application, or its users, said of an answer. There may be several for one example. See Review."""

    example = models.ForeignKey(ExampleIndex, models.DO_NOTHING, db_constraint=False, related_name="feedback")
    score = models.FloatField(null=True)
    label = models.TextField(blank=True)
    comment = models.TextField(blank=True)
    correction = models.TextField(blank=True)
    source = models.TextField()  # the token's name, or "application" for who called record_feedback
    created_at = models.DateTimeField(db_index=True)
    # Of a request that may come twice; unique within its source. None: the sender gave none.
    idempotency_key = models.TextField(null=True)  # noqa: DJ001  (one "" of a source would be all that it may send)

    class Meta:
        verbose_name_plural = "feedback"
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["source", "idempotency_key"], name="one_feedback_once")]

    def __str__(self) -> str:
        return f"{self.example_id}: {self.source}"


class ApiToken(models.Model):
    """Lets a program in, for what its scopes say. The token itself is shown once and kept as a hash."""

    name = models.TextField(unique=True)
    digest = models.TextField(unique=True)  # SHA-256 of the token, which is random: no salt is needed
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "API token"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ForgottenExample(models.Model):
    """An example that was erased on request. Should its record come again, out of a queue or a backup, it is left out.

    An id is random and says nothing of anybody. Files from elsewhere may hold the example without its id, an exported
    training set for one: an import knows it by keyed hashes of what was asked and answered. Neither the words nor whose
    they were can be had from such a hash; who has SECRET_KEY can check a guess. That is why they are kept, and all
    that is.
    """

    id = models.TextField(primary_key=True)
    erasure = models.TextField(db_index=True)  # the request's id, which its receipt names
    # See contents.content_hmac. "": the example was not found, or was erased before these were kept.
    content_hmac = models.TextField(blank=True, default="", db_index=True)
    corrected_hmac = models.TextField(
        blank=True, default="", db_index=True
    )  # with the corrected answer, which exports teach

    def __str__(self) -> str:
        return self.id


class ForgottenCorrection(models.Model):
    """A corrected answer that people gave to a ForgottenExample: its hash, beside that of the one in its metadata."""

    example = models.ForeignKey(ForgottenExample, models.CASCADE, related_name="corrections")
    content_hmac = models.TextField(db_index=True)  # see contents.content_hmac

    class Meta:
        constraints = [models.UniqueConstraint(fields=["example", "content_hmac"], name="one_correction_once")]

    def __str__(self) -> str:
        return self.example_id


class Job(models.Model):
    """What a regular job did last. One row per job and no history; jobs.py writes it."""

    name = models.TextField(primary_key=True)
    started_at = models.DateTimeField(null=True)  # of the last run that began
    finished_at = models.DateTimeField(null=True)  # of the last run that ended, well or not
    last_success_at = models.DateTimeField(null=True)
    seconds = models.FloatField(null=True)  # that the last finished run took
    rows = models.BigIntegerField(null=True)  # of the last success; of a check, the problems it found
    problem = models.TextField(blank=True)  # why the last run failed, "" when it did not; names of errors, no content
    notes = models.JSONField(default=dict)  # what the job wants to know in its next run

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> str:
        """`failed`, `ok`, or `running`, which is also what a run looks like that was killed."""
        if self.started_at and (self.finished_at is None or self.started_at > self.finished_at):
            return "running"
        return "failed" if self.problem else "ok"


class Spend(models.Model):
    """Money that went where no captured call tells of it, such as into a training run. See budgets."""

    key = models.TextField(unique=True)  # of the one thing that was paid for: noted again, it counts once
    task = models.TextField()
    purpose = models.TextField()  # "training", ...
    usd = models.FloatField("USD")
    spent_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "spend"
        ordering = ["-spent_at", "-id"]

    def __str__(self) -> str:
        return self.key


class BudgetAlert(models.Model):
    """That a budget was found used up to a level in one of its days or months. It is told once. See budgets."""

    tasks = models.TextField()  # as in BUDGETS: a task, "prefix*" or "*"
    period = models.TextField()  # "DAY" or "MONTH"
    begins_at = models.DateTimeField()  # the day or month
    percent = models.IntegerField()  # the level that was reached
    limit_usd = models.FloatField("limit (USD)")
    spent_usd = models.FloatField("spent (USD)")
    alerted_at = models.DateTimeField()

    class Meta:
        ordering = ["-alerted_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["tasks", "period", "begins_at", "percent"], name="one_alert_once")
        ]

    def __str__(self) -> str:
        return f"{self.tasks} {self.period} {self.begins_at:%Y-%m-%d} {self.percent} %"


class Route(models.Model):
    """Who answers the calls of a task, or those that name an alias. See routing.service, which alone writes it.

    Processes read what is published, and not this: see routing.board.
    """

    name = models.TextField(primary_key=True)  # a task, or an alias
    config = models.JSONField(null=True)  # see routing.config; None: as ROUTES in the settings has it
    version = models.BigIntegerField()  # of the change that it is the result of
    effective = models.BigIntegerField()  # the version whose configuration that is: an earlier one after a roll back
    changed_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class RouteChange(models.Model):
    """One change of a route. The trail is only ever added to."""

    route = models.TextField()
    version = models.BigIntegerField()  # 1, 2, 3, ...
    before = models.JSONField(null=True)  # None: as in the settings
    after = models.JSONField(null=True)
    # The version that this went back to; 0: that before all changes. None: it is a change of its own.
    restores = models.BigIntegerField(null=True)
    changed_by = models.TextField()  # a user's name, or what changed it by itself
    changed_at = models.DateTimeField(db_index=True)
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ["-changed_at", "-version"]
        constraints = [models.UniqueConstraint(fields=["route", "version"], name="one_route_version_once")]

    def __str__(self) -> str:
        return f"{self.route} {self.version}"


class RouteMinute(models.Model):
    """How the calls of a route to one target ended, noted once a minute. See routing.outcomes."""

    route = models.TextField()
    provider = models.TextField()
    model_name = models.TextField("model")
    minute = models.DateTimeField()  # in which they were noted
    answered = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["route", "provider", "model_name", "minute"], name="one_minute_once")
        ]
        indexes = [models.Index(fields=["minute"], name="route_minute")]

    def __str__(self) -> str:
        return f"{self.route} {self.provider}/{self.model_name} {self.minute}"
