"""How the deployments work together: what the HTTP layer calls, over typed handles."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

from ray.exceptions import RayError
from ray.serve.handle import DeploymentHandle

from deployments.calls import call, stream
from deployments.retriever import Guess
from smartypants import wiring
from smartypants.admission import Admission, Estimate, Gate
from smartypants.answering import answer
from smartypants.api.services import AnswerRequest, Readiness, Services
from smartypants.errors import DeadlineExceeded, Overloaded, SmartyPantsError, Unavailable
from smartypants.finishing import finish
from smartypants.ledger import collections
from smartypants.processing import normalise
from smartypants.protocols import Vectors
from smartypants.querying.recording import Recorder, since
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
    Understanding,
)

READY_TIMEOUT_S = 2.0
SHED_RERANK = 0.5
"""The share of a caller's time that waiting may take before reranking is left out."""

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
        chosen = settings.serve
        self._searches = Gate(chosen.search_places, most_waiting=chosen.most_waiting)
        self._generations = Gate(chosen.generation_places, most_waiting=chosen.most_waiting)
        self._reranking = Estimate()

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
        """Plan, retrieve, and rerank where that is configured, wanted, and there is time.

        Raises `Overloaded` at once where there is no time for anything.
        """
        budget_s = _left(query.deadline, self._settings.serve.search_budget_s)
        async with self._searches.admitted(budget_s) as admission:
            try:
                return await self._search(query, admission)
            except DeadlineExceeded as exc:
                if self._searches.waiting:  # it is not this query that takes long
                    raise Overloaded("The deadline passed in a queue.", "Try again later.") from exc
                raise

    async def _search(self, query: Query, admission: Admission) -> SearchResult:
        started = time.perf_counter()
        deadline = query.deadline
        guessing = asyncio.create_task(self._guess(query))
        try:
            plan: SearchPlan = await call(
                lambda: self._handles.query_processor.process.remote(query), deadline=deadline
            )
            guess = await guessing
        finally:
            guessing.cancel()
        found: SearchResult = await call(
            lambda: self._handles.retriever.retrieve.remote(plan, guess), deadline=deadline
        )
        recorder = Recorder([*plan.trace, *found.trace], {**plan.skipped, **found.skipped})
        skipped = recorder.skipped
        hits: Sequence[SearchHit] = found.hits
        reranker = self._handles.reranker
        why = self._no_rerank(plan, admission)
        if why is not None or reranker is None:
            skipped["rerank"] = why or "no reranker is configured"
        elif hits:
            with recorder.step("rerank") as note:
                begun = time.perf_counter()
                try:
                    hits = await self._rerank(reranker, plan, hits)
                    self._reranking.add(time.perf_counter() - begun)
                except (Unavailable, DeadlineExceeded) as exc:
                    skipped["rerank"] = note.detail = f"the reranker failed: {exc.message}"
        hits = await asyncio.to_thread(finish, plan, hits, vectors=self._vectors, recorder=recorder)
        timings = {step.name: step.ms for step in recorder.steps} | {"total": since(started)}
        return SearchResult(
            tuple(hits), skipped, timings, tuple(recorder.steps), Understanding.of(plan)
        )

    async def _guess(self, query: Query) -> Guess | None:
        """The query's own words embedded, while it is interpreted: that saves a hop."""
        text = normalise(query.text)
        if query.history or not text:
            return None
        try:
            vector: Vectors = await call(
                lambda: self._handles.embedder.embed.remote(text),
                deadline=query.deadline,
                patience_s=0,
            )
        except (SmartyPantsError, RayError):
            return None  # the retriever asks again, and has the patience
        return Guess(text, vector)

    def _no_rerank(self, plan: SearchPlan, admission: Admission) -> str | None:
        """Why hits stay as they are; None where they are reranked."""
        if self._handles.reranker is None:
            return "no reranker is configured"
        if not plan.rerank:
            return "not asked for"
        if admission.load > SHED_RERANK:
            return "the system is busy"
        if self._reranking.high > _left(plan.query.deadline, float("inf")):
            return "the deadline leaves no time for it"
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

    async def generate(
        self,
        messages: Sequence[Message],
        sampling: SamplingParams,
        request_id: str,
        deadline: float | None = None,
    ) -> AsyncGenerator[Delta, None]:
        """What the LLM says, streamed. Raises `Overloaded` at once where there is no time."""
        handle = self._handles.llm.options(stream=True)
        budget_s = _left(deadline, self._settings.serve.generation_budget_s)
        async with self._generations.admitted(budget_s):
            deltas = stream(
                lambda: handle.generate.remote(list(messages), sampling, request_id),
                Delta,
                deadline=deadline,
            )
            async with aclosing(deltas):
                async for delta in deltas:
                    yield delta

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, one row a text."""
        handle = self._handles.embedder
        vectors: Vectors = await call(lambda: handle.embed_many.remote(list(texts)))
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
    deadline = time.time() + READY_TIMEOUT_S
    said: str = await call(handle.ready.remote, deadline=deadline, patience_s=0)
    return said


async def _readiness(check: Awaitable[str]) -> Readiness:
    try:
        return Readiness(True, await check)
    except SmartyPantsError as exc:
        return Readiness(False, str(exc))


def _left(deadline: float | None, default: float) -> float:
    """Seconds until the deadline."""
    return default if deadline is None else max(deadline - time.time(), 0.0)
