"""A search over typed handles: plan → what is kept, or else retrieve → rerank → finish."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from deployments.calls import call
from deployments.handles import Handle, Handles
from smartypants.admission import Admission, Estimate, Gate
from smartypants.caching.keys import Models, search_key
from smartypants.caching.results import ResultCache
from smartypants.choices import BUSY, Choice
from smartypants.errors import DeadlineExceeded, Overloaded, Unavailable
from smartypants.finishing import finish, is_instant
from smartypants.metering.payer import current
from smartypants.protocols import VectorStore
from smartypants.querying.recording import Recorder, since
from smartypants.reranking import rerank
from smartypants.settings import Settings
from smartypants.types import Query, SearchHit, SearchPlan, SearchResult, Understanding

SHED_RERANK, SHED_EXPANSION = 0.5, 0.75
"""The share of a caller's time that waiting and work may take before a step is left out."""


class Searching:
    """Lets in what there is time for, and leaves out what there is none for.

    Each call raises `Overloaded` at once where there is no time for anything.
    """

    def __init__(
        self,
        settings: Settings,
        handles: Handles,
        vectors: VectorStore,
        cache: ResultCache | None,
        models: Models,
    ) -> None:
        self._handles = handles
        self._vectors = vectors
        self._cache = cache
        self._models = models
        self._budget_s = settings.serve.search_budget_s
        self._gate = Gate(settings.serve.search_places, most_waiting=settings.serve.most_waiting)
        self._reranking = Estimate()

    async def search(self, query: Query) -> SearchResult:
        """What was found before, where nothing changed since; else what is found now."""
        async with self._admitted(query) as admission:
            return await self._search(await self._plan(query, admission), admission)

    async def plan(self, query: Query) -> SearchPlan:
        """What the query processor makes of it."""
        async with self._admitted(query) as admission:
            return await self._plan(query, admission)

    async def planned(self, plan: SearchPlan) -> SearchResult:
        """The rest of a search."""
        async with self._admitted(plan.query) as admission:
            return await self._search(plan, admission)

    @asynccontextmanager
    async def _admitted(self, query: Query) -> AsyncIterator[Admission]:
        async with self._gate.admitted(left(query.deadline, self._budget_s)) as admission:
            try:
                yield admission
            except DeadlineExceeded as exc:
                if admission.waited or self._gate.waiting:  # it is not this query that takes long
                    raise Overloaded("The deadline passed in a queue.", "Try again later.") from exc
                raise

    async def _plan(self, query: Query, admission: Admission) -> SearchPlan:
        if admission.load > SHED_EXPANSION:
            query = replace(query, shed=("expansion",))
        plan: SearchPlan = await call(
            lambda: self._handles.query_processor.process.remote(query, current()),
            deadline=query.deadline,
        )
        return plan

    async def _search(self, plan: SearchPlan, admission: Admission) -> SearchResult:
        async def find() -> SearchResult:
            return await self._find(plan, admission)

        if self._cache is None:
            return await find()
        return await self._cache.search(plan, search_key(plan, self._models), find)

    async def _find(self, plan: SearchPlan, admission: Admission) -> SearchResult:
        started = time.perf_counter()
        found: SearchResult = await call(
            lambda: self._handles.retriever.retrieve.remote(plan, current()),
            deadline=plan.query.deadline,
        )
        recorder = Recorder([*plan.trace, *found.trace], {**plan.skipped, **found.skipped})
        hits: Sequence[SearchHit] = found.hits
        reranker = self._handles.reranker
        why = self._no_rerank(plan, admission)
        if reranker is None or why is not None:
            recorder.skip("rerank", why or Choice.NO_RERANKER)
        elif hits:
            with recorder.step("rerank") as note:
                begun = time.perf_counter()
                try:
                    hits = await self._rerank(reranker, plan, hits)
                    self._reranking.add(time.perf_counter() - begun)
                except (Unavailable, DeadlineExceeded) as exc:
                    note.detail = f"the reranker failed: {exc.message}"
                    recorder.skip("rerank", note.detail)
        if is_instant(plan):
            hits = finish(plan, hits, vectors=self._vectors, recorder=recorder)
        else:
            hits = await asyncio.to_thread(
                finish, plan, hits, vectors=self._vectors, recorder=recorder
            )
        timings = {step.name: step.ms for step in recorder.steps} | {"total": since(started)}
        return SearchResult(
            tuple(hits),
            recorder.skipped,
            timings,
            tuple(recorder.steps),
            Understanding.of(plan),
        )

    def _no_rerank(self, plan: SearchPlan, admission: Admission) -> str | None:
        """Why hits stay as they are; None where they are reranked."""
        if self._handles.reranker is None:
            return Choice.NO_RERANKER
        if not plan.rerank:
            return Choice.NOT_ASKED_FOR
        if self._reranking.high > left(plan.query.deadline, float("inf")):
            return "the deadline leaves no time for it"
        if admission.load > SHED_RERANK:
            return BUSY
        return None

    async def _rerank(
        self, reranker: Handle, plan: SearchPlan, hits: Sequence[SearchHit]
    ) -> list[SearchHit]:
        async def scores(query: str, passages: Sequence[str]) -> list[float]:
            given: list[float] = await call(
                lambda: reranker.scores.remote(query, list(passages)),
                deadline=plan.query.deadline,
                patience_s=0,  # the fused order is there
            )
            return given

        recipe = plan.recipe
        return await rerank(
            plan.text, hits, scores=scores, depth=recipe.rerank_depth, weight=recipe.rerank_weight
        )


def left(deadline: float | None, default: float) -> float:
    """Seconds until the deadline."""
    return default if deadline is None else max(deadline - time.time(), 0.0)
