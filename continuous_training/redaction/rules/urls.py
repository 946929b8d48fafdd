"""Links: with any scheme, with `www.`, and bare hosts with a path or not. Closing punctuation stays outside.

Not claimed: percent-encoded links, hosts without a dot and a scheme, bare hosts whose top-level domain is not listed.
"""

import re
from collections.abc import Iterator
from typing import Final

from continuous_training.redaction.kinds import URL
from continuous_training.redaction.rules.domains import CERTAIN, CODE_HEADS, TLDS
from continuous_training.redaction.scan import LETTERS, Scan
from continuous_training.redaction.spans import Found

_NOT_IN_URL: Final = r"\s\x00-\x20<>\"'`|^\\«»\u2018-\u201f\u2026\u3001-\u301f\uff01-\uff0f\uff1a-\uff1f\uff5b-\uff65"
_BODY: Final = re.compile(rf"(?:[^{_NOT_IN_URL}]|\\/)+")
_SCHEME_BACKWARDS: Final = re.compile(r"[A-Za-z0-9+.-]{1,24}")
_AUTHORITY: Final = re.compile(rf"[{LETTERS}0-9\[/_~%.:\u3040-\u9fff\uac00-\ud7a3-]")
_HOST: Final = re.compile(rf"(?:[{LETTERS}0-9](?:[{LETTERS}0-9-]{{0,62}})\.){{1,8}}[{LETTERS}0-9-]{{2,63}}")
_HOST_BACKWARDS: Final = re.compile(rf"[{LETTERS}0-9-]+(?:\.[{LETTERS}0-9-]+)*")
_WORD: Final = re.compile(rf"[{LETTERS}0-9_@$]")
_NO_HOST_BEFORE: Final = re.compile(r"(?:(?<!\.)\.|\b(?:from|import)\s)\Z")  # a part of a pattern, a module
_TLD: Final = re.compile(
    rb"\.(" + "|".join(sorted(TLDS, key=len, reverse=True)).encode() + rb")(?![a-z0-9_\-\xc0-\xff])"
)
_REST: Final = re.compile(r"(?::[0-9]{1,5}(?![0-9]))?(?:[/?#]|\\/)")  # what goes on after a host
_PORT: Final = re.compile(r":[0-9]{2,5}(?![0-9:])")
_LONGEST_HOST: Final = 128
_TRAILING: Final = ".,;:!?*~'\u2026([{"
_STOPS: Final = re.compile(r"[()\[\]{}]|&(?:quot|lt|gt|apos|#39|#34);")
_OPENING: Final = {")": "(", "]": "[", "}": "{"}


class _Links:
    """Where links end. A run of characters that may be in one is measured once, however many begin in it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._run = (0, 0)

    def end(self, start: int) -> int:
        """Where the link that goes on at `start` ends: before closing punctuation, and a bracket opened before it."""
        if not self._run[0] <= start < self._run[1]:
            body = _BODY.match(self._text, start)
            self._run = body.span() if body else (start, start)
        end = self._first_stop(start, self._run[1])
        while end > start and self._text[end - 1] in _TRAILING:
            end -= 1
        return end

    def end_after_host(self, end: int) -> int:
        if _REST.match(self._text, end):
            return self.end(end)
        port = _PORT.match(self._text, end)
        return port.end() if port else end

    def _first_stop(self, start: int, end: int) -> int:
        """The first bracket that closes what was not opened, the first entity of HTML, or `end`."""
        opened = dict.fromkeys(_OPENING.values(), 0)
        for stop in _STOPS.finditer(self._text, start, end):
            if stop[0] in opened:
                opened[stop[0]] += 1
                continue
            opening = _OPENING.get(stop[0], "")
            if not opened.get(opening):
                return stop.start()
            opened[opening] -= 1
        return end


def find_urls(scan: Scan) -> Iterator[Found]:
    links = _Links(scan.text)
    yield from _with_scheme(scan.text, "://", links)
    yield from _with_scheme(scan.text, ":\\/\\/", links)  # as JSON may escape it
    yield from _with_www(scan, links)
    yield from _bare(scan, links)


def _with_scheme(text: str, anchor: str, links: _Links) -> Iterator[Found]:
    colon = text.find(anchor)
    while colon >= 0:
        after = colon + len(anchor)
        end = after
        scheme = _SCHEME_BACKWARDS.match(text[max(0, colon - 24) : colon][::-1])
        name = scheme[0][::-1].lstrip("0123456789+.-") if scheme else ""
        if name and _AUTHORITY.match(text, after):
            end = links.end(after)
            if end > after + text.startswith("/", after):
                yield _found(text, colon - len(name), end)
        colon = text.find(anchor, max(end, after))


def _with_www(scan: Scan, links: _Links) -> Iterator[Found]:
    for start in scan.positions(b"www."):
        host = None if _WORD.match(scan.text, start - 1 if start else len(scan.text)) else _HOST.match(scan.text, start)
        if host is not None:
            yield _found(scan.text, start, links.end_after_host(host.end()))


def _bare(scan: Scan, links: _Links) -> Iterator[Found]:
    text, reached = scan.text, 0
    for found in _TLD.finditer(scan.low):
        dot, end = found.span()
        if dot < reached or _goes_on(text, end):
            continue
        labels = _HOST_BACKWARDS.match(text[max(reached, dot - _LONGEST_HOST) : dot][::-1])
        host = labels[0][::-1].lstrip("-") if labels else ""
        start = dot - len(host)
        if host and _is_host(text, start, dot, end):
            reached = links.end_after_host(end)
            yield _found(text, start, reached)


def _goes_on(text: str, end: int) -> bool:
    """Whether it is called, assigned, or has more labels: then it is code, or the next find has it whole."""
    after = text[end : end + 2]
    return after[:1] in ("(", "=", "@") or (after[:1] == "." and bool(_WORD.match(after, 1)))


def _is_host(text: str, start: int, dot: int, end: int) -> bool:
    if (start and _WORD.match(text, start - 1)) or _NO_HOST_BEFORE.search(text, max(0, start - 8), start):
        return False
    tld, labels = text[dot + 1 : end], text[start:dot].split(".")
    if not tld.islower() and not text[start:end].isupper():  # "the end.It", ASP.Net
        return False
    has_path = bool(_REST.match(text, end))
    if labels[0].lower() in CODE_HEADS and not has_path:
        return False
    return has_path or (tld.lower() in CERTAIN and len(labels[-1]) > 1)


def _found(text: str, start: int, end: int) -> Found:
    """Scheme and host are the same in any case; a slash at the end says nothing."""
    link = text[start:end].replace("\\/", "/")
    scheme, separator, rest = link.partition("://")
    if not separator:
        scheme, rest = "", link
    host, slash, path = rest.partition("/")
    return Found(start, end, URL, f"{scheme.lower()}{separator}{host.lower()}{slash}{path}".rstrip("/"))
