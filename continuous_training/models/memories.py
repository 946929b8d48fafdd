"""What is remembered of a user's exchanges."""

from django.db import models


class Memory(models.Model):
    """One exchange of one user: its summary, and where that lies in the embedding's space."""

    example_id = models.TextField(primary_key=True)
    user_id = models.TextField(db_index=True)
    summary = models.TextField()
    embedding = models.BinaryField()  # float32, normalised, little-endian
    embedder = models.TextField()  # which made it: vectors of two are not comparable
    created_at = models.DateTimeField()  # of the exchange

    class Meta:
        verbose_name_plural = "memories"
        indexes = [models.Index(fields=["user_id", "embedder", "created_at"], name="memory_user")]

    def __str__(self) -> str:
        return self.example_id
