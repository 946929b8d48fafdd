"""By which rules captured examples become pairs: CONTINUOUS_TRAINING["EXPORT"], whose defaults are the seed's rules.

    CONTINUOUS_TRAINING = {
        "EXPORT": {"MIN_RATING": 0.7, "TASKS": {"navpage_classifier": {"MIN_CHARACTERS": 1}}},
    }

Two defaults are not the seed's. The system message is kept, because a model that is tuned without it is asked with it
later: `call_llm` sends it with every call. And an answer that was cut short stays out, for it teaches to stop halfway.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from continuous_training.conf import loop_settings

CUT: Final = "cut"
LEAVE_OUT: Final = "leave out"

# Rules on one example, which "TASKS" may change for a task by its name.
PAIR_RULES: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "SYSTEM_MESSAGE": True,  # whether it begins the line; False: user and assistant only, as the seed has it
        "HISTORY": False,  # True: the whole conversation, with tools and tool calls; earlier answers get the weight 0
        "REDACT": True,  # by continuous_training.redaction
        "MIN_CHARACTERS": 10,  # of either side after redaction
        "MAX_CHARACTERS": 16_000,  # of a message, after redaction
        "TOO_LONG": CUT,  # or LEAVE_OUT: half an answer in JSON teaches to write half an answer
        "LEAVE_OUT_WITH": ("[ACTION]",),  # texts, one of which in either side keeps the pair out
        "MIN_RATING": 0.5,  # of what is rated at all and not corrected: good is 1, bad is 0. None: everything is taken
        "CUT_SHORT": False,  # whether partial answers, and those that a limit or a filter ended, are taken
    }
)
RULES: Final[Mapping[str, Any]] = MappingProxyType(
    {
        **PAIR_RULES,
        "TASKS": {},  # task -> its own PAIR_RULES
        "GROUP_BY": ("user_id", "conversation_id"),  # lines stand together by the first of these that an example has
        "EXCLUDED_TASKS": ("training_files.*", "continuous_training.*"),  # a `*` at the end stands for anything
        "MAX_FILE_BYTES": 50_000_000,  # then another file is begun
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRules:
    """PAIR_RULES, as they are for one task."""

    system_message: bool
    history: bool
    redact: bool
    min_characters: int
    max_characters: int
    too_long: str
    leave_out_with: Sequence[str]
    min_rating: float | None
    cut_short: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRules:
    """CONTINUOUS_TRAINING["EXPORT"] with its defaults."""

    usual: PairRules
    by_task: Mapping[str, PairRules]
    group_by: Sequence[str]
    excluded_tasks: Sequence[str]
    max_file_bytes: int

    def of(self, task: str) -> PairRules:
        return self.by_task.get(task, self.usual)

    def is_excluded(self, task: str) -> bool:
        return any(is_named(task, name) for name in self.excluded_tasks)


def is_named(task: str, name: str) -> bool:
    """Whether `name`, perhaps with a `*` at its end, stands for the task."""
    return task.startswith(name[:-1]) if name.endswith("*") else task == name


def export_rules() -> ExportRules:
    """The rules as they stand now."""
    raw = {**RULES, **loop_settings().export}
    usual = {key: raw[key] for key in PAIR_RULES}
    return ExportRules(
        usual=_pair_rules(usual),
        by_task={task: _pair_rules({**usual, **own}) for task, own in raw["TASKS"].items()},
        group_by=raw["GROUP_BY"],
        excluded_tasks=raw["EXCLUDED_TASKS"],
        max_file_bytes=raw["MAX_FILE_BYTES"],
    )


def _pair_rules(raw: Mapping[str, Any]) -> PairRules:
    return PairRules(**{key.lower(): raw[key] for key in PAIR_RULES})
