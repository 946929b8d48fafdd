"""CONTINUOUS_TRAINING["GATE"] and ["WATCH"]: when a model may answer, and when it may no longer."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from continuous_training.conf import loop_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a candidate's evaluation must show. Scores are from 0 to 1; None asks for nothing."""

    min_items: int = 30  # in the gold set: with fewer, an interval says little
    min_gain: float = 0.0  # mean gain over the incumbent
    min_gain_low: float = 0.0  # lower end of the gain's interval; -0.02 lets in what is at most 0.02 worse
    min_score: float = 0.5  # of the candidate itself, where there is no incumbent
    max_category_loss: float | None = 0.05  # mean loss in any category
    min_category_items: int = 5  # a category with fewer is not judged by itself
    max_error_rate: float = 0.01  # of either side
    max_latency_ratio: float | None = 1.5  # p95, candidate to incumbent
    max_cost_ratio: float | None = 1.0  # per call, candidate to incumbent, where both are known


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """When a promoted model is taken off its route without asking anybody."""

    hours: float = 1.0  # looked back for errors; never beyond the route's last change
    min_calls: int = 20  # with fewer in that time, errors are not judged
    max_error_rate: float = 0.05
    max_error_ratio: float = 2.0  # and to the incumbent's rate: when all fail alike, nothing is gained by going back
    rating_days: float = 7.0  # looked back for ratings, of both
    min_ratings: int = 20  # of each; with fewer, ratings are not judged
    max_rating_fall: float | None = 0.1  # mean rating below the incumbent's

    @property
    def error_window(self) -> timedelta:
        return timedelta(hours=self.hours)

    @property
    def rating_window(self) -> timedelta:
        return timedelta(days=self.rating_days)


def gate_settings() -> Gate:
    return Gate(**_lower(loop_settings().gate))


def watch_settings() -> Watch:
    return Watch(**_lower(loop_settings().watch))


def keys(kind: type[Gate] | type[Watch]) -> list[str]:
    """As they are written in the settings."""
    return [field.name.upper() for field in fields(kind)]


def _lower(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {key.lower(): value for key, value in raw.items()}
