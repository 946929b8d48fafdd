"""Names for people that say nothing about them, and stay the same."""

from typing import Final

from django.utils.crypto import salted_hmac

from capture_app.conf import capture_settings

_SALT: Final = "capture_app.pseudonyms"
_HEX_DIGITS: Final = 32  # 128 bits: no two of any number of people share one


def pseudonym(value: object) -> str:
    """32 hex digits for a user's id: HMAC-SHA256 under TRAINING_CAPTURE["PSEUDONYM_KEY"], or else SECRET_KEY.

    The same value has the same pseudonym for as long as the key stays. Without the key nobody can tell whose it is, nor
    check a guess; whoever changes the key parts a user's later examples from the earlier ones.
    """
    secret = capture_settings().pseudonym_key or None
    return salted_hmac(_SALT, str(value), secret=secret, algorithm="sha256").hexdigest()[:_HEX_DIGITS]
