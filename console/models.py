"""Who may do what, and who did what."""

from django.db import models


class Access(models.Model):
    """No table: what the console's permissions hang on."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("view_figures", "Can see figures: the dashboard, runs, and examples without their text"),
            ("view_text", "Can read what was asked and answered"),
            ("review_examples", "Can judge, correct and tag examples"),
            ("export_examples", "Can export examples"),
            ("forget_examples", "Can erase examples"),
            ("run_archive", "Can start archive runs and verifications"),
            ("change_routes", "Can undo a change of which model answers"),
            ("replay_calls", "Can send a recorded call to a model again"),
            ("view_audit", "Can see who did what"),
        ]

    def __str__(self) -> str:
        return "access to the console"


class AuditEvent(models.Model):
    """Who did what, when, to which examples. It holds no text of theirs, is written once, and changed by nobody."""

    at = models.DateTimeField(db_index=True)
    user = models.TextField(db_index=True)  # a name: it outlives the account
    action = models.TextField(db_index=True)
    example = models.TextField(blank=True, db_index=True)  # the id, when it was one
    examples = models.BigIntegerField(default=1)  # how many
    details = models.JSONField(default=dict)

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.user}: {self.action}"


class ActionRun(models.Model):
    """An export, or a request to forget, that was asked for on a page: for people to watch. See actions.runs."""

    class Kind(models.TextChoices):
        EXPORT = "export"
        FORGET = "forget"

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    kind = models.TextField(choices=Kind)
    state = models.TextField(choices=State, default=State.QUEUED)
    requested_by = models.TextField()  # a user's name
    requested_at = models.DateTimeField(db_index=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)  # when it last said how far it is
    step = models.TextField(blank=True)  # what it is at, in words
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)  # of the step's own unit; 0: not known
    examples = models.BigIntegerField()  # how many were picked
    ids = models.JSONField(default=list)  # which; emptied once they are dealt with
    choices = models.JSONField(default=dict)  # what the form said besides
    result = models.JSONField(default=dict)  # figures and names, no text of examples
    problem = models.TextField(blank=True)

    class Meta:
        ordering = ["-requested_at", "-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.requested_at:%Y-%m-%d %H:%M}"


class DailyFigure(models.Model):
    """What the calls of one UTC day add up to: all of them, those of a task, of a model, or of a task with a model.

    Made from ExampleIndex by figures/refresh.py and by nothing else, so it is the only copy of nothing.
    """

    class Grouping(models.IntegerChoices):
        ALL = 0
        TASK = 1
        MODEL = 2
        TASK_AND_MODEL = 3

    grouping = models.SmallIntegerField(choices=Grouping)
    day = models.DateField()
    task = models.TextField(blank=True)  # "" also where the grouping names none
    model_name = models.TextField(blank=True)
    examples = models.BigIntegerField()
    input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    cost_usd = models.FloatField()
    priced = models.BigIntegerField()  # examples whose cost is known
    # JSON, bucket -> examples; see figures/histogram.py. A text, for a page reads thousands, and orjson is fast.
    latencies = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["grouping", "task", "model_name", "day"], name="one_figure_a_day")
        ]
        indexes = [
            # The most frequent names are read from it alone.
            models.Index(fields=["grouping", "day", "task", "model_name", "examples"], name="figures_of_days")
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.get_grouping_display()}: {self.examples}"


class FiguredDay(models.Model):
    """A day that was counted, also one without examples, and what tells whether its index rows are still the same."""

    day = models.DateField(primary_key=True)
    examples = models.BigIntegerField()
    checksum = models.BigIntegerField()  # over the times of its index rows
    is_cut = models.BooleanField()  # it had more tasks or models than are counted one by one
    counted_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.day)


class SearchEntry(models.Model):
    """An example whose preview can be searched: the number under which the words are kept. See examples/search.

    Numbers go up as entries are made, which is by time, except for examples that came late.
    """

    example_id = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["example_id"], name="one_search_entry_each")]

    def __str__(self) -> str:
        return self.example_id
