"""What is cleared away, and how far that is."""

from django.db import models

from continuous_training.models.runs import TrainedModel


class ModelRemoval(models.Model):
    """A trained model that nobody will reach any more: decided in one moment, and done by and by.

    From the decision on the model counts as removed. What is left of it, here or at a service, goes with this run of
    `cleanup_models` or with a later one.
    """

    trained_model = models.OneToOneField(TrainedModel, models.PROTECT, primary_key=True, related_name="removal")
    decided_at = models.DateTimeField()
    decided_by = models.TextField()
    finished_at = models.DateTimeField(null=True)
    problem = models.TextField(blank=True)  # why the last try did not finish it

    class Meta:
        ordering = ["-decided_at"]

    def __str__(self) -> str:
        return str(self.trained_model_id)
