"""Which provider and model answer which calls, and which did.

What holds is what the settings and Django's database say; processes follow that within seconds.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import router, transaction
from django.db.models import Max, Min, Sum
from django.utils.module_loading import import_string

from capture_app.conf import capture_settings
from capture_app.models import RouteChange
from capture_app.routing.describing import RouteState, describe_routes, describe_target
from capture_app.routing.service import roll_back
from capture_app.shown import visible
from console import audit
from console.models import DailyFigure

MOST_LINES: Final = 500
MOST_CHANGES: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteLine:
    """Where the calls of a task or an alias go. Neither keys nor addresses of a provider are in it."""

    name: str  # "": every other call
    provider: str  # of the largest share, as the model is
    model: str  # "": the provider chooses
    problem: str  # why calls of it fail; "" when they do not
    told: str = ""  # the whole of a stored route; "": it goes by the settings
    version: int = 0  # of its last change; 0: there was none
    is_undoable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLine:
    """One change of a route."""

    route: str
    version: int
    changed_at: datetime
    changed_by: str
    before: str
    after: str
    restores: int | None
    reason: str


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
    """Those of ROUTES and those that are stored by name, and last where every other call goes."""
    return [_line(state) for state in describe_routes()]


def change_lines() -> list[ChangeLine]:
    """Of all routes, the newest first. At most MOST_CHANGES."""
    return [
        ChangeLine(
            route=change.route,
            version=change.version,
            changed_at=change.changed_at,
            changed_by=change.changed_by,
            before=visible(describe_target(change.before)),
            after=visible(describe_target(change.after)),
            restores=change.restores,
            reason=visible(change.reason),
        )
        for change in RouteChange.objects.all()[:MOST_CHANGES]
    ]


def undo_change(name: str, user: AbstractBaseUser | AnonymousUser, *, version: int) -> RouteChange:
    """Undo the route's last change, if that is the version still. Raises WrongRoute."""
    with transaction.atomic(using=router.db_for_write(RouteChange)):
        change = roll_back(
            name, by=user.get_username(), reason="undone on the page of routes", expected_version=version
        )
        audit.note(user, audit.ROUTED, examples=0, details={"route": name, "version": change.version})
    return change


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


def _line(state: RouteState) -> RouteLine:
    main = max(state.config["targets"], key=lambda target: target["weight"])
    return RouteLine(
        name=state.name,
        provider=main["provider"],
        model=main["model"],
        problem=next((why for name in _providers_of(state) if (why := _backend_problem(name))), ""),
        told=visible(describe_target(state.config)) if state.is_stored else "",
        version=state.version,
        is_undoable=state.is_undoable,
    )


def _providers_of(state: RouteState) -> list[str]:
    """Also of a route in the settings that nobody could follow."""
    others = [state.config[role] for role in ("fallback", "vision", "shadow") if state.config.get(role)]
    return sorted({target["provider"] for target in [*state.config["targets"], *others]})


def _backend_problem(provider: str) -> str:
    config = capture_settings().providers.get(provider)
    if config is None:
        return "PROVIDERS has none of that name"
    try:
        import_string(str(config.get("BACKEND", "")))
    except Exception:  # importing foreign code may raise anything, and this page shall say so
        return "its BACKEND cannot be loaded"
    return ""
