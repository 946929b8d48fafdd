"""The daily exports, and what became of each example."""

from typing import Final

from django.db import models

# In `left_out`, of an example that was erased on request. Its row stays: by it one knows which models learnt from it.
FORGOTTEN: Final = "forgotten"


class FinetuneExport(models.Model):
    """One run of `export_finetune` that wrote something."""

    class State(models.TextChoices):
        STAGING = "staging"  # nothing is decided; killed there, the next run removes it with what it wrote
        PUBLISHING = "publishing"  # all is decided; killed there, the next run goes on
        DONE = "done"

    id = models.TextField(primary_key=True)  # "fine_tune_2026-11-21", and "-2" behind it for another of that day
    created_at = models.DateTimeField()
    folder = models.TextField()
    state = models.TextField(choices=State, default=State.STAGING)
    files = models.JSONField(default=list)  # name, bytes, sha256 and pairs of each
    pairs = models.BigIntegerField(default=0)
    counts = models.JSONField(default=dict)  # why what was left out was left out, and what was redacted

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.id


class ExportedExample(models.Model):
    """An example that an export has taken, or has judged not to be a pair. It is not taken again.

    Unless people judge it anew: then its pair leaves the master files, and what it is now is exported.
    """

    id = models.TextField(primary_key=True)  # the example's
    export = models.ForeignKey(FinetuneExport, models.CASCADE, null=True, related_name="examples")  # None: left out
    task = models.TextField()
    pair_hash = models.TextField(blank=True, db_index=True)  # SHA-256 of the redacted pair's line; "": it is no pair
    left_out = models.TextField(blank=True)  # why; "": it is in the master files
    judged_at = models.DateTimeField(null=True)  # when people last judged it, as the export knew
    # Keyed hashes of whose it was, by which it is found after the example itself was pruned. "": nobody's.
    user_key = models.TextField(blank=True)
    conversation_key = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["id"], name="exported_judged", condition=models.Q(judged_at__isnull=False)),
            models.Index(fields=["user_key"], name="exported_user", condition=~models.Q(user_key="")),
            models.Index(
                fields=["conversation_key"], name="exported_conversation", condition=~models.Q(conversation_key="")
            ),
        ]

    def __str__(self) -> str:
        return self.id
