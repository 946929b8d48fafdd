"""Training runs, and the models that came of them."""

from django.db import models


class TrainingRun(models.Model):
    """One fine-tuning, from its request to its model. `training.runs` moves it from state to state."""

    class State(models.TextChoices):
        QUEUED = "queued"
        PREPARING = "preparing"  # the data are checked and made ready, or uploaded
        TRAINING = "training"
        FINISHING = "finishing"  # the model is written down, or fetched, and described
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"

    id = models.TextField(primary_key=True)  # "<task>_<YYYY>w<WW>-<six hex digits>"
    task = models.TextField(db_index=True)
    trainer = models.TextField()  # a key of CONTINUOUS_TRAINING["TRAINERS"]
    base_model = models.TextField()
    state = models.TextField(choices=State, default=State.QUEUED, db_index=True)
    device = models.TextField(blank=True)  # of its trainer
    data = models.JSONField(default=dict)  # see training.data.Staged.facts: files with their SHA-256, pairs
    options = models.JSONField(default=dict)  # of the trainer
    job = models.JSONField(default=dict)  # what the trainer needs to go on: remote ids, checkpoint
    progress = models.JSONField(default=dict)  # step, steps, loss
    trained = models.JSONField(default=dict)  # what the trainer returned, before it is written down as a model
    metrics = models.JSONField(default=dict)  # what came of it: losses, seconds, tokens
    cost_usd = models.FloatField(null=True)
    requested_by = models.TextField()
    requested_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)  # of the worker that has it
    worker = models.TextField(blank=True)  # "": nobody has it
    next_at = models.DateTimeField(null=True)  # there is nothing to do before
    failures = models.IntegerField(default=0)  # in a row, that were no verdict on the run: it was tried again
    cancel_requested_at = models.DateTimeField(null=True)
    cancel_requested_by = models.TextField(blank=True)
    problem = models.TextField(blank=True)  # why it failed, or waits

    class Meta:
        ordering = ["-requested_at"]
        indexes = [models.Index(fields=["state", "device", "requested_at"], name="run_queue")]

    def __str__(self) -> str:
        return self.id


class TrainedModel(models.Model):
    """A model that came of a run, under the name by which call_llm reaches it."""

    id = models.TextField(primary_key=True)  # the run's
    run = models.OneToOneField(TrainingRun, models.PROTECT, related_name="model")
    task = models.TextField(db_index=True)
    provider = models.TextField()  # a key of TRAINING_CAPTURE["PROVIDERS"]
    model = models.TextField()  # what that provider is asked for
    folder = models.TextField(blank=True)  # of a local one
    bytes = models.BigIntegerField(default=0)
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)  # by `cleanup_models`; the row stays

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.id
