"""How long calls took, as counts in buckets: they add up over tasks, models and days, which percentiles do not.

Each bucket is a tenth wider than the one before, and is read as its geometric middle. A percentile is therefore within
5 % of the true one (nearest rank), whatever the latencies are; sums of histograms are exact.
"""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Final

import orjson

WIDTH: Final = 1.1  # of a bucket: its upper end over its lower one
ERROR: Final = 0.05  # at most, relative; the square root of WIDTH is 1.0488

_LOG_WIDTH: Final = math.log(WIDTH)

# Bucket -> examples. Text, because that is what a key of JSON is, and most are only added up.
Histogram = Mapping[str, int]


def bucket(milliseconds: int) -> str:
    """The bucket of a latency. What is no time at all, or less, is in bucket 0."""
    return str(1 + int(math.log(milliseconds) / _LOG_WIDTH)) if milliseconds > 0 else "0"


def middle(name: str) -> float:
    """The latency that stands for a bucket, in milliseconds."""
    return float(WIDTH ** (int(name) - 0.5)) if name != "0" else 0.0


def percentile(histogram: Histogram, percent: float) -> float | None:
    """The latency that `percent` of the examples do not exceed, in milliseconds. None: there are no examples."""
    rank = math.ceil(sum(histogram.values()) * percent / 100)
    for name in sorted(histogram, key=int):
        rank -= histogram[name]
        if rank <= 0 and histogram[name]:
            return middle(name)
    return None


def to_text(histogram: Histogram) -> str:
    """For the database."""
    return orjson.dumps(dict(histogram), option=orjson.OPT_SORT_KEYS).decode()


def from_text(text: str) -> Counter[str]:
    return Counter(orjson.loads(text))
