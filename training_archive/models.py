"""What Django's database knows of the archive: its chunks, the data sets made from it, and what was erased from it."""

from django.db import models


class ArchivedChunk(models.Model):
    """One chunk in a ZIP. Made from its sidecar, and can be made again: the ZIP is what counts."""

    name = models.TextField(primary_key=True)
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


class ArchivedGeneration(models.Model):
    """Which chunk a live database became: ExampleIndex names generations. A merged chunk holds several."""

    generation = models.TextField(primary_key=True)
    chunk = models.ForeignKey(ArchivedChunk, on_delete=models.CASCADE, related_name="generations")

    def __str__(self) -> str:
        return self.generation


class DatasetExport(models.Model):
    """A data set that was written from captured examples. Its own folder says all of it; this says where that is."""

    path = models.TextField(primary_key=True)  # the folder, absolute
    format = models.TextField()
    manifest = models.TextField()  # the manifest's file name in the folder
    lineage = models.TextField()  # the file name of the Parquet file that names the examples and their chunks
    rows = models.BigIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.path


class Erasure(models.Model):
    """A request to forget examples. It is pending until all of them are gone everywhere; the receipt is the proof."""

    id = models.TextField(primary_key=True)
    kind = models.TextField()  # user, conversation or id
    selector_hmac = models.TextField()  # of the value asked for, which itself is not kept
    requested_by = models.TextField()
    requested_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    examples = models.BigIntegerField(default=0)
    progress = models.JSONField(default=dict)  # what was removed where, for the receipt
    receipt = models.TextField(blank=True)  # its path, absolute, once it is written

    class Meta:
        ordering = ["-requested_at"]

    def __str__(self) -> str:
        return self.id
