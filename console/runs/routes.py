"""Which provider and model answer which calls, and which did.

What holds now is asked of capture_app.routes, name by name, so a route shows wherever that finds it.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

from django.db.models import Max, Min, Sum
from django.utils.module_loading import import_string

from capture_app.conf import capture_settings
from capture_app.exceptions import CaptureConfigurationError
from capture_app.routes import resolve_route
from console.models import DailyFigure

MOST_LINES: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteLine:
    """Where the calls of a task or an alias go. Neither keys nor addresses of a provider are in it."""

    name: str  # "": every other call
    provider: str
    model: str  # "": the provider chooses
    problem: str  # why calls of it fail; "" when they do not


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderLine:
    """A provider that is configured."""

    name: str
    backend: str  # dotted path of its class
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredLine:
    """A model that answered a task, as captured examples have it."""

    task: str
    model: str
    first: date
    last: date
    examples: str  # how many, with thousands separated


def route_lines() -> list[RouteLine]:
    """Those of ROUTES by name, and last where every other call goes."""
    return [*(_line(name) for name in sorted(capture_settings().routes)), _line("")]


def provider_lines() -> list[ProviderLine]:
    conf = capture_settings()
    return [
        ProviderLine(name=name, backend=str(config.get("BACKEND", "")), problem=_backend_problem(name))
        for name, config in sorted(conf.providers.items())
    ]


def answered_lines() -> list[AnsweredLine]:
    """By task, the model that began last first. At most MOST_LINES."""
    pairs = (
        DailyFigure.objects.filter(grouping=DailyFigure.Grouping.TASK_AND_MODEL)
        .values_list("task", "model_name")
        .annotate(first=Min("day"), last=Max("day"), count=Sum("examples"))
        .order_by("task", "-first", "model_name")[:MOST_LINES]
    )
    return [
        AnsweredLine(task=task, model=model, first=first, last=last, examples=f"{count:,}")
        for task, model, first, last, count in pairs
    ]


def _line(name: str) -> RouteLine:
    try:
        route = resolve_route(task=name or None, model=None)
    except CaptureConfigurationError:
        provider = str(capture_settings().routes[name].get("PROVIDER", ""))
        return RouteLine(name=name, provider=provider, model="", problem=_backend_problem(provider))
    return RouteLine(name=name, provider=route.provider, model=route.model, problem=_backend_problem(route.provider))


def _backend_problem(provider: str) -> str:
    config = capture_settings().providers.get(provider)
    if config is None:
        return "PROVIDERS has none of that name"
    try:
        import_string(str(config.get("BACKEND", "")))
    except Exception:  # importing foreign code may raise anything, and this page shall say so
        return "its BACKEND cannot be loaded"
    return ""
