"""System checks: what is wrong with TRAINING_CAPTURE, said at start and not at the first call."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string

from capture_app.conf import DEFAULT_PROVIDERS, KEYS, SETTING
from capture_app.inbox.base import Inbox
from capture_app.providers.base import Provider

_MOST_USD = 1e12  # what is above it, as infinity is, was not meant

# Carried by every check of Gleaner's settings: `manage.py check --tag gleaner`, and what its commands begin with.
TAG: Final = "gleaner"


@register(TAG)
def check_capture_settings(**kwargs: Any) -> list[CheckMessage]:
    """All that is wrong at once, ids capture_app.E001 to E013."""
    raw = getattr(settings, SETTING, {})
    if not isinstance(raw, Mapping):
        hint = f'{SETTING} = {{"DATA_DIR": BASE_DIR / "backups"}}'
        return [Error(f"{SETTING} is no dict.", hint=hint, id="capture_app.E001")]
    return [
        *_check_keys(raw),
        *_check_data_dir(raw),
        *_check_backends(raw),
        *_check_routes(raw),
        *_check_inbox(raw),
        *_check_sizes(raw),
        *_check_switches(raw),
        *_check_seconds(raw),
        *_check_functions(raw),
        *_check_prices(raw),
        *_check_budgets(raw),
    ]


def _check_keys(raw: Mapping[str, Any]) -> Iterator[Error]:
    for key in sorted(set(raw) - KEYS):
        yield Error(f"{SETTING} has no key {key!r}.", hint=f"It has {', '.join(sorted(KEYS))}.", id="capture_app.E001")


def _check_data_dir(raw: Mapping[str, Any]) -> Iterator[Error]:
    folder = raw.get("DATA_DIR")
    if not folder or not isinstance(folder, str | Path):
        yield Error(
            f"{SETTING} lacks DATA_DIR.",
            hint=f'Name the folder for captured calls: {SETTING} = {{"DATA_DIR": BASE_DIR / "backups"}}',
            id="capture_app.E002",
        )
    elif Path(folder).exists() and not Path(folder).is_dir():
        yield Error(
            f"{SETTING}['DATA_DIR'] is {str(folder)!r}, which is no folder.",
            hint="Name a folder, or one that can be made.",
            id="capture_app.E003",
        )
    elif not Path(folder).is_absolute():
        yield Error(
            f"{SETTING}['DATA_DIR'] is the relative path {str(folder)!r}.",
            hint="Make it absolute (BASE_DIR / ...): web server, worker and cron start in different folders.",
            id="capture_app.E003",
        )


def _check_backends(raw: Mapping[str, Any]) -> Iterator[Error]:
    providers = _providers(raw)
    for name, config in providers.items():
        backend = config.get("BACKEND") if isinstance(config, Mapping) else None
        problem = _class_problem(backend, Provider)
        if problem:
            yield Error(
                f"The BACKEND of provider {name!r} cannot be used: {problem}",
                hint="Give the dotted path of a subclass of capture_app.providers.base.Provider.",
                id="capture_app.E004",
            )
    default = raw.get("DEFAULT_PROVIDER", "openai")
    if not isinstance(default, str) or default not in providers:
        yield Error(
            f"DEFAULT_PROVIDER is {default!r}, which PROVIDERS lacks.",
            hint=f"PROVIDERS has {_names(providers)}.",
            id="capture_app.E005",
        )


def _check_routes(raw: Mapping[str, Any]) -> Iterator[Error]:
    providers, routes = _providers(raw), raw.get("ROUTES", {})
    for name, route in routes.items() if isinstance(routes, Mapping) else [("ROUTES", None)]:
        if not _is_route(route, providers):
            yield Error(
                f"Route {name!r} is {route!r}, which names no provider of PROVIDERS.",
                hint=f'A route is {{"PROVIDER": ..., "MODEL": ...}}; PROVIDERS has {_names(providers)}.',
                id="capture_app.E005",
            )


def _is_route(route: Any, providers: Mapping[str, Any]) -> bool:
    if not isinstance(route, Mapping) or not set(route) <= {"PROVIDER", "MODEL"}:
        return False
    return str(route.get("PROVIDER", "")) in {"", *providers}


def _check_inbox(raw: Mapping[str, Any]) -> Iterator[Error]:
    problem = _class_problem(raw["INBOX"], Inbox) if "INBOX" in raw else ""
    if problem:
        yield Error(
            f"INBOX cannot be used: {problem}",
            hint="Give the dotted path of a subclass of capture_app.inbox.base.Inbox.",
            id="capture_app.E006",
        )
    elif raw.get("INBOX", "").endswith("RedisStreamInbox") and not raw.get("REDIS_URL"):
        yield Error(
            "INBOX is the Redis stream, and REDIS_URL is not set.",
            hint=f"{SETTING}['REDIS_URL'] names the Redis that all hosts share: redis://host:6379/0",
            id="capture_app.E010",
        )


def _check_sizes(raw: Mapping[str, Any]) -> Iterator[Error]:
    for name in ("SEGMENT_BYTES", "MEMORY_MB", "BLOB_BYTES"):
        size = raw.get(name, 1)
        if type(size) is not int or size < 1:
            yield Error(f"{name} is {size!r}.", hint="It is a whole number, 1 or more.", id="capture_app.E007")


def _check_switches(raw: Mapping[str, Any]) -> Iterator[Error]:
    for name in ("BUDGET_MAIL", "FSYNC", "SPANS"):
        if not isinstance(raw.get(name, True), bool):
            yield Error(
                f"{name} is {raw[name]!r}.",
                hint='It is True or False; of a text such as "false", Python makes True.',
                id="capture_app.E011",
            )


def _check_seconds(raw: Mapping[str, Any]) -> Iterator[Error]:
    seconds = raw.get("MEMORY_SECONDS", 0.5)
    if type(seconds) not in (int, float) or not 0 < seconds <= 60:
        yield Error(
            f"MEMORY_SECONDS is {seconds!r}.",
            hint="It is how long a call waits for its memory: a number of seconds above 0, and 60 at most.",
            id="capture_app.E013",
        )


def _check_functions(raw: Mapping[str, Any]) -> Iterator[Error]:
    for name in ("REDACT", "USER_ID", "MEMORY"):
        dotted_path = raw.get(name) or ""
        problem = _import_problem(dotted_path) if dotted_path else ""
        if problem:
            yield Error(
                f"{name} cannot be used: {problem}",
                hint="Give the dotted path of a function; docs/formats.md says what it is given.",
                id="capture_app.E008",
            )


def _check_prices(raw: Mapping[str, Any]) -> Iterator[Error]:
    prices = raw.get("PRICES", {})
    for model, price in prices.items() if isinstance(prices, Mapping) else [("PRICES", prices)]:
        if not _is_price(price):
            yield Error(
                f"The price of {model!r} is {price!r}.",
                hint='A price is {"input": 0.15, "output": 0.6}, USD per million tokens; "cached_input" may be added.',
                id="capture_app.E009",
            )


def _is_price(price: Any) -> bool:
    if not isinstance(price, Mapping) or not {"input", "output"} <= set(price) <= {"input", "cached_input", "output"}:
        return False
    return all(isinstance(value, int | float) and value >= 0 for value in price.values())


def _check_budgets(raw: Mapping[str, Any]) -> Iterator[Error]:
    budgets = raw.get("BUDGETS", {})
    for tasks, budget in budgets.items() if isinstance(budgets, Mapping) else [("BUDGETS", budgets)]:
        if not _are_tasks(tasks) or not _is_budget(budget):
            yield Error(
                f"The budget of {tasks!r} is {budget!r}.",
                hint='A budget is "task": {"DAY": 2, "MONTH": 40}, USD, or one of the two; "*" at the end of the name, '
                "and nowhere else, stands for whatever follows.",
                id="capture_app.E012",
            )


def _are_tasks(tasks: Any) -> bool:
    return isinstance(tasks, str) and bool(tasks) and "*" not in tasks[:-1]


def _is_budget(budget: Any) -> bool:
    if not isinstance(budget, Mapping) or not budget or not set(budget) <= {"DAY", "MONTH"}:
        return False
    return all(type(usd) in (int, float) and 0 <= usd < _MOST_USD for usd in budget.values())


def _providers(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    providers = raw.get("PROVIDERS", DEFAULT_PROVIDERS)
    return providers if isinstance(providers, Mapping) else {str(providers): None}


def _names(providers: Mapping[str, Any]) -> str:
    return ", ".join(sorted(map(str, providers)))


def _class_problem(dotted_path: Any, base: type) -> str:
    problem = _import_problem(dotted_path)
    if problem:
        return problem
    found = import_string(dotted_path)
    return "" if isinstance(found, type) and issubclass(found, base) else f"{dotted_path} is no {base.__name__}"


def _import_problem(dotted_path: Any) -> str:
    if not isinstance(dotted_path, str):
        return f"{dotted_path!r} is no dotted path"
    try:
        found = import_string(dotted_path)
    except ImportError as error:
        return str(error)
    return "" if callable(found) else f"{dotted_path} cannot be called"
