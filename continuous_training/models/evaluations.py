"""Evaluations of a candidate beside its incumbent, item by item."""

from django.db import models


class HeldOutExample(models.Model):
    """A reviewed example that is asked in evaluations, and therefore never trained on.

    It is a copy: a comparison over months asks the same, even when the archive was pruned. `forget` erases it.
    """

    id = models.TextField(primary_key=True)  # the example's
    task = models.TextField(db_index=True)
    content_hash = models.TextField(db_index=True)  # of its normalised prompt
    messages = models.JSONField()  # what was asked, in chat form
    expected = models.TextField()  # the answer, corrected where it was; a later correction counts, see held_out
    category = models.TextField(blank=True)
    slot_specs = models.JSONField(default=dict)
    settings = models.JSONField(default=dict)  # parameters, tools and response_format of the call
    user_id = models.TextField(blank=True, db_index=True)  # whose it is, for `forget`
    conversation_id = models.TextField(blank=True, db_index=True)
    held_out_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.id


class Evaluation(models.Model):
    """One comparison on one gold set."""

    class State(models.TextChoices):
        RUNNING = "running"  # or killed, or stopped: the same request goes on with it
        DONE = "done"
        FAILED = "failed"

    id = models.TextField(primary_key=True)  # "eval-20261121T120000Z-<six hex digits>"
    task = models.TextField(db_index=True)
    # Provider and model of both; the incumbent's are "" where nothing answers the task yet.
    candidate_provider = models.TextField()
    candidate_model = models.TextField(blank=True)
    incumbent_provider = models.TextField(blank=True)
    incumbent_model = models.TextField(blank=True)
    gold = models.JSONField(default=dict)  # kind ("file", "held out"), name, sha256 of all items, items, left_out
    scorer = models.TextField()  # names, parted by commas; the first one decides
    state = models.TextField(choices=State, default=State.RUNNING)
    metrics = models.JSONField(default=dict)  # see evaluation.metrics
    requested_by = models.TextField()
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    problem = models.TextField(blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.id


class EvaluationItem(models.Model):
    """What both answered to one item, and their scores."""

    evaluation = models.ForeignKey(Evaluation, models.CASCADE, related_name="items")
    number = models.IntegerField()  # from 0 on, in the gold set's order
    example_id = models.TextField(blank=True, db_index=True)  # of an item that is an example
    category = models.TextField(blank=True)
    messages = models.JSONField()
    expected = models.TextField()
    slot_specs = models.JSONField(default=dict)
    settings = models.JSONField(default=dict)  # parameters, tools and response_format of the question
    # Of candidate and incumbent: text, model, latency_ms, input_tokens, output_tokens, cost_usd, or error; then score
    # (0..1, by the first scorer), scores and notes (by scorer). {}: not asked yet.
    candidate = models.JSONField(default=dict)
    incumbent = models.JSONField(default=dict)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["evaluation", "number"], name="one_item_once")]

    def __str__(self) -> str:
        return f"{self.evaluation_id} {self.number}"
