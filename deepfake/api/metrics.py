"""Counts for Prometheus: requests, how long they took, the queue, verdicts. No file names, no addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from deepfake.api.watch import Watched

_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
MEDIA_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The counts of one interface, in a registry of its own: several may live in one process."""

    def __init__(self) -> None:
        """All stand at zero."""
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "deepfake_requests", "Requests answered.", ("route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "deepfake_request_seconds",
            "From a request's head to its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._verdicts = Counter(
            "deepfake_verdicts",
            "Verdicts; kind is the kind of fake, none where it is not told.",
            ("what", "verdict", "kind", "model"),
            registry=self._registry,
        )
        self._refusals = Counter(
            "deepfake_refusals", "Files without a verdict.", ("code",), registry=self._registry
        )
        self._registry.register(_Queue())
        ProcessCollector(registry=self._registry)

    def answered(self, request: Watched, status: int) -> None:
        """Counts a request."""
        self._requests.labels(request.route, str(status)).inc()
        self._seconds.labels(request.route).observe(request.seconds)

    def judged(self, what: str, result: dict[str, Any]) -> None:
        """Counts what came of a file.

        Args:
            what: ``image``, ``video`` or ``report``.
            result: ``Outcome.to_dict`` or ``outcome.video_fields``.
        """
        if "error" in result:
            self.refused(result["error"]["code"])
            return
        kind = (result.get("kind") or {}).get("name") or "none"
        self._verdicts.labels(what, result.get("verdict", "none"), kind, result.get("model", "none")).inc()

    def refused(self, code: str) -> None:
        """Counts a file without a verdict."""
        self._refusals.labels(code).inc()

    def text(self) -> bytes:
        """All of them, as Prometheus reads them."""
        return generate_latest(self._registry)


class _Queue(Collector):
    """The queue of pictures, which the pages share, as it stands when it is asked."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        from deepfake.detection.detector import JUDGING  # its import takes a second

        running, waiting = JUDGING.standing()
        yield GaugeMetricFamily("deepfake_queue_running", "Pictures at work.", running)
        yield GaugeMetricFamily("deepfake_queue_waiting", "Pictures that wait for their turn.", waiting)
        yield GaugeMetricFamily(
            "deepfake_queue_places", "Pictures that may be at work or wait.", JUDGING.most
        )
