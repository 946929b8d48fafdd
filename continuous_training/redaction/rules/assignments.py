"""Values that are assigned to a name which says that they are secret: `api_key = "…"`, `"password": "…"`, `--token …`.

Values that are words, names, calls or paths of code, or that stand for a value (`<your key>`, `${TOKEN}`), are none.
"""

import re
from collections.abc import Iterator
from typing import Final

from continuous_training.redaction.kinds import SECRET
from continuous_training.redaction.rules.randomness import has_words
from continuous_training.redaction.scan import Scan
from continuous_training.redaction.spans import Found

_ANCHORS: Final = (
    *(b"pass", b"pwd", b"secret", b"token", b"key", b"credential"),
    *(b"kennwort", b"contrase", b"senha", b"wachtwoord"),
)
# Group 1 marks what may be a password, and so have any form; the others are keys, which are long and have digits.
_NAME: Final = re.compile(
    rb"(?:pass(?:wor[dt]|wd|phrase|[_-]word|[_-]phrase|)|pwd|kennwort|contrase(?:\xf1|n)a|senha|wachtwoord)()"
    rb"|secret(?:[_ -]?(?:access[_ -]?)?key|[_-]?token|[_-]?id|)|token|key|credentials?"
)
_BEFORE_KEY: Final = re.compile(
    rb"(?:api|access|account|secret|private|signing|encryption|auth|master|shared|subscription|service|app|consumer"
    rb"|storage)[_ -]?$"
)
_ASSIGNED: Final = re.compile(
    rb"[\"'`\]]{0,4}[ \t]{0,4}(?::=|=>|=(?!=)|:(?![:/])|>(?=[^<\s]))[ \t]{0,8}"
    rb"(?:[a-z_|. \[\]]{1,24}=[ ]{0,4})?"  # behind a colon, the type of a variable
    rb"|[ ](?:is|ist|lautet|es|est)[: ][ ]?"
)
_OPTION: Final = re.compile(rb"[ =]{1,2}")  # behind --password
_QUOTED: Final = re.compile(r"[bru]{0,2}(\"\"|''|[\"'`])([^\"'`\n]{4,256})[\"'`]")
_BARE: Final = re.compile(r"[^\s\"'`,;<>(){}\[\]|]{4,256}")
_STANDS_FOR_ONE: Final = re.compile(
    r"[<\[{*(].*|\$(?:[A-Za-z_]\w*|[{(].*)|%[sd(].*"
    r"|.*(?:\$\{|\{\{|\{\w*\}|\.\.\.|\*\*\*).*"
    r"|(?:your|my|enter|insert|example|dummy|fake|change|replace|xxx)[-_ ].*"
    r"|x+|(.)\1+|(?:https?:|\.{0,2}/|[a-z]:\\).*",
    re.IGNORECASE | re.DOTALL,
)
_CODE: Final = re.compile(
    r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+|[A-Za-z]\w*_\w+|[A-Z]+(?:_[A-Z0-9]+)*|0x[0-9a-f]+|-?[0-9.]+"
)
_MOST_BEFORE: Final = 16
_SHORTEST_TOKEN: Final = 8
_MOST_DIGITS_OF_A_NAME: Final = 2  # oauth2_token


def assigned_secrets(scan: Scan) -> Iterator[Found]:
    for anchor in _ANCHORS:
        for position in scan.positions(anchor):
            name = _NAME.match(scan.low, position)
            value = _value_after(scan, position, name) if name else None
            if value is not None:
                yield Found(*value, SECRET, scan.text[slice(*value)])


def is_secret_under(name: str, value: str) -> bool:
    """Whether `value` is a secret, given that it is what a dict has under the key `name`."""
    low = name.encode("latin-1", "replace").lower()
    for anchor in _ANCHORS:
        found = _NAME.match(low, position) if (position := low.rfind(anchor)) >= 0 else None
        if found is not None and found.end() == len(low) and _is_whole_name(low, found):
            return is_secret_value(value, is_password=found[1] is not None, is_quoted=True)
    return False


def is_secret_value(value: str, *, is_password: bool, is_quoted: bool) -> bool:
    """Whether it looks like the secret itself: no word, no placeholder, no name or path of code."""
    if _STANDS_FOR_ONE.fullmatch(value) or any(map(str.isspace, value)):
        return False
    has_digit = _digits(value) > 0
    if not is_password:
        may_be_name = not is_quoted and (_is_code(value) or has_words(value))
        return len(value) >= _SHORTEST_TOKEN and has_digit and not value.isdigit() and not may_be_name
    if value.isdigit():
        return True
    return (has_digit or _has_symbol(value)) and not _is_code(value)


def _is_code(value: str) -> bool:
    return bool(_CODE.fullmatch(value)) and not value.isalnum() and _digits(value) <= _MOST_DIGITS_OF_A_NAME


def _digits(value: str) -> int:
    return sum(map(value.count, "0123456789"))


def _has_symbol(value: str) -> bool:
    return any(map(value.count, "!#$%&*+?@^~"))


def _value_after(scan: Scan, position: int, name: re.Match[bytes]) -> tuple[int, int] | None:
    if not _is_whole_name(scan.low, name):
        return None
    assigned = _assigned(scan.low, position, name.end())
    if assigned is None:
        return None
    text, is_password = scan.text, name[1] is not None
    quoted = _QUOTED.match(text, assigned)
    start, end = quoted.span(2) if quoted else _bare(text, assigned)
    if end - start < 4 or (quoted is None and text[end : end + 1] in ("(", "[", "{")):
        return None
    return (start, end) if is_secret_value(text[start:end], is_password=is_password, is_quoted=bool(quoted)) else None


def _is_whole_name(low: bytes, name: re.Match[bytes]) -> bool:
    """`key` needs a word before it; "passed" and "tokens" are others, "user_password2" is not."""
    before = low[max(0, name.start() - _MOST_BEFORE) : name.start()]
    if name[0] == b"key":
        return bool(_BEFORE_KEY.search(before))
    if name[0] == b"pass":
        return before[-1:] in (b"", b"_", b"-", b'"', b" ", b"\n")
    return not low[name.end() : name.end() + 1].isalpha()


def _assigned(low: bytes, start: int, end: int) -> int | None:
    """Where the value begins."""
    found = _ASSIGNED.match(low, end)
    if found is None and b"--" in low[max(0, start - _MOST_BEFORE) : start].split(b" ")[-1]:
        found = _OPTION.match(low, end)
    return found.end() if found else None


def _bare(text: str, start: int) -> tuple[int, int]:
    found = _BARE.match(text, start)
    return (start, start + len(found[0].rstrip(".:?&"))) if found else (start, start)
