"""Evaluations of a candidate beside its incumbent, item by item."""

from django.db import models


class HeldOutExample(models.Model):
    """A reviewed example that is asked in evaluations, and therefore never trained on."""

    id = models.TextField(primary_key=True)  # the example's
    task = models.TextField(db_index=True)
    content_hash = models.TextField(db_index=True)  # of its normalised prompt
    held_out_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.id


class Evaluation(models.Model):
    """One comparison on one gold set."""

    class State(models.TextChoices):
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    id = models.TextField(primary_key=True)
    task = models.TextField(db_index=True)
    # Provider and model of both; the incumbent's are "" where nothing answers the task yet.
    candidate_provider = models.TextField()
    candidate_model = models.TextField()
    incumbent_provider = models.TextField(blank=True)
    incumbent_model = models.TextField(blank=True)
    gold = models.JSONField(default=dict)  # where the items came from, how many, SHA-256 of all
    scorer = models.TextField()
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
    example_id = models.TextField(blank=True, db_index=True)  # of an item that is a held-out example
    category = models.TextField(blank=True)
    messages = models.JSONField()
    expected = models.TextField()
    # Of candidate and incumbent: text, score (0..1), latency_ms, cost_usd, error, example_id. {}: not asked yet.
    candidate = models.JSONField(default=dict)
    incumbent = models.JSONField(default=dict)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["evaluation", "number"], name="one_item_once")]

    def __str__(self) -> str:
        return f"{self.evaluation_id} {self.number}"
