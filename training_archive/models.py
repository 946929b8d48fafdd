"""What Django's database knows of the archive: its chunks and runs, the data sets made from it, and what was erased."""

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


class ArchiveRun(models.Model):
    """One run over the archive, for people to watch and look up. The job's own state is in capture_app's Job.

    See runs, which alone writes it. It holds no content of examples.
    """

    class Kind(models.TextChoices):
        ARCHIVE = "archive"
        VERIFY = "verify", "Verification"

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        REFUSED = "refused"  # another run was at work
        CANCELLED = "cancelled"  # before a worker took it
        LOST = "lost"  # its process is gone

    kind = models.TextField(choices=Kind)
    state = models.TextField(choices=State, db_index=True)
    requested_by = models.TextField()  # a user's name; "schedule"; "shell"
    requested_at = models.DateTimeField(db_index=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)  # when it last said how far it is
    host = models.TextField(blank=True)  # where it is at work, or was
    process = models.BigIntegerField(null=True)  # its id there
    step = models.TextField(blank=True)  # what it is at, in words
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)  # of the step's own unit; 0: not known
    steps = models.JSONField(default=list)  # {"step", "times", "seconds"} of each, in their order
    rows = models.BigIntegerField(null=True)
    chunks = models.BigIntegerField(null=True)
    bytes_before = models.BigIntegerField(null=True)  # of all ZIPs together, at its beginning
    bytes = models.BigIntegerField(null=True)  # at its end
    problems = models.BigIntegerField(null=True)  # that a verification found
    findings = models.JSONField(default=list)  # the first of them: {"zip_name", "member", "reason"}
    log = models.TextField(blank=True)
    problem = models.TextField(blank=True)  # why it did not succeed: names of errors

    class Meta:
        ordering = ["-requested_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["kind"], condition=models.Q(state="queued"), name="one_queued_of_a_kind")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.requested_at:%Y-%m-%d %H:%M}"

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it is not over, or when it never began."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


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
