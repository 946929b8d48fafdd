"""Change where the calls of a task go."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from capture_app.management.service_command import ServiceCommand
from capture_app.models import RouteChange
from capture_app.progress import Progress
from capture_app.routing.config import RouteConfig, parse_route
from capture_app.routing.describing import describe_target
from capture_app.routing.service import clear_route, roll_back, set_route


class Command(ServiceCommand):
    help = (
        "Have the calls of a task, or of an alias, answered by other models, in every process within seconds. A target "
        "is PROVIDER/MODEL, with its weight behind it where there are several: local/shop_2026w47=5."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", help="a task or an alias")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--target", action="append", metavar="P/M[=W]", help="who answers; may be repeated")
        what.add_argument("--clear", action="store_true", help="go by the settings again")
        what.add_argument("--roll-back", action="store_true", help="undo the last change that is not undone yet")
        parser.add_argument("--fallback", metavar="P/M", help="who answers when the chosen one fails")
        parser.add_argument("--vision", metavar="P/M", help="who answers calls with images")
        parser.add_argument("--shadow", metavar="P/M", help="who is asked as well, and only recorded")
        parser.add_argument("--shadow-share", type=float, default=1.0, help="of the calls, 0 to 1; all by default")
        parser.add_argument("--not-sticky", action="store_true", help="draw each call, not each conversation")
        parser.add_argument("--by", required=True, help="who changes it, for the route's history")
        parser.add_argument("--reason", default="", help="and why")

    def call(self, progress: Progress, options: dict[str, Any]) -> RouteChange:
        said = {"by": options["by"], "reason": options["reason"]}
        if options["clear"]:
            return clear_route(options["name"], **said)
        if options["roll_back"]:
            return roll_back(options["name"], **said)
        return set_route(options["name"], _config(options), **said)

    def as_json(self, result: RouteChange) -> Any:
        return {"route": result.route, "version": result.version, "before": result.before, "after": result.after}

    def show(self, result: RouteChange) -> None:
        self.stdout.write(f"{result.route}, version {result.version}: {describe_target(result.after)}")


def _config(options: dict[str, Any]) -> RouteConfig:
    others = {name: _target(options[name]) for name in ("fallback", "vision", "shadow") if options[name]}
    said = {"targets": [_share(each) for each in options["target"]], "sticky": not options["not_sticky"], **others}
    return parse_route(said | ({"shadow_share": options["shadow_share"]} if options["shadow"] else {}))


def _share(text: str) -> dict[str, Any]:
    name, equals, weight = text.rpartition("=")
    if not equals:
        return _target(text)
    try:
        return {**_target(name), "weight": float(weight)}
    except ValueError as error:
        raise CommandError(f"{weight!r} is no weight, in {text!r}. Nothing was changed.") from error


def _target(text: str) -> dict[str, Any]:
    provider, slash, model = text.partition("/")
    if not slash:
        raise CommandError(f"{text!r} is no target: it is PROVIDER/MODEL. Nothing was changed.")
    return {"provider": provider, "model": model}
