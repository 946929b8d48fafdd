"""What a browser may do on pages that show examples: show them, and run nothing that came with one.

The pages carry these headers themselves, so that they do in any project; only the dashboard is on a page of Django's
and does not. The stand-alone project sends the same policy with every answer, through django-csp, which leaves alone
what is there already.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.http import HttpResponseBase
from django.urls import URLPattern
from django.utils.cache import patch_cache_control

DIRECTIVES: Final[dict[str, list[str]]] = {
    "default-src": ["'self'"],
    "img-src": ["'self'", "data:", "blob:"],
    "style-src": ["'self'"],
    "script-src": ["'self'"],
    "object-src": ["'none'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
    "form-action": ["'self'"],
}
POLICY: Final = "; ".join(f"{name} {' '.join(sources)}" for name, sources in DIRECTIVES.items())
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

View = Callable[..., HttpResponseBase]


def secure(response: HttpResponseBase) -> HttpResponseBase:
    """The response with the headers. One that it has already stays: a view may be stricter."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    patch_cache_control(response, no_store=True)  # no copy of an example stays in a browser or a proxy
    return response


def secured(view: View) -> View:
    """The view, whose answers carry the headers."""

    @wraps(view)
    def with_headers(*args: Any, **kwargs: Any) -> HttpResponseBase:
        return secure(view(*args, **kwargs))

    return with_headers


def secured_urls(patterns: list[URLPattern]) -> list[URLPattern]:
    """For the `get_urls` of a ModelAdmin, whose own pages no decorator reaches: all of them with the headers."""
    for pattern in patterns:
        pattern.callback = secured(pattern.callback)
    return patterns
