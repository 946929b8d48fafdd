"""What is remembered of users' exchanges, and where it was said again."""

from django.db import models


class Memory(models.Model):
    """One exchange of one user: its summary, and where that lies in the embedding's space."""

    example_id = models.TextField(primary_key=True)
    user_id = models.TextField(db_index=True)
    conversation_id = models.TextField(blank=True)  # within which it is not recalled: it stands there
    summary = models.TextField(blank=True)  # one line, redacted; "": there was nothing to remember
    embedding = models.BinaryField()  # float32, normalised, little-endian
    embedder = models.TextField(blank=True)  # which made it: vectors of two are not comparable
    created_at = models.DateTimeField(db_index=True)  # of the exchange

    class Meta:
        verbose_name_plural = "memories"
        indexes = [models.Index(fields=["user_id", "embedder", "created_at"], name="memory_user")]

    def __str__(self) -> str:
        return self.example_id


class Repetition(models.Model):
    """An example that says again what another said: the call that summarised it, or one that had it recalled.

    It outlives the memory, for it must be found when that other example is to be forgotten.
    """

    example_id = models.TextField()
    of_example_id = models.TextField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["example_id", "of_example_id"], name="repeated_once")]

    def __str__(self) -> str:
        return f"{self.example_id}: {self.of_example_id}"
