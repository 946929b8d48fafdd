"""One module per kind of private text. A rule yields what it finds in a Scan; see kinds.py for their order."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from continuous_training.redaction.kinds import CARD, EMAIL, HANDLE, IBAN, IP, SECRET, URL
from continuous_training.redaction.rules.cards import find_cards
from continuous_training.redaction.rules.credentials import find_secrets
from continuous_training.redaction.rules.emails import find_emails
from continuous_training.redaction.rules.handles import find_handles
from continuous_training.redaction.rules.ibans import find_ibans
from continuous_training.redaction.rules.ips import find_ips
from continuous_training.redaction.rules.urls import find_urls
from continuous_training.redaction.scan import Scan
from continuous_training.redaction.spans import Found

Rule = Callable[[Scan], Iterator[Found]]

# PHONE is made by its regions, see phones.py, and NAME by the project's own function, see names.py.
PLAIN_RULES: Final[Mapping[str, Rule]] = {
    SECRET: find_secrets,
    URL: find_urls,
    EMAIL: find_emails,
    IBAN: find_ibans,
    CARD: find_cards,
    IP: find_ips,
    HANDLE: find_handles,
}
