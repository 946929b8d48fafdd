"""What an export is asked for, and what it reports: values that the command, the service and the manifest share."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from training_archive.exports.exceptions import ExportError

ARCHIVE, LIVE, BOTH = "archive", "live", "both"
SOURCES: Final = (ARCHIVE, LIVE, BOTH)
NONE, EXACT, NEAR = "none", "exact", "near"
DEDUPES: Final = (NONE, EXACT, NEAR)
SPLITS: Final = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """Which examples, treated how, in which format. Wrong values raise ExportError when it is made."""

    format: str  # a name in training_archive.exports.formats.FORMATS
    source: str = BOTH  # `live` is the live database and what is sealed, but not yet in the ZIP
    ids: tuple[str, ...] = ()  # one of them; none named: any
    tasks: tuple[str, ...] = ()  # as ids
    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    since: datetime | None = None  # aware; included
    until: datetime | None = None  # aware; not included
    tags: tuple[str, ...] = ()  # all of them
    min_rating: float | None = None  # of a pair: what its chosen answer needs, unless that is a correction
    dedupe: str = EXACT
    near_threshold: float = 0.85  # Jaccard similarity of the prompts' word 5-grams from which on they are the same
    with_shadows: bool = False  # what a shadow answered, beside the answer that was used
    held_out: tuple[Path, ...] = ()  # files with prompts that must not be in the data set
    held_out_ngram: int = 13  # words in a row that an example must not share with a held-out prompt
    split: tuple[Fraction, ...] | None = None  # shares of SPLITS, 1 in sum; None: the usual ones, see `shares`
    seed: int = 42
    shard_rows: int | None = None
    shard_bytes: int | None = None
    slug: str = ""  # with `schema`: the file names of the data-extraction finetuner
    schema: str = ""

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ExportError(f"{problem} Nothing was written.")

    def _problems(self) -> list[str]:
        return [
            problem
            for is_wrong, problem in (
                (self.source not in SOURCES, f"Examples come from {', '.join(SOURCES)}, not from {self.source!r}."),
                (self.dedupe not in DEDUPES, f"Duplicates: {', '.join(DEDUPES)}, not {self.dedupe!r}."),
                (not _are_aware(self.since, self.until), "A time needs its zone, such as 2026-01-31T00:00:00+00:00."),
                (_is_empty_span(self.since, self.until), "A time to begin with comes before the time to end with."),
                (not 0 < self.near_threshold <= 1, "The threshold of near duplicates is above 0, and 1 at most."),
                (self.held_out_ngram < 1, "An n-gram has at least one word."),
                (not _are_shares(self.shares), "A split is one to three shares, such as .8/.1/.1, that make 1 in sum."),
                (_is_none_left((self.shard_rows, self.shard_bytes)), "A shard holds at least one row and one byte."),
                (bool(self.slug) and len(self.shares) > 1, "A slug names one file; it cannot be split."),
                (bool(self.slug) != bool(self.schema), "A slug needs a schema, and a schema a slug."),
                (
                    not _are_file_names(self.slug, self.schema),
                    "Slug and schema have letters, digits, -, _ and dots only.",
                ),
            )
            if is_wrong
        ]

    @property
    def shares(self) -> tuple[Fraction, ...]:
        """Of train, validation and test. The data-extraction finetuner splits for itself."""
        if self.split is not None:
            return self.split
        return (Fraction(1),) if self.slug else (Fraction(4, 5), Fraction(1, 10), Fraction(1, 10))

    def as_json(self) -> dict[str, Any]:
        """For the manifest: what JSON can hold, and of files only the names."""
        return {
            **asdict(self),
            "ids": len(self.ids),  # which they are is in the lineage
            "held_out": [path.name for path in self.held_out],
            "split": [float(share) for share in self.shares],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What an export wrote, and what it left out."""

    out: Path | None  # the folder, absolute; None after a dry run
    format: str
    dry_run: bool
    matching: int  # examples that the filters let through, each id once
    rows: int  # records written; of a preference format, pairs
    splits: Mapping[str, int]  # records
    tasks: Mapping[str, Mapping[str, int]]  # records by split and task
    left_out: Mapping[str, int]  # examples by reason
    files: list[str]  # names in `out`
    registered: bool  # whether `forget` on this host will name it; not after a dry run
    seconds: float
    stage_seconds: Mapping[str, float] = field(default_factory=dict)


def parse_split(text: str) -> tuple[Fraction, ...]:
    """`.8/.1/.1` as exact shares. Raises ExportError."""
    try:
        return tuple(Fraction(share.strip()) for share in text.split("/"))
    except (ValueError, ZeroDivisionError) as error:
        raise ExportError(f"{text!r} is no split; give shares such as .8/.1/.1. Nothing was written.") from error


def _are_aware(*moments: datetime | None) -> bool:
    return all(moment is None or moment.tzinfo is not None for moment in moments)


def _is_empty_span(since: datetime | None, until: datetime | None) -> bool:
    return since is not None and until is not None and _are_aware(since, until) and since >= until


def _are_shares(shares: tuple[Fraction, ...]) -> bool:
    return 1 <= len(shares) <= len(SPLITS) and all(share >= 0 for share in shares) and sum(shares) == 1


def _is_none_left(limits: tuple[int | None, ...]) -> bool:
    return any(limit is not None and limit < 1 for limit in limits)


def _are_file_names(*names: str) -> bool:
    return all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name, re.ASCII) for name in names if name)
