"""What was asked and answered, as a keyed hash: it tells the same again, and nothing to who does not have the key.

An example that was erased may come back in a file that knows no ids, such as a training set that was exported before.
Its words are the only thing left to know it by, and they must not be kept; so this is kept of them.
"""

from typing import Final

import orjson
from django.conf import settings
from django.utils.crypto import salted_hmac

from capture_app.example import storable

_SALT: Final = "capture_app.contents"


def content_hmac(system_prompt: str, prompt: str, answer: str) -> str:
    """HMAC-SHA256 under SECRET_KEY, in hex, of the three texts, however they are spaced."""
    return _hmac(_normalised(system_prompt, prompt, answer), settings.SECRET_KEY)


def possible_hmacs(system_prompt: str, prompt: str, answer: str) -> list[str]:
    """What `content_hmac` gives, and what it gave under each of SECRET_KEY_FALLBACKS."""
    content = _normalised(system_prompt, prompt, answer)
    return [_hmac(content, key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


def _hmac(content: bytes, key: str | bytes) -> str:
    return salted_hmac(_SALT, content, secret=key, algorithm="sha256").hexdigest()


def _normalised(system_prompt: str, prompt: str, answer: str) -> bytes:
    return orjson.dumps([_words(system_prompt), _words(prompt), _words(_plain_json(answer))])


def _words(text: str) -> str:
    """Without what storing, a spreadsheet or an editor may change: spacing, NULs, halves of characters."""
    return " ".join(str(storable(text)).replace("\0", " ").split())


def _plain_json(answer: str) -> str:
    """An answer that is JSON, in one of the many ways to write it: some exports write it anew."""
    if not answer.lstrip().startswith(("{", "[")):
        return answer
    try:
        return orjson.dumps(orjson.loads(answer), option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONDecodeError:
        return answer
