"""What the HTTP layer calls: plain async callables, whatever stands behind them.

In the query program they are calls to other deployments; in tests, functions of one process.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from prometheus_client.registry import Collector
from sqlalchemy import Engine

from smartypants.auditing.events import Event
from smartypants.protocols import BlobStore, Vectors, VectorStore
from smartypants.settings import Settings
from smartypants.types import (
    AnswerEvent,
    AnswerMode,
    Delta,
    Message,
    Query,
    SamplingParams,
    SearchResult,
)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a part can serve, and what there is to know about it."""

    ready: bool
    detail: str


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """A question, and how to answer it."""

    query: Query
    sampling: SamplingParams
    mode: AnswerMode = "generated"


async def nobody(_: Event) -> None:
    """Keeps no records."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a route needs."""

    settings: Settings
    engine: Engine
    blobs: BlobStore
    vectors: VectorStore
    search: Callable[[Query], Awaitable[SearchResult]]
    answer: Callable[[AnswerRequest], AsyncGenerator[AnswerEvent, None]]
    generate: Callable[
        [Sequence[Message], SamplingParams, str, float | None], AsyncGenerator[Delta, None]
    ]
    """Messages, how to answer, the request's id, the deadline (Unix time)."""
    embed: Callable[[Sequence[str], float | None], Awaitable[Vectors]]
    """Texts, the deadline."""
    readiness: Callable[[], Awaitable[dict[str, Readiness]]]
    rerank: Callable[[str, Sequence[str], float | None], Awaitable[list[float]]] | None = None
    """Logits of a query's texts by the deadline; None where there is no reranker."""
    collectors: Sequence[Collector] = ()
    """What else Prometheus may know."""
    audit: Callable[[Event], Awaitable[None]] = nobody
    """Told what was shown, before it is."""
