"""The read model of captured examples, in Django's own database."""

from django.db import models


class ExampleIndex(models.Model):
    """One row per example, for browsing, filtering and lineage. The whole text is in the live database or its chunk.

    Filled by the drain, and made anew from the DuckDB files by `rebuild_example_index`: nothing here is the only copy.
    """

    id = models.TextField(primary_key=True)
    created_at = models.DateTimeField(db_index=True)
    task = models.TextField(db_index=True)
    provider = models.TextField()
    model_name = models.TextField("model")
    input_tokens = models.BigIntegerField(null=True)
    output_tokens = models.BigIntegerField(null=True)
    latency_ms = models.BigIntegerField("latency (ms)", null=True)
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

    def __str__(self) -> str:
        return f"{self.task} {self.id}"
