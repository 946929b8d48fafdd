"""Make a token with which a program may use the API."""

from typing import Any

from django.core.management.base import CommandParser

from capture_app.api_tokens import NewToken, create_token, known_scopes
from capture_app.management.service_command import ServiceCommand
from capture_app.progress import Progress

_DAYS = 365


class Command(ServiceCommand):
    help = (
        "Make a token with which a program may use the API, and print it, this once: Gleaner keeps no more than its "
        "SHA-256. The program sends `Authorization: Bearer TOKEN`. `manage.py revoke_api_token NAME` ends it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME", help="what feedback names as its source; a name is used once")
        allowed = "; ".join(f"{scope}: may {about}" for scope, about in known_scopes().items())
        parser.add_argument(
            "--scope",
            action="append",
            required=True,
            choices=known_scopes(),
            dest="scopes",
            help=f"what it is good for; may be repeated. {allowed}",
        )
        parser.add_argument("--days", type=int, default=_DAYS, help=f"how long; 0 for ever, default {_DAYS}")

    def call(self, progress: Progress, options: dict[str, Any]) -> NewToken:
        return create_token(options["name"], scopes=options["scopes"], days=options["days"])

    def show(self, result: NewToken) -> None:
        until = f"until {result.expires_at:%Y-%m-%d %H:%M} UTC" if result.expires_at else "until it is revoked"
        self.stdout.write(f"{result.name} may now use: {', '.join(result.scopes)}, {until}. It is shown only now:")
        self.stdout.write(result.token)
