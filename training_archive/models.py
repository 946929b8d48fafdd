"""What Django's database knows of the archive: which chunk each generation of the live database became."""

from django.db import models


class ArchivedChunk(models.Model):
    """One chunk in a ZIP. Made from its sidecar, and can be made again: the ZIP is what counts."""

    name = models.TextField(primary_key=True)
    generation = models.TextField(db_index=True)  # ExampleIndex.generation of its examples
    zip_name = models.TextField("ZIP")
    rows = models.BigIntegerField()
    size = models.BigIntegerField("size (bytes)")
    sha256 = models.TextField()
    first_created_at = models.DateTimeField(null=True)
    last_created_at = models.DateTimeField(null=True)
    archived_at = models.DateTimeField()

    class Meta:
        ordering = ["-name"]

    def __str__(self) -> str:
        return self.name
