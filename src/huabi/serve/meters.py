"""What a server counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
Gauges = Callable[[], dict[str, float]]


class Meters:
    """Counters of one server, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self._registry}
        self.calls = Histogram(
            "huabi_http_seconds", "time to answer a call", ("method", "route", "status"), buckets=SECONDS, **own
        )
        self.ended = Counter("huabi_jobs", "jobs that ended", ("task", "state"), **own)
        self.waited = Histogram("huabi_job_wait_seconds", "from acceptance to start", buckets=SECONDS, **own)
        self.drawing = Histogram("huabi_batch_seconds", "time to draw a batch", buckets=SECONDS, **own)
        self.rows = Histogram("huabi_batch_pictures", "pictures drawn at once", buckets=(1, 2, 4, 8, 16, 32, 64), **own)
        self.pictures = Counter("huabi_pictures", "pictures drawn", **own)

    def watch(self, gauges: Gauges) -> None:
        """Reads `gauges` by name whenever somebody asks."""
        registry = self._registry

        class Live:
            def collect(self) -> list[GaugeMetricFamily]:
                return [GaugeMetricFamily(f"huabi_{name}", name, value=value) for name, value in gauges().items()]

            def describe(self) -> list[GaugeMetricFamily]:
                return []

        registry.register(Live())

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
