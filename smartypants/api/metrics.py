"""What Prometheus may know: requests as they are served, documents and jobs as they stand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from smartypants.errors import SmartyPantsError
from smartypants.ledger import documents
from smartypants.ledger.database import reading
from smartypants.ledger.jobs import JobState
from smartypants.ledger.schema import jobs
from smartypants.types import DocumentState

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_METHODS: Final = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)

log = structlog.get_logger(__name__)


class Metrics:
    """The metrics of one app; each has its own registry, so that two can live in a process."""

    def __init__(self, engine: Engine, collectors: Iterable[Collector] = ()) -> None:
        self.registry = CollectorRegistry()
        labels = ("route", "method", "status")
        self.requests = Counter(
            "smartypants_http_requests_total", "Requests.", labels, registry=self.registry
        )
        self.latency = Histogram(
            "smartypants_http_request_seconds",
            "Time until the last byte of the response.",
            labels,
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self.in_flight = Gauge(
            "smartypants_http_requests_in_flight",
            "Requests that are being served.",
            registry=self.registry,
        )
        self.streams = Gauge(
            "smartypants_http_event_streams",
            "Server-sent event streams that are open.",
            registry=self.registry,
        )
        self.chats = Gauge(
            "smartypants_chat_connections", "Chats that are connected.", registry=self.registry
        )
        self.turns = Counter(
            "smartypants_chat_turns_total",
            "Turns of chats that ended; `lost` ones could not be kept.",
            ("state",),
            registry=self.registry,
        )
        self.registry.register(LedgerGauges(engine))
        for collector in collectors:
            self.registry.register(collector)
        ProcessCollector(namespace="smartypants", registry=self.registry)

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        labels = (route, method if method in _METHODS else "OTHER", str(status))
        self.requests.labels(*labels).inc()
        self.latency.labels(*labels).observe(seconds)

    def text(self) -> bytes:
        """Reads the ledger: call it in a thread."""
        return generate_latest(self.registry)


class LedgerGauges(Collector):
    """Counts of the ledger, taken when scraped; a ledger that is down costs only these."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def describe(self) -> Iterable[Metric]:
        return ()  # or registering would read the ledger

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("smartypants_ledger_up", "Whether the ledger answers.")
        try:
            families = [*self._documents(), self._jobs()]
        except (SQLAlchemyError, SmartyPantsError) as exc:
            log.warning("ledger not scraped", error=str(exc))
            families = []
        up.add_metric((), 1.0 if families else 0.0)
        return [up, *families]

    def _documents(self) -> list[Metric]:
        rows = GaugeMetricFamily(
            "smartypants_documents", "Documents.", labels=("collection", "state")
        )
        chunks = GaugeMetricFamily("smartypants_chunks", "Chunks.", labels=("collection",))
        for collection, counts in documents.counts(self._engine).items():
            for state in DocumentState:
                rows.add_metric((collection, state), counts.get(state, 0))
            chunks.add_metric((collection,), counts["chunks"])
        return [rows, chunks]

    def _jobs(self) -> Metric:
        family = GaugeMetricFamily("smartypants_jobs", "Jobs.", labels=("state",))
        query = select(jobs.c.state, func.count()).group_by(jobs.c.state)
        with reading(self._engine) as connection:
            counts = {state: int(number) for state, number in connection.execute(query)}
        for state in JobState:
            family.add_metric((state,), counts.get(state, 0))
        return family
