"""Which rules redact, and what they leave alone: CONTINUOUS_TRAINING["REDACTION"].

CONTINUOUS_TRAINING = {"REDACTION": {"ALLOW_PATTERNS": [r"\\bORD-[0-9]{10}\\b"], "REGIONS": ["US", "MX"]}}
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from django.conf import settings

from continuous_training.conf import SETTING
from continuous_training.redaction.kinds import KINDS

KEY: Final = "REDACTION"

REDACTION: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "RULES": KINDS,  # the kinds that are redacted; NAME does nothing without NER
        "ALLOW": (),  # values that only look private: exactly so, a place's name or the support's address
        "ALLOW_PATTERNS": (),  # regular expressions: what lies within a match stays
        # Whose national phone numbers are known, as ISO 3166 has it; of two that share a number the first wins.
        "REGIONS": (
            *("US", "CA", "GB", "IE", "DE", "AT", "CH", "FR", "BE", "NL", "ES", "PT", "IT"),
            *("AU", "NZ", "IN", "BR"),
        ),
        "NER": "",  # dotted path of a function from a text to (start, end, kind) of each name in it
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionSettings:
    """CONTINUOUS_TRAINING["REDACTION"] with its defaults; no key is required."""

    rules: Sequence[str]
    allow: Sequence[str]
    allow_patterns: Sequence[str]
    regions: Sequence[str]
    ner: str


def redaction_settings() -> RedactionSettings:
    """CONTINUOUS_TRAINING["REDACTION"] as it stands now."""
    raw = {**REDACTION, **getattr(settings, SETTING, {}).get(KEY, {})}
    return RedactionSettings(
        rules=raw["RULES"],
        allow=raw["ALLOW"],
        allow_patterns=raw["ALLOW_PATTERNS"],
        regions=raw["REGIONS"],
        ner=raw["NER"],
    )
