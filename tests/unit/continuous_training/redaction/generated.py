"""More labelled texts: sentences of several languages, with values that are drawn by chance and a fixed seed."""

import random
import string
from collections.abc import Callable, Iterator

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from continuous_training.redaction.rules.words import words
from tests.unit.continuous_training.redaction.labelled import Labelled, drawn, labelled

Chance = random.Random

PER_KIND = 300

_SENTENCES = (
    "Please note {}.",
    "I think it was {}, but I am not sure",
    "My details: {}; thank you!",
    "Kannst du {} bitte prüfen?",
    "Das ist {} \u2013 bitte notieren",
    "Voici {} pour demain",
    "C'est {}, merci.",
    "Aquí está {}: ¿lo tienes?",
    "Ecco {} (grazie).",
    "O contato é {} desde 2019",
    "Dit is {} van mij",
    "Вот {} для вас",
    "这是 {} 。谢谢",
    "これは {} です",
    '{{"value": "{}", "n": 3}}',
    "user said: {}\nassistant: ok",
    "| 7 | {} | 2024-01-15 |",
    "2024-05-01 12:30:45 INFO got {} in 35 ms",
    "<p>{}</p>",
    "- {}\n- nothing else",
    "Order 5551234567, {}, ref. 20240117-88",
    "{}",
)
_WORDS = sorted(words("ann bob carla dieter eva frank garden shop mail river north blue happy tiger office sales team"))
_TLDS = sorted(words("com org net de fr es it nl co.uk io eu com.br ch edu example info"))
_LINK_TLDS = sorted(words("com org net de fr es nl co.uk io eu com.br ch edu"))

# Countries whose numbers are written with a plus; and those of REGIONS with the way they are written at home.
_ABROAD = sorted(words("US GB DE FR ES IT NL AT CH BE PT AU NZ IN BR MX JP KR CN SE NO DK FI PL CZ GR TR IL ZA AR SG"))
_AT_HOME = sorted(words("GB DE FR AT CH BE NL AU"))

_NEGATIVES: tuple[Callable[[Chance], str], ...] = (
    lambda chance: f"order {chance.randrange(10**9, 10**10)}",
    lambda chance: f"id {chance.randrange(10**9, 10**10)}",
    lambda chance: f"{chance.randrange(10**9, 10**10)} bytes",
    lambda chance: f"total {chance.randrange(10**9, 10**10)}",
    lambda chance: f"{chance.randrange(1970, 2030)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}",
    lambda chance: f"{chance.randrange(1, 29):02}.{chance.randrange(1, 13):02}.{chance.randrange(1970, 2030)}",
    lambda chance: f"{chance.randrange(24):02}:{chance.randrange(60):02}:{chance.randrange(60):02}",
    lambda chance: f"v{chance.randrange(20)}.{chance.randrange(20)}.{chance.randrange(20)}.{chance.randrange(9)}",
    lambda chance: f"{chance.random():.12f}",
    lambda chance: f"{chance.randrange(10**9):,}.{chance.randrange(100):02} EUR",
    lambda chance: drawn("<hex:40>", chance),
    lambda chance: drawn("<hex:8>-<hex:4>-<hex:4>-<hex:4>-<hex:12>", chance),
    lambda chance: drawn("chatcmpl-<29>", chance),
    lambda chance: drawn("call_<24>", chance),
    lambda chance: f"ISBN 978-{chance.randrange(10)}-{chance.randrange(100, 999)}-{chance.randrange(10000, 99999)}-1",
    lambda chance: f"{chance.choice(_WORDS).title()} {chance.choice(_WORDS).title()}",
    lambda chance: f"self.{chance.choice(_WORDS)}.{chance.choice(_WORDS)}({chance.randrange(10**6)})",
    lambda chance: f"{chance.choice(_WORDS)}.py:{chance.randrange(2000)}",
    lambda chance: f"@property\ndef {chance.choice(_WORDS)}(self): ...",
    lambda chance: "".join(chance.choice(_WORDS).title() for _ in range(6)) + str(chance.randrange(10)),
)


def generated(*, seed: int = 20260117, per_kind: int = PER_KIND, only: str = "") -> Iterator[Labelled]:
    """`per_kind` texts of each kind (or of `only` one), and twice as many with nothing private at all."""
    chance = Chance(seed)
    for kind, draw in _DRAWS.items():
        if only not in ("", kind):
            continue
        for _ in range(per_kind):
            yield labelled(chance.choice(_SENTENCES).format(f"⟦{kind}|{draw(chance)}⟧"), chance)
    for _ in range(per_kind * 2):
        yield labelled(chance.choice(_SENTENCES).format(chance.choice(_NEGATIVES)(chance)), chance)


def _email(chance: Chance) -> str:
    local = chance.choice(("{a}.{b}", "{a}_{b}", "{a}", "{a}{n}", "{a}+{b}", "{a}-{b}.{n}", "{A}.{B}"))
    a, b = chance.choice(_WORDS), chance.choice(_WORDS)
    name = local.format(a=a, b=b, n=chance.randrange(2000), A=a.title(), B=b.title())
    return f"{name}@{_host(chance, _TLDS)}"


def _host(chance: Chance, tlds: list[str]) -> str:
    name = chance.choice(("{a}", "{a}-{b}", "{a}{b}", "{a}{n}", "mail.{a}{b}"))
    a, b = chance.choice(_WORDS), chance.choice(_WORDS)
    return name.format(a=a, b=b, n=chance.randrange(2, 99)) + "." + chance.choice(tlds)


def _phone(chance: Chance) -> str:
    return chance.choice((_phone_abroad, _phone_abroad, _phone_at_home, _phone_in_america))(chance)


def _phone_abroad(chance: Chance) -> str:
    number = _number(chance, chance.choice(_ABROAD))
    written = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
    compact = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return chance.choice((written, written.replace(" ", "-"), written.replace("-", " "), compact))


def _phone_at_home(chance: Chance) -> str:
    number = _number(chance, chance.choice(_AT_HOME))
    return phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)


def _phone_in_america(chance: Chance) -> str:
    area, exchange, line = chance.randrange(200, 1000), chance.randrange(100, 1000), chance.randrange(10000)
    forms = ("({}) {}-{:04}", "{}-{}-{:04}", "{}.{}.{:04}", "{} {} {:04}", "1-{}-{}-{:04}", "({}){}-{:04}")
    return chance.choice(forms).format(area, exchange, line)


def _number(chance: Chance, region: str) -> phonenumbers.PhoneNumber:
    """A valid number of the region: an example of the data's, with other last digits."""
    kind = chance.choice((PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE))
    while True:
        number = phonenumbers.example_number_for_type(region, kind)
        assert number is not None
        assert number.national_number is not None
        number.national_number = number.national_number // 10**4 * 10**4 + chance.randrange(10**4)
        if phonenumbers.is_valid_number(number):
            return number


def _url(chance: Chance) -> str:
    path = chance.choice(("", "/", "/{a}", "/{a}/{b}.html", "/{a}?{b}={n}", "/{a}/{n}#{b}", "/{a}_({b})", ":8080/{a}"))
    tail = path.format(a=chance.choice(_WORDS), b=chance.choice(_WORDS), n=chance.randrange(10**6))
    head = chance.choice(("https://", "http://", "HTTPS://", "www.", "ftp://", "https://www.", ""))
    host = _host(chance, _LINK_TLDS)
    return head + (host.upper() if head.isupper() else host) + tail


def _handle(chance: Chance) -> str:
    name = chance.choice(("{a}", "{a}_{b}", "{a}{n}", "{a}{b}", "{a}-{b}", "{a}.{b}", "{A}{B}", "_{a}_"))
    a, b = chance.choice(_WORDS), chance.choice(_WORDS)
    return "@" + name.format(a=a, b=b, n=chance.randrange(100), A=a.title(), B=b.title())


_ISSUERS = (
    *(("4", 16), ("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("34", 15), ("37", 15), ("6011", 16), ("65", 16)),
    *(("3530", 16), ("36", 14), ("62", 16)),
)


def _card(chance: Chance) -> str:
    prefix, length = chance.choice(_ISSUERS)
    digits = prefix + "".join(chance.choices(string.digits, k=length - len(prefix) - 1))
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(digits))]
    digits += str(-sum(value // 10 + value % 10 for value in doubled) % 10)
    by = chance.choice(("", " ", "-"))
    groups = (4, 6, length - 10) if length < 16 else (4, 4, 4, 4)
    starts = [sum(groups[:place]) for place in range(len(groups))]
    return by.join(digits[start : start + size] for start, size in zip(starts, groups, strict=True))


def _iban(chance: Chance) -> str:
    country, length = chance.choice(
        (("DE", 22), ("FR", 27), ("GB", 22), ("ES", 24), ("NL", 18), ("IT", 27), ("CH", 21), ("PL", 28), ("NO", 15))
    )
    account = "".join(chance.choices(string.digits, k=length - 4))
    if country in ("GB", "NL"):
        account = "".join(chance.choices(string.ascii_uppercase, k=4)) + account[4:]
    check = 98 - int("".join(str(int(character, 36)) for character in account + country + "00")) % 97
    iban = f"{country}{check:02}{account}"
    grouped = " ".join(iban[start : start + 4] for start in range(0, length, 4))
    return chance.choice((iban, grouped, grouped, iban.lower()))


def _ip(chance: Chance) -> str:
    if chance.random() < 0.6:
        return ".".join(str(chance.randrange(1, 100 if place == 0 else 256)) for place in range(4))
    groups = [f"{chance.randrange(0x100, 0x10000):x}" for _ in range(8)]
    return chance.choice((":".join(groups), f"2001:db8:{groups[0]}::{groups[1]}", f"fe80::{groups[0]}:{groups[1]}"))


_KEYS = (
    *("sk-<48>", "sk-proj-<60>", "ghp_<36>", "github_pat_<60>", "AKIA<b32:16>", "xoxb-<digits:12>-<24>", "AIza<35>"),
    *("hf_<34>", "glpat-<20>", "sk_live_<24>", "SG.<22>.<43>", "eyJ<20>.<40>.<43>", "<24>", "<32>", "<40>", "<64>"),
)


def _secret(chance: Chance) -> str:
    return drawn(chance.choice(_KEYS), chance)


_DRAWS: dict[str, Callable[[Chance], str]] = {
    "EMAIL": _email,
    "PHONE": _phone,
    "URL": _url,
    "HANDLE": _handle,
    "CARD": _card,
    "IBAN": _iban,
    "IP": _ip,
    "SECRET": _secret,
}
