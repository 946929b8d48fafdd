"""Who may do what, and who did what."""

from django.db import models


class Access(models.Model):
    """No table: what the console's permissions hang on."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("view_figures", "Can see figures: the dashboard, runs, and examples without their text"),
            ("view_text", "Can read what was asked and answered"),
            ("review_examples", "Can judge, correct and tag examples"),
            ("export_examples", "Can export examples"),
            ("forget_examples", "Can erase examples"),
            ("run_archive", "Can start archive runs and verifications"),
            ("replay_calls", "Can send a recorded call to a model again"),
            ("view_audit", "Can see who did what"),
        ]


class AuditEvent(models.Model):
    """Who did what, when, to which examples. It holds no text of theirs, is written once, and changed by nobody."""

    at = models.DateTimeField(db_index=True)
    user = models.TextField(db_index=True)  # a name: it outlives the account
    action = models.TextField(db_index=True)
    example = models.TextField(blank=True, db_index=True)  # the id, when it was one
    examples = models.BigIntegerField(default=1)  # how many
    details = models.JSONField(default=dict)

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.user}: {self.action}"
