"""Secrets: keys in the forms of well-known vendors, JSON web tokens, private keys, and what stands where a secret does.

Claimed are the forms of credential_forms.py, `Bearer …`, values assigned to a name such as `password` or `api_key`, and
tokens of 24 to 128 characters that mix cases and digits as chance does. Not claimed: passwords that are a word or stand
in a sentence, and tokens of one case or with + and /, for hashes and data look the same.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from continuous_training.redaction.kinds import SECRET
from continuous_training.redaction.rules.assignments import assigned_secrets
from continuous_training.redaction.rules.credential_forms import ARMOUR, FORMS, MOST_BEFORE
from continuous_training.redaction.rules.randomness import is_random
from continuous_training.redaction.scan import Scan
from continuous_training.redaction.spans import Found

_AUTHORIZED: Final = re.compile(r"[A-Za-z0-9._~+/-]{12,4000}={0,2}")
# What APIs name their objects by: ids of answers, calls, customers, not keys.
_ID: Final = re.compile(
    r"(?:acct|asst|batch|call|ch|chatcmpl|cmpl|conv|cs|cus|evt|fc|file|ft|ftjob|gen|in|item|msg|org|pi|pm|price|prod|proj|"
    r"req|resp|rs|run|seti|step|sub|thread|toolu|txn|user|vs|ws)[-_]|sha[0-9]{3}-|_Z"
)
_NEIGHBOURS_IN_DATA: Final = "+/%"


def find_secrets(scan: Scan) -> Iterator[Found]:
    yield from _private_keys(scan.text)
    yield from _vendors_keys(scan)
    yield from _authorized(scan)
    yield from assigned_secrets(scan)
    yield from _random_tokens(scan)


def _private_keys(text: str) -> Iterator[Found]:
    """Armoured keys with their last line; to the end of the text where that is missing."""
    reached = text.find("-----BEGIN ")
    while reached >= 0:
        head = ARMOUR.match(text, reached)
        end = reached + 1
        if head is not None:
            last = f"-----END {head[1]}-----"
            end = text.find(last, head.end()) + len(last)
            end = end if end >= len(last) else len(text)
            yield _secret(text, reached, end)
        reached = text.find("-----BEGIN ", end)


def _vendors_keys(scan: Scan) -> Iterator[Found]:
    """Keys have long tokens, or begin shortly before one."""
    text = scan.text
    for start, end in scan.long_tokens:
        around = text[max(0, start - MOST_BEFORE) : end]
        for anchor, before, form in FORMS:
            if anchor in around:
                yield from _keys_of(form, before, text, _all(anchor, text, end - len(around), end))


def _keys_of(form: re.Pattern[str], before: int, text: str, positions: Iterable[int]) -> Iterator[Found]:
    for position in positions:
        starts = range(position - before, position + 1) if before else (position,)
        found = next(filter(None, (form.match(text, max(0, start)) for start in starts)), None)
        if found is not None:
            yield _secret(text, *found.span())


def _all(needle: str, text: str, start: int, end: int) -> Iterator[int]:
    position = text.find(needle, start, end)
    while position >= 0:
        yield position
        position = text.find(needle, position + 1, end)


def _authorized(scan: Scan) -> Iterator[Found]:
    for scheme in (b"bearer ", b"basic "):
        for position in scan.positions(scheme):
            found = _AUTHORIZED.match(scan.text, position + len(scheme))
            if found is not None and any(map(found[0].count, "0123456789")):
                yield _secret(scan.text, found.start(), found.start() + len(found[0].rstrip(".")))


def _random_tokens(scan: Scan) -> Iterator[Found]:
    text = scan.text
    for start, end in scan.long_tokens:
        token = text[start:end].strip("-_")
        if is_random(token) and not _ID.match(token) and not _is_data(text, start, end):
            first = text.index(token, start)
            yield _secret(text, first, first + len(token))


def _is_data(text: str, start: int, end: int) -> bool:
    """Whether the token is a piece of base64, as images, hashes and signatures come."""
    around = text[max(0, start - 1) : start] + text[end : end + 1]
    return any(map(around.count, _NEIGHBOURS_IN_DATA)) or text.endswith("base64,", 0, start)


def _secret(text: str, start: int, end: int) -> Found:
    return Found(start, end, SECRET, text[start:end])
