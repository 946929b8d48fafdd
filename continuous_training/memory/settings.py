"""What is remembered of users' exchanges, and how it is recalled: CONTINUOUS_TRAINING["MEMORY"].

TRAINING_CAPTURE = {"MEMORY": "continuous_training.memory.recall", ...}     # turns it on
CONTINUOUS_TRAINING = {"MEMORY": {"TASKS": ["support"], "SUMMARIZER": "extract"}}
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

from continuous_training.conf import loop_settings

TASK: Final = "continuous_training.memory"  # of the calls by which exchanges are summarised
REMEMBERS: Final = "remembers"  # the key in the metadata of such a call: the id of the example that it summarises

LLM: Final = "llm"
EXTRACT: Final = "extract"

MEMORY: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "TASKS": (),  # whose exchanges are remembered from now on; none named: of all
        "DAYS": 365,  # how long, from the exchange on
        "SUMMARIZER": LLM,  # a model says each exchange in a sentence; or EXTRACT: its first words are taken
        "EMBEDDER": {"BACKEND": "continuous_training.memory.embedders.ngrams.NgramEmbedder"},  # and OPTIONS
        "MIN_SCORE": None,  # the least cosine of what is recalled; None: as the embedder has it, mostly 0.82
        "CANDIDATES": 12,  # recalled at most
        "TOKENS": 800,  # of the message with all of them, at most; four bytes are counted as one
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySettings:
    """CONTINUOUS_TRAINING["MEMORY"] with its defaults; no key is required."""

    tasks: Sequence[str]
    lifetime: timedelta
    summarizer: str
    embedder: Mapping[str, Any]
    min_score: float | None
    candidates: int
    tokens: int


def memory_settings() -> MemorySettings:
    """The settings as they stand now."""
    raw = {**MEMORY, **loop_settings().memory}
    return MemorySettings(
        tasks=raw["TASKS"],
        lifetime=timedelta(days=raw["DAYS"]),
        summarizer=raw["SUMMARIZER"],
        embedder=raw["EMBEDDER"],
        min_score=raw["MIN_SCORE"],
        candidates=raw["CANDIDATES"],
        tokens=raw["TOKENS"],
    )
