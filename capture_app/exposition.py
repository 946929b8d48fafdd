"""What capture counts and what its gauges say, in Prometheus' text format.

The counts are the sum over all processes of this host, so it does not matter which worker of a web server answers, and
PROMETHEUS_MULTIPROC_DIR need not be set. A project with a /metrics of its own registers a GleanerCollector there.
"""

import logging
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from capture_app.exceptions import CaptureError
from capture_app.gauges import read_gauges
from capture_app.metrics import capture_counts

logger = logging.getLogger("capture_app")

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4


class GleanerCollector(Collector):
    """Everything that Gleaner knows at the moment of a scrape."""

    def collect(self) -> Iterator[Metric]:
        yield from _counters()
        yield from _gauges()


def render_metrics() -> bytes:
    registry = CollectorRegistry()
    registry.register(GleanerCollector())
    return generate_latest(registry)


def _counters() -> Iterator[Metric]:
    try:
        counts = capture_counts()
    except (OSError, CaptureError):  # the gauges are wanted all the more
        logger.warning("The counts of captures are missing from /metrics.", exc_info=True)
        return
    yield CounterMetricFamily("gleaner_captures", "Examples that reached the live database.", value=counts.captured)
    yield CounterMetricFamily("gleaner_withheld", "Examples that could not be redacted.", value=counts.withheld)
    failures = CounterMetricFamily(
        "gleaner_capture_failures", "Answered calls whose example could not be kept.", labels=["cause"]
    )
    for cause, number in sorted(counts.failures.items()):
        failures.add_metric([cause], number)
    yield failures
    yield CounterMetricFamily(
        "gleaner_memory_failures",
        "Calls made without the memory that they asked for: recalling failed or took too long.",
        value=counts.memory_failures,
    )


def _gauges() -> Iterator[Metric]:
    families: dict[str, GaugeMetricFamily] = {}
    for gauge in read_gauges():
        family = families.get(gauge.name)
        if family is None:
            labels = list(gauge.all_labels)
            family = families[gauge.name] = GaugeMetricFamily(gauge.name, gauge.help, labels=labels)
        family.add_metric(list(gauge.all_labels.values()), gauge.value)
    yield from families.values()
