"""Who let which model answer which task, and why."""

from django.db import models

from continuous_training.models.evaluations import Evaluation
from continuous_training.models.runs import TrainedModel


class Promotion(models.Model):
    """A candidate that is to answer a task: judged by the gate, decided by a person, perhaps rolled back.

    `promotion.service` alone writes it. What it did to the route is in the route's own history, too.
    """

    class State(models.TextChoices):
        REFUSED = "refused"  # by the gate
        PROPOSED = "proposed"  # the gate let it through; a person has to decide
        APPROVED = "approved"
        REJECTED = "rejected"  # by a person
        ROLLED_BACK = "rolled back"
        REPLACED = "replaced"  # a later one of the task was approved

    task = models.TextField(db_index=True)
    # None: the candidate was not trained here.
    trained_model = models.ForeignKey(TrainedModel, models.PROTECT, null=True, related_name="promotions")
    evaluation = models.OneToOneField(Evaluation, models.PROTECT, related_name="promotion")
    provider = models.TextField()  # of the candidate
    model_name = models.TextField("model", blank=True)
    state = models.TextField(choices=State, db_index=True)
    gate = models.JSONField(default=list)  # see promotion.gate.Check: what was asked, what was found, whether it holds
    data = models.JSONField(default=dict)  # what the model was trained on, as its run has it
    metrics = models.JSONField(default=dict)  # of the evaluation
    share = models.FloatField("percent of the calls", default=0.0)  # that it answers now
    route_from = models.JSONField(null=True)  # the route's configuration before it; None: as in the settings
    route_to = models.JSONField(null=True)  # and with it
    route_version = models.BigIntegerField(null=True)  # of the change that made it so
    proposed_by = models.TextField()
    proposed_at = models.DateTimeField()
    decided_by = models.TextField(blank=True)
    decided_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True)
    ended_by = models.TextField(blank=True)  # who rolled it back, or replaced it
    ended_at = models.DateTimeField(null=True)
    ended_why = models.TextField(blank=True)

    class Meta:
        ordering = ["-proposed_at"]
        permissions = [("decide_promotion", "Can let a model answer a task, and roll it back")]
        constraints = [
            models.UniqueConstraint(
                fields=["task"], condition=models.Q(state="approved"), name="one_promotion_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.task}: {self.provider}/{self.model_name}"
