"""Bring captured calls from this host's disk into the Redis stream that all hosts share."""

from typing import Any, Final

from capture_app.inbox.base import ForwardingBusy, ForwardReport
from capture_app.management.service_command import ServiceCommand
from capture_app.progress import Progress
from capture_app.services import forward_captures
from capture_app.wording import counted

BUSY: Final = 75  # EX_TEMPFAIL: try again later


class Command(ServiceCommand):
    help = (
        "Bring calls that were captured while Redis was away from this host's spool into the stream. Processes that "
        "capture do so by themselves once Redis is back; this is for a host that no longer captures, and for cron."
    )

    requires_migrations_checks = False  # it needs Redis alone

    def call(self, progress: Progress, options: dict[str, Any]) -> ForwardReport:
        return forward_captures()

    def show(self, result: ForwardReport) -> None:
        if not result.segments:
            self.stdout.write("The local spool is empty: nothing to forward.")
            return
        self.stdout.write(f"Forwarded {counted(result.records, 'record')} in {result.seconds:.2f} s.")

    def exit_code(self, error: Exception) -> int:
        return BUSY if isinstance(error, ForwardingBusy) else super().exit_code(error)
