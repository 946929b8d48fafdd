"""Whose an exported pair was, as keyed hashes: `forget` finds it by them when the example itself was pruned.

Neither a name nor an id can be had from such a hash; who has SECRET_KEY can check a guess.
"""

from typing import Final

from django.conf import settings
from django.utils.crypto import salted_hmac

USER: Final = "user"
CONVERSATION: Final = "conversation"

_HEX_DIGITS: Final = 32


def owner_key(kind: str, value: str) -> str:
    """32 hex digits; "" for nobody."""
    return _key(kind, value, settings.SECRET_KEY) if value else ""


def possible_keys(kind: str, value: str) -> list[str]:
    """What `owner_key` gives, and what it gave under each of SECRET_KEY_FALLBACKS."""
    return [_key(kind, value, secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


def _key(kind: str, value: str, secret: str | bytes) -> str:
    salt = f"continuous_training.exporting.{kind}"
    return salted_hmac(salt, value, secret=secret, algorithm="sha256").hexdigest()[:_HEX_DIGITS]
