"""System checks of CONSOLE, and of where the app stands."""

from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

from capture_app.checks import TAG
from console.conf import KEYS, SETTING

_LATER = ("django.contrib.admin", "django_celery_beat")  # whose templates the console replaces


@register(TAG)
def check_console_settings(**kwargs: Any) -> list[CheckMessage]:
    """Ids console.E001 and E002."""
    raw = getattr(settings, SETTING, {})
    if not isinstance(raw, Mapping):
        return [Error(f"{SETTING} is no dict.", hint="Leave it out to take the defaults.", id="console.E001")]
    found: list[CheckMessage] = [
        Error(f"{SETTING} has no key {key!r}.", hint=f"It has {', '.join(sorted(KEYS))}.", id="console.E001")
        for key in sorted(set(raw) - KEYS)
    ]
    size = raw.get("CACHE_BYTES", 0)
    if type(size) is not int or size < 0:
        hint = "It is a number of bytes; 0 keeps no chunk unpacked."
        found.append(Error(f"{SETTING}['CACHE_BYTES'] is {size!r}.", hint=hint, id="console.E002"))
    return found


@register(TAG)
def check_order(**kwargs: Any) -> list[CheckMessage]:
    """Id console.W001: behind the admin the app works, but its dashboard is not seen."""
    names = [config.name for config in apps.get_app_configs()]
    place = names.index("console") if "console" in names else len(names)
    before = [name for name in _LATER if name in names[:place]]
    if not before or "console" not in names:
        return []
    return [
        CheckWarning(
            f"In INSTALLED_APPS, 'console' comes after {' and '.join(map(repr, before))}.",
            hint="Put it before: Django takes the first template of a name, and the console's would not be seen.",
            id="console.W001",
        )
    ]
