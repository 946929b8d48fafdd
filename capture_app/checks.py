"""System checks: what is wrong with TRAINING_CAPTURE, said at start and not at the first call."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string

from capture_app.conf import DEFAULT_PROVIDERS, KEYS, SETTING


@register()
def check_capture_settings(**kwargs: Any) -> list[CheckMessage]:
    """All that is wrong at once, ids capture_app.E001 to E006."""
    raw = getattr(settings, SETTING, {})
    if not isinstance(raw, Mapping):
        return [
            Error(
                f"{SETTING} is no dict.",
                hint=f'{SETTING} = {{"DATA_DIR": BASE_DIR / "backups"}}',
                id="capture_app.E001",
            )
        ]
    return [*_check_keys(raw), *_check_data_dir(raw), *_check_providers(raw), *_check_routes(raw), *_check_inbox(raw)]


def _check_keys(raw: Mapping[str, Any]) -> Iterator[Error]:
    for key in sorted(set(raw) - KEYS):
        yield Error(f"{SETTING} has no key {key!r}.", hint=f"It has {', '.join(sorted(KEYS))}.", id="capture_app.E001")


def _check_data_dir(raw: Mapping[str, Any]) -> Iterator[Error]:
    if "DATA_DIR" not in raw:
        yield Error(
            f"{SETTING} lacks DATA_DIR.",
            hint=f'Name the folder for captured calls: {SETTING} = {{"DATA_DIR": BASE_DIR / "backups"}}',
            id="capture_app.E002",
        )
    elif not Path(raw["DATA_DIR"]).is_absolute():
        yield Error(
            f"{SETTING}['DATA_DIR'] is the relative path {str(raw['DATA_DIR'])!r}.",
            hint="Make it absolute (BASE_DIR / ...): web server, worker and cron start in different folders.",
            id="capture_app.E003",
        )


def _check_providers(raw: Mapping[str, Any]) -> Iterator[Error]:
    providers = raw.get("PROVIDERS", DEFAULT_PROVIDERS)
    for name, config in providers.items():
        problem = _import_problem(config.get("BACKEND", ""))
        if problem:
            yield Error(
                f"The BACKEND of provider {name!r} cannot be used: {problem}",
                hint="Give the dotted path of a subclass of capture_app.providers.base.Provider.",
                id="capture_app.E004",
            )
    default = raw.get("DEFAULT_PROVIDER", "openai")
    if default not in providers:
        yield Error(
            f"DEFAULT_PROVIDER is {default!r}, which PROVIDERS lacks.",
            hint=f"PROVIDERS has {', '.join(sorted(providers))}.",
            id="capture_app.E005",
        )


def _check_routes(raw: Mapping[str, Any]) -> Iterator[Error]:
    providers = raw.get("PROVIDERS", DEFAULT_PROVIDERS)
    for name, route in raw.get("ROUTES", {}).items():
        if "PROVIDER" in route and route["PROVIDER"] not in providers:
            yield Error(
                f"Route {name!r} names the provider {route['PROVIDER']!r}, which PROVIDERS lacks.",
                hint=f"PROVIDERS has {', '.join(sorted(providers))}.",
                id="capture_app.E005",
            )


def _check_inbox(raw: Mapping[str, Any]) -> Iterator[Error]:
    problem = _import_problem(raw["INBOX"]) if "INBOX" in raw else ""
    if problem:
        yield Error(
            f"INBOX cannot be used: {problem}",
            hint="Give the dotted path of a subclass of capture_app.inbox.base.Inbox.",
            id="capture_app.E006",
        )


def _import_problem(dotted_path: str) -> str:
    try:
        import_string(dotted_path)
    except ImportError as error:
        return str(error)
    return ""
