"""Say where calls go, and how that came about."""

from typing import Any

from django.core.management.base import CommandParser

from capture_app.management.service_command import ServiceCommand
from capture_app.progress import Progress
from capture_app.routing.describing import RouteState, describe_routes, describe_target


class Command(ServiceCommand):
    help = (
        "Say which provider and model answer the calls of each task or alias, by TRAINING_CAPTURE[ROUTES] or by a "
        "stored route, which wins. With a name, its changes as well."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", nargs="?", default="", help="a task or an alias")

    def call(self, progress: Progress, options: dict[str, Any]) -> list[RouteState]:
        return describe_routes(options["name"])

    def as_json(self, result: list[RouteState]) -> Any:
        return {"routes": result}

    def show(self, result: list[RouteState]) -> None:
        for state in result:
            origin = f"version {state.version}" if state.is_stored else "settings"
            self.stdout.write(f"{state.name or 'every other call'} ({origin}): {describe_target(state.config)}")
            for change in state.changes:
                undone = "" if change.restores is None else f", back to version {change.restores}"
                self.stdout.write(
                    f"  {change.version}  {change.changed_at:%Y-%m-%d %H:%M} UTC  {change.changed_by}{undone}  "
                    f"{describe_target(change.after)}  {change.reason}".rstrip()
                )
