"""What is counted of some examples, and adding such counts up."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from console.figures.histogram import bucket, percentile

_MOST: Final = 2**63 - 1  # what a database keeps; what counts tokens there may be wrong, and must not end the counting


@dataclass(slots=True)
class Tally:
    """Figures of some examples. What an example does not tell is left out of the sum, not taken for 0."""

    examples: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    priced: int = 0  # examples whose cost is known
    latencies: Counter[str] = field(default_factory=Counter)  # see histogram

    def count(
        self, input_tokens: int | None, output_tokens: int | None, cost_usd: float | None, latency_ms: int | None
    ) -> None:
        """Add one example."""
        self.examples += 1
        self.input_tokens += input_tokens or 0
        self.output_tokens += output_tokens or 0
        if cost_usd is not None and math.isfinite(cost_usd):
            self.cost_usd += cost_usd
            self.priced += 1
        if latency_ms is not None:
            self.latencies[bucket(latency_ms)] += 1

    def add(self, other: "Tally") -> None:
        """Add what was counted of other examples."""
        self._add_sums(other, 1)
        for name, examples in other.latencies.items():
            self.latencies[name] += examples

    def without(self, parts: Iterable["Tally"], *, latencies: bool) -> "Tally":
        """What is left when these are taken away, with its latencies or without."""
        rest = replace(self, latencies=Counter(self.latencies) if latencies else Counter())
        for part in parts:
            rest._add_sums(part, -1)
            if latencies:
                rest.latencies.subtract(part.latencies)
        return rest

    def _add_sums(self, other: "Tally", sign: int) -> None:
        self.examples += sign * other.examples
        self.input_tokens += sign * other.input_tokens
        self.output_tokens += sign * other.output_tokens
        self.cost_usd += sign * other.cost_usd
        self.priced += sign * other.priced

    def percentile(self, percent: float) -> float | None:
        """A latency in milliseconds; see histogram.percentile."""
        return percentile(self.latencies, percent)

    @property
    def cost(self) -> float | None:
        """In USD; None when no example tells."""
        return self.cost_usd if self.priced else None

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


def total(tallies: Iterable[Tally]) -> Tally:
    found = Tally()
    for tally in tallies:
        found.add(tally)
    return found


def storable(number: int) -> int:
    """The nearest number that a BIGINT holds."""
    return max(-_MOST, min(number, _MOST))
