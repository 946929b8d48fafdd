"""E-mail addresses: `local@domain.tld`, letters of any Latin, Greek or Cyrillic script.

Not claimed: quoted local parts, addresses without a dot in the domain, and those that hide ("ann at example dot org").
"""

import re
from collections.abc import Iterator
from typing import Final

from continuous_training.redaction.kinds import EMAIL
from continuous_training.redaction.rules.domains import TLDS
from continuous_training.redaction.scan import LETTERS, Scan
from continuous_training.redaction.spans import Found

_LOCAL_BACKWARDS: Final = re.compile(rf"(?:[{LETTERS}0-9._%+-]|(?<=[{LETTERS}])'(?=[{LETTERS}])){{1,64}}")
_DOMAIN: Final = re.compile(
    rf"[{LETTERS}0-9][{LETTERS}0-9_-]{{0,62}}(?:\.[{LETTERS}0-9][{LETTERS}0-9_-]{{0,62}}){{1,8}}"
)
_TLD: Final = re.compile(rf"[{LETTERS}]{{2,24}}|xn--[a-z0-9-]{{2,59}}", re.IGNORECASE)
_FILE: Final = re.compile(
    r"[0-9]+x?\.(?:png|jpe?g|gif|svg|webp|avif|txt|json|js|css|html?)", re.IGNORECASE
)  # logo@2x.png
_CODE: Final = re.compile(r"self\.")  # x@self.weight, a product of matrices
_OF_NOBODY: Final = re.compile(r"git@[^@\s]+:(?!\s|//)")  # a repository's address
_LONGEST: Final = 64  # of the local part (RFC 5321)


def find_emails(scan: Scan) -> Iterator[Found]:
    text = scan.text
    at = text.find("@")
    while at >= 0:
        start, end = _local_start(text, at), _domain_end(text, at + 1)
        if start < at and end and not _is_code(text, start, at, end):
            start += text[start] == "_" == text[end : end + 1]  # _emphasis_ of Markdown
            yield Found(start, end, EMAIL, text[start:end].casefold())
        at = text.find("@", at + 1)


def _local_start(text: str, at: int) -> int:
    """Where the local part begins; `at` when there is none, or when it is a handle with its server."""
    before = _LOCAL_BACKWARDS.match(text[max(0, at - _LONGEST) : at][::-1])
    if before is None:
        return at
    local = before[0][::-1]
    start = at - len(local.lstrip(".-+%'"))
    return at if text[start - 1 : start] == "@" else start


def _domain_end(text: str, start: int) -> int:
    """Where the domain ends, after the last label that can be a top-level domain; 0 when there is none."""
    found = _DOMAIN.match(text, start)
    labels = found[0].rstrip("-_").split(".") if found else []
    while len(labels) > 1:
        if _TLD.fullmatch(labels[-1].rstrip("-_")):
            return start + len(".".join(labels).rstrip("-_"))
        labels.pop()
    return 0


def _is_code(text: str, start: int, at: int, end: int) -> bool:
    if _FILE.fullmatch(text, at + 1, end) or _CODE.match(text, at + 1) or _OF_NOBODY.match(text, start, end + 2):
        return True
    return text[end : end + 1] == "(" and text[at + 1 : end].rpartition(".")[2].lower() not in TLDS
