"""IP addresses, as the standard library reads them.

Left alone: loopback and unspecified addresses and netmasks, which are nobody's; versions, sections and object
identifiers with four parts, where what stands before says so.
"""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from continuous_training.redaction.kinds import IP
from continuous_training.redaction.scan import Scan
from continuous_training.redaction.spans import Found

_V4_AFTER_FIRST: Final = re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9A-Za-z_]|\.[0-9A-Za-z]|-[A-Za-z])")
_V6_ANCHOR: Final = re.compile(r":(?::|[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){3})")
_V6_BACKWARDS: Final = re.compile(r"[0-9A-Fa-f:]{1,45}")
_V6_FORWARDS: Final = re.compile(r"[0-9A-Fa-f:.]{1,45}")
_IS_NONE: Final = re.compile(
    r"(?:[\w.$/\\]|(?<!\d)-|\d,|[=<>~^!]=\s?|\b(?:version|versions|ver|v|release|build|section|chapter|clause|figure|table|fig|sec"
    r"|firmware|oid|jdk|jre|assembly|kernel|driver|patch|upgrade|upgraded to|§)[\s.:=\"'v]{0,4})$"
)
_LONGEST_V6: Final = 45


def find_ips(scan: Scan) -> Iterator[Found]:
    yield from _find_v4(scan)
    yield from _find_v6(scan)


def _find_v4(scan: Scan) -> Iterator[Found]:
    text = scan.text
    for found in _V4_AFTER_FIRST.finditer(text):
        first = text[max(0, found.start() - 3) : found.start()]
        start = found.start() - len(first) + len(first.rstrip("0123456789"))
        if not _IS_NONE.search(scan.before(start)) and (address := _address(text[start : found.end()])):
            yield Found(start, found.end(), IP, str(address))


def _find_v6(scan: Scan) -> Iterator[Found]:
    text, reached = scan.text, 0
    for anchor in _V6_ANCHOR.finditer(text):
        if anchor.start() < reached:
            continue
        before = _V6_BACKWARDS.match(text[max(reached, anchor.start() - _LONGEST_V6) : anchor.start()][::-1])
        start = anchor.start() - (before.end() if before else 0)
        after = _V6_FORWARDS.match(text, anchor.start())
        reached = after.end() if after else anchor.end()
        end = start + len(_without_punctuation(text[start:reached]))
        if _stands_alone(text, start, end) and (address := _address(text[start:end])):
            yield Found(start, end, IP, str(address))


def _without_punctuation(address: str) -> str:
    """Without the full stop or the colon of the sentence."""
    plain = address.rstrip(".")
    return plain[:-1] if plain.endswith(":") and not plain.endswith("::") else plain


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Neither a part of a word, nor a slice (`rows[100::2]`), nor a name with only letters (`dead::beef`)."""
    before, after = text[max(0, start - 2) : start], text[end : end + 1]
    if after.isalnum() or after in ("_", "(") or before[-1:].isalnum() or before[-1:] in ("_", "$", "&"):
        return False
    is_slice = before.endswith("[") and (before[0].isalnum() or before[0] in "_])")
    address = text[start:end]
    return not is_slice and any(map(address.count, "0123456789")) and max(map(len, address.split(":"))) > 2


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address, unless it is none or nobody's."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return None if address.is_loopback or address.is_unspecified or text.startswith("255.") else address
