"""Handles: `@name` of a person, with its server where it has one (`@ann@social.example`).

Left alone: the part of an e-mail address, decorators and annotations, tags of documentation, rules of CSS, names of
packages (`@scope/name`), variables, keys of JSON-LD, and what stands in backticks.
"""

import re
from collections.abc import Iterator
from typing import Final

from continuous_training.redaction.kinds import HANDLE
from continuous_training.redaction.rules.words import words
from continuous_training.redaction.scan import LETTERS, Scan
from continuous_training.redaction.spans import Found

_HANDLE: Final = re.compile(
    rf"@[{LETTERS}_][{LETTERS}0-9_.-]{{0,38}}[{LETTERS}0-9_]"
    rf"(?:@[{LETTERS}0-9-]{{1,63}}(?:\.[{LETTERS}0-9-]{{2,63}}){{1,4}})?"
)
_MAY_STAND_BEFORE: Final = frozenset(
    " \n\t\r([<\"',;:!?.*>-\u2014\u2026\u00bf\u00a1\u00ab\u00bb\u2018\u2019\u201c\u201d\u201e\uff1a\u3001\u3002\uff0c"
)
_CODE_AFTER: Final = re.compile(r"\(|\s?:?=(?!=)|/|\"\"?\s?:| (?:decorator|annotation|directive|tag)s?\b|[$\\@{]")
_CODE_BEFORE: Final = re.compile(r"(?:=\s?|\b(?:set|declare)\s)$")
# Decorators, annotations, tags of documentation, rules of CSS, directives and keys: in prose on code they stand alone.
_NOBODY: Final = words("""
    abstractmethod angular api app apply async attribute author autoreleasepool autowired available babel before
    beforeeach bot brief cache cached cached_property category celery channel charset class classmethod click
    component compute configuration const constructor container context contextmanager controller copyright
    counter-style data dataclass define deprecated desc description details directive each else end endforeach endif
    endsection entity enum environmentobject escaping everyone example except exception extends fileoverview fixture
    font-face font-feature-values foreach functools generatedvalue getmapping global graph here hidden id if ignore
    implementation import include inheritdoc injectable input interface internal jsonproperty keyframes lang
    language layer license link list lru_cache main mainactor media memberof method mixin mock mui name namespace
    nested nestjs ngmodule noescape nonnull notnull null nullable objc observable observedobject onetomany optional
    org output overload override page param parameterized params patch pathvariable postconstruct postmapping
    private property protected protocol provides public published pytest query readonly register repository
    requestbody requestmapping requestparam required restcontroller return returns section see selector service set
    setter shared since singleton slot starting-style state stateobject static staticmethod style summary supports
    suppresswarnings synthesize tailwind task template test testable throws todo tool transactional try type typedef
    types unique unittest validator value var version view viewport void while wraps yield
""")
# What decorators are kept in.
_MODULES: Final = words("""
    api app attr attrs blueprint bot bp celery classmethod click client contextlib cython dataclasses dp functools
    gen hypothesis jax login_manager mock numba page pl property pydantic pytest router sio socketio tf torch triton
    types typing unittest validator wraps
""")
_DECLARED: Final = re.compile(
    r"\s*(?:(?:async\s+)?(?:def|fn|fun|func|function)\s+\w+\s*[(<]"
    r"|(?:(?:export|default|abstract|public|final|data|open|sealed)\s+){0,3}(?:class|interface|struct|enum|record)\s+\w+"
    r"\s*(?:[({:<]|extends\b|implements\b)"
    r"|(?:public|private|protected|internal|static|final|override|fun|func|var|val|void|int|String|@\w+)\s[^\n]{0,200}[{;=(])"
)
_LINE_OF_DECORATOR: Final = re.compile(r"[ \t]*@[\w.]+(?:\([^\n]{0,200}\))?[ \t]*(?:(?:#|//)[^\n]{0,200})?\n")
_MOST_DECORATORS: Final = 8


def find_handles(scan: Scan) -> Iterator[Found]:
    text = scan.text
    at, reached = text.find("@"), 0
    while at >= 0:
        handle = _HANDLE.match(text, at) if at >= reached else None
        if handle is not None and _is_handle(scan, handle):
            reached = handle.end()
            yield Found(at, reached, HANDLE, handle[0].casefold())
        at = text.find("@", at + 1)


def _is_handle(scan: Scan, handle: re.Match[str]) -> bool:
    text, (start, end) = scan.text, handle.span()
    if (start and text[start - 1] not in _MAY_STAND_BEFORE) or _CODE_AFTER.match(text, end):
        return False
    head, dot, _ = handle[0][1:].lower().partition(".")
    if head in (_MODULES if dot else _NOBODY) or _CODE_BEFORE.search(scan.before(start)):
        return False
    return not _decorates(text, start, end)


def _decorates(text: str, start: int, end: int) -> bool:
    """Whether it stands first in its line, and what follows is declared: on the line, or on the next ones."""
    line = text.rfind("\n", max(0, start - 80), start)
    if text[line + 1 if line >= 0 else max(0, start - 80) : start].strip():
        return False
    if _DECLARED.match(text, end):
        return True
    for _ in range(_MOST_DECORATORS):
        decorator = _LINE_OF_DECORATOR.match(text, start)
        if decorator is None:
            return False
        start = decorator.end()
        if _DECLARED.match(text, start):
            return True
    return False
