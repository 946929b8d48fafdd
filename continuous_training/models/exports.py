"""The daily exports, and what each took."""

from django.db import models


class FinetuneExport(models.Model):
    """One run of `export_finetune` that wrote something."""

    id = models.TextField(primary_key=True)  # "fine_tune_2026-11-21", and "-2" behind it for another of that day
    created_at = models.DateTimeField()
    folder = models.TextField()
    files = models.JSONField(default=list)  # name, bytes, sha256 and pairs of each
    pairs = models.BigIntegerField(default=0)
    counts = models.JSONField(default=dict)  # why what was left out was left out, and what was redacted

    def __str__(self) -> str:
        return self.id


class ExportedExample(models.Model):
    """An example that an export has taken, or has judged once and for all not to be a pair. It is not taken again."""

    id = models.TextField(primary_key=True)  # the example's
    export = models.ForeignKey(FinetuneExport, models.CASCADE, related_name="examples")
    pair_hash = models.TextField(blank=True, db_index=True)  # of the redacted pair; "": it was left out

    def __str__(self) -> str:
        return self.id
