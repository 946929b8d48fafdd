"""Let nobody in with a token any more."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser

from capture_app.api_tokens import revoke_token
from capture_app.management.service_command import ServiceCommand
from capture_app.progress import Progress


@dataclass(frozen=True, slots=True)
class Revoked:
    """A token that is good for nothing."""

    name: str
    revoked_at: datetime


class Command(ServiceCommand):
    help = "Let nobody in with the token of this name any more. What it has sent stays. Revoking it again is no error."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME", help="as it was given to create_api_token")

    def call(self, progress: Progress, options: dict[str, Any]) -> Revoked:
        return Revoked(options["name"], revoke_token(options["name"]))

    def show(self, result: Revoked) -> None:
        self.stdout.write(f"{result.name} is revoked since {result.revoked_at:%Y-%m-%d %H:%M} UTC.")
