"""Who let which model answer which task, and why."""

from django.db import models

from continuous_training.models.evaluations import Evaluation
from continuous_training.models.runs import TrainedModel


class Promotion(models.Model):
    """A candidate that is to answer a task: proposed by the gate, decided by a person, perhaps rolled back."""

    class State(models.TextChoices):
        REFUSED = "refused"  # by the gate
        PROPOSED = "proposed"  # the gate let it through; a person has to decide
        APPROVED = "approved"
        REJECTED = "rejected"  # by a person
        ROLLED_BACK = "rolled back"

    task = models.TextField(db_index=True)
    model = models.ForeignKey(TrainedModel, models.PROTECT, null=True, related_name="promotions")
    evaluation = models.OneToOneField(Evaluation, models.PROTECT, related_name="promotion")
    state = models.TextField(choices=State, db_index=True)
    gate = models.JSONField(default=dict)  # each threshold: what was asked, what was found, whether it holds
    data = models.JSONField(default=dict)  # what the model was trained on
    route_from = models.JSONField(default=dict)  # the route's configuration before and after
    route_to = models.JSONField(default=dict)
    proposed_at = models.DateTimeField()
    decided_by = models.TextField(blank=True)
    decided_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True)
    rolled_back_by = models.TextField(blank=True)
    rolled_back_at = models.DateTimeField(null=True)
    rolled_back_why = models.TextField(blank=True)

    class Meta:
        ordering = ["-proposed_at"]
        permissions = [("decide_promotion", "Can let a model answer a task, and roll it back")]

    def __str__(self) -> str:
        return f"{self.task}: {self.evaluation_id}"
