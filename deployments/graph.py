"""How the deployments work together: what the HTTP layer calls, over typed handles."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ray.serve.handle import DeploymentHandle

from deployments.calls import call, stream
from smartypants import wiring
from smartypants.answering import answer
from smartypants.api.services import AnswerRequest, Readiness, Services
from smartypants.errors import SmartyPantsError
from smartypants.ledger import collections
from smartypants.protocols import Vectors
from smartypants.reranking import rerank
from smartypants.settings import Settings
from smartypants.types import (
    AnswerEvent,
    Delta,
    Message,
    Query,
    SamplingParams,
    SearchHit,
    SearchPlan,
    SearchResult,
)

READY_TIMEOUT_S = 2.0

Handle: TypeAlias = DeploymentHandle[Any]


@dataclass(frozen=True, slots=True)
class Handles:
    """The deployments behind the ingress; `reranker` is None where none is configured."""

    query_processor: Handle
    retriever: Handle
    embedder: Handle
    llm: Handle
    job_runner: Handle
    reranker: Handle | None


class Graph:
    """Composes searches and answers; each method is one of `Services`."""

    def __init__(self, settings: Settings, handles: Handles) -> None:
        self._settings = settings
        self._handles = handles
        self._engine = wiring.open_ledger(settings)
        self._vectors = wiring.open_vectors(settings)

    def services(self) -> Services:
        return Services(
            settings=self._settings,
            engine=self._engine,
            blobs=wiring.open_blobs(self._settings),
            vectors=self._vectors,
            search=self.search,
            answer=self.answer,
            generate=self.generate,
            embed=self.embed,
            readiness=self.readiness,
        )

    async def search(self, query: Query) -> SearchResult:
        """Plan, retrieve, and rerank where that is configured and wanted."""
        started = time.perf_counter()
        deadline = query.deadline
        plan: SearchPlan = await call(
            self._handles.query_processor.process.remote(query), deadline=deadline
        )
        found: SearchResult = await call(
            self._handles.retriever.retrieve.remote(plan), deadline=deadline
        )
        skipped, timings = dict(found.skipped), dict(found.timings_ms)
        hits: Sequence[SearchHit] = found.hits
        if self._handles.reranker is None:
            skipped["rerank"] = "no reranker is configured"
        elif not plan.rerank:
            skipped["rerank"] = "not asked for"
        elif hits:
            begun = time.perf_counter()
            hits = await self._rerank(self._handles.reranker, plan, hits)
            timings["rerank"] = _since(begun)
        timings["total"] = _since(started)
        return SearchResult(tuple(hits[: query.top_k]), skipped, timings)

    async def _rerank(
        self, reranker: Handle, plan: SearchPlan, hits: Sequence[SearchHit]
    ) -> list[SearchHit]:
        async def scores(query: str, passages: Sequence[str]) -> list[float]:
            given: list[float] = await call(
                reranker.scores.remote(query, list(passages)), deadline=plan.query.deadline
            )
            return given

        recipe = plan.recipe
        return await rerank(
            plan.text,
            hits,
            scores=scores,
            depth=recipe.rerank_depth,
            weight=recipe.rerank_weight,
        )

    def answer(self, request: AnswerRequest) -> AsyncGenerator[AnswerEvent, None]:
        """A cited answer, streamed."""

        def generate(
            messages: Sequence[Message], sampling: SamplingParams, request_id: str
        ) -> AsyncGenerator[Delta, None]:
            return self.generate(messages, sampling, request_id, request.query.deadline)

        return answer(
            request.query,
            request.sampling,
            search=self.search,
            generate=generate,
            settings=self._settings.answers,
        )

    def generate(
        self,
        messages: Sequence[Message],
        sampling: SamplingParams,
        request_id: str,
        deadline: float | None = None,
    ) -> AsyncGenerator[Delta, None]:
        """What the LLM says, streamed."""
        handle = self._handles.llm.options(stream=True)
        deltas = handle.generate.remote(list(messages), sampling, request_id)
        return stream(deltas, Delta, deadline=deadline)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, one row a text."""
        vectors: Vectors = await call(self._handles.embedder.embed_many.remote(list(texts)))
        return vectors

    async def readiness(self) -> dict[str, Readiness]:
        """Ask every part at once."""
        checks: dict[str, Awaitable[str]] = {
            "ledger": asyncio.to_thread(self._check_ledger),
            "vector_store": asyncio.to_thread(self._check_vectors),
            "embedder": _ready(self._handles.embedder),
            "llm": _ready(self._handles.llm),
            "job_runner": _ready(self._handles.job_runner),
        }
        if self._handles.reranker is not None:
            checks["reranker"] = _ready(self._handles.reranker)
        results = await asyncio.gather(*(_readiness(check) for check in checks.values()))
        return dict(zip(checks, results, strict=True))

    def _check_ledger(self) -> str:
        return f"{len(collections.every(self._engine))} collections"

    def _check_vectors(self) -> str:
        self._vectors.ping()
        return self._settings.vector_uri


async def _ready(handle: Handle) -> str:
    said: str = await call(handle.ready.remote(), deadline=time.time() + READY_TIMEOUT_S)
    return said


async def _readiness(check: Awaitable[str]) -> Readiness:
    try:
        return Readiness(True, await check)
    except SmartyPantsError as exc:
        return Readiness(False, str(exc))


def _since(started: float) -> float:
    return round(1000 * (time.perf_counter() - started), 2)
