"""The inbox: where a call's record waits, safe from any crash, until the drain moves it into the live database."""

from functools import cache
from typing import Any

from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from capture_app.conf import SETTING, capture_settings
from capture_app.inbox.base import Inbox


@cache
def get_inbox() -> Inbox:
    """The configured inbox. One object serves all threads and survives forks."""
    inbox: Inbox = import_string(capture_settings().inbox).from_settings(capture_settings())
    return inbox


def _forget_inbox(*, setting: str, **kwargs: Any) -> None:
    if setting == SETTING:
        get_inbox.cache_clear()


setting_changed.connect(_forget_inbox, dispatch_uid="capture_app.inbox")
