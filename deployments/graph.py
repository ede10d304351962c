"""How the deployments work together: what the HTTP layer calls, over typed handles."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

from ray.serve.handle import DeploymentHandle

from deployments.calls import call, stream
from smartypants import wiring
from smartypants.answering import answer, generation_deadline, repeatable
from smartypants.api.services import AnswerRequest, Readiness, Services
from smartypants.caching.counters import CacheCounters
from smartypants.caching.forms import NO_RERANKER, NOT_ASKED_FOR
from smartypants.caching.keys import answer_key, search_key
from smartypants.caching.results import ResultCache, Similar
from smartypants.caching.semantic import SemanticIndex
from smartypants.errors import SmartyPantsError
from smartypants.ledger import collections
from smartypants.measures import AnswerMeasures
from smartypants.prompts import PROMPT_VERSION
from smartypants.protocols import Vectors
from smartypants.reranking import rerank
from smartypants.settings import Settings
from smartypants.types import (
    Answer,
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
        self._models = wiring.cached_models(settings)
        self._counters = CacheCounters()
        self._measures = AnswerMeasures()
        self._cache = self._open_cache()
        self._count_tokens = wiring.token_counter(settings)

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
            collectors=(*self._counters.collectors, *self._measures.collectors),
        )

    def _open_cache(self) -> ResultCache | None:
        store = wiring.open_cache(self._settings, self._counters)
        if store is None:
            return None
        chosen = self._settings.cache.semantic
        similar = None
        if chosen.enabled:
            index = SemanticIndex(
                min_similarity=chosen.min_similarity, max_entries=chosen.max_entries
            )
            similar = Similar(index, self._embed_question)
        return ResultCache(store, standing=self._standing, counters=self._counters, similar=similar)

    async def _standing(self, collection: str) -> str | None:
        return await asyncio.to_thread(collections.standing, self._engine, collection)

    async def _embed_question(self, text: str) -> Vectors:
        vector: Vectors = await call(self._handles.embedder.embed.remote(text))
        return vector

    async def search(self, query: Query) -> SearchResult:
        """What was found before, where nothing changed since; else plan, retrieve, and rerank
        where that is configured and wanted."""
        return await self._search(await self._plan(query))

    async def _plan(self, query: Query) -> SearchPlan:
        plan: SearchPlan = await call(
            self._handles.query_processor.process.remote(query), deadline=query.deadline
        )
        return plan

    async def _search(self, plan: SearchPlan) -> SearchResult:
        if self._cache is None:
            return await self._find(plan)
        key = search_key(plan, self._models)
        return await self._cache.search(plan, key, lambda: self._find(plan))

    async def _find(self, plan: SearchPlan) -> SearchResult:
        started = time.perf_counter()
        query, deadline = plan.query, plan.query.deadline
        found: SearchResult = await call(
            self._handles.retriever.retrieve.remote(plan), deadline=deadline
        )
        skipped, timings = dict(found.skipped), dict(found.timings_ms)
        hits: Sequence[SearchHit] = found.hits
        if self._handles.reranker is None:
            skipped["rerank"] = NO_RERANKER
        elif not plan.rerank:
            skipped["rerank"] = NOT_ASKED_FOR
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

        return await rerank(plan.text, hits, scores=scores, depth=plan.recipe.rerank_depth)

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[AnswerEvent, None]:
        """A cited answer, streamed; one that was given before, where nothing changed since."""
        plan = await self._plan(request.query)
        settings = self._settings.answers

        def make() -> AsyncGenerator[AnswerEvent, None]:
            return self._answer(plan, request)

        if self._cache is None or not repeatable(request.sampling, mode=request.mode):
            events = make()
        else:
            key = answer_key(
                plan,
                request.sampling,
                self._models,
                mode=request.mode,
                prompt=PROMPT_VERSION,
                settings=settings,
            )
            events = self._cache.answer(plan, key, make)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Answer):
                    self._measures.note(event)
                yield event

    def _answer(
        self, plan: SearchPlan, request: AnswerRequest
    ) -> AsyncGenerator[AnswerEvent, None]:
        async def search(_: Query) -> SearchResult:
            return await self._search(plan)

        def generate(
            messages: Sequence[Message], sampling: SamplingParams, request_id: str
        ) -> AsyncGenerator[Delta, None]:
            deadline = generation_deadline(request.query.deadline, self._settings.answers)
            return self.generate(messages, sampling, request_id, deadline)

        return answer(
            request.query,
            request.sampling,
            mode=request.mode,
            search=search,
            generate=generate,
            settings=self._settings.answers,
            count_tokens=self._count_tokens,
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
