"""How the deployments work together: what the HTTP layer calls, over typed handles."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing

import structlog

from deployments.calls import call, stream
from deployments.handles import Handle, Handles
from deployments.searching import Searching, left
from smartypants import wiring
from smartypants.admission import Gate
from smartypants.answering import answer, generation_deadline, repeatable
from smartypants.api.services import AnswerRequest, Readiness, Services
from smartypants.caching.counters import CacheCounters
from smartypants.caching.keys import answer_key
from smartypants.caching.results import ResultCache, Similar
from smartypants.caching.semantic import SemanticIndex
from smartypants.errors import SmartyPantsError
from smartypants.ledger import collections
from smartypants.measures import AnswerMeasures
from smartypants.metering.payer import current
from smartypants.prompts.choosing import ActivePrompts
from smartypants.prompts.kinds import Kind
from smartypants.prompts.template import Prompt
from smartypants.protocols import Vectors
from smartypants.providers.usage import UsageCounters
from smartypants.safety.policy import Safety
from smartypants.settings import Settings
from smartypants.types import (
    Answer,
    AnswerEvent,
    Delta,
    Message,
    Query,
    SamplingParams,
    SearchPlan,
    SearchResult,
    stable_id,
)

READY_TIMEOUT_S = 2.0

log = structlog.get_logger(__name__)


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
        self._usage = UsageCounters()
        self._prompts = ActivePrompts(self._engine)
        self._cache = self._open_cache()
        self._count_tokens = wiring.token_counter(settings)
        self._safety = wiring.make_safety(settings, self._engine)
        self._searching = Searching(settings, handles, self._vectors, self._cache, self._models)
        chosen = settings.serve
        self._generations = Gate(chosen.generation_places, most_waiting=chosen.most_waiting)

    def services(self) -> Services:
        return Services(
            settings=self._settings,
            engine=self._engine,
            blobs=wiring.open_blobs(self._settings),
            vectors=self._vectors,
            search=self.search,
            answer=self.answer,
            generate=self.chat,
            embed=self.embed,
            readiness=self.readiness,
            rerank=None if self._handles.reranker is None else self.rerank,
            collectors=(
                *self._counters.collectors,
                *self._measures.collectors,
                *self._usage.collectors,
            ),
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
        vector: Vectors = await call(lambda: self._handles.embedder.embed.remote((text, current())))
        return vector

    async def search(self, query: Query) -> SearchResult:
        """Hits, best first."""
        return await self._searching.search(query)

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[AnswerEvent, None]:
        """A cited answer, streamed; one that was given before, where nothing changed since."""
        plan = await self._searching.plan(request.query)
        settings = self._settings.answers
        safety = await asyncio.to_thread(self._safety.of, plan.query.collection)
        prompt: Prompt | None = None
        if request.mode == "generated":
            prompt = await asyncio.to_thread(self._prompts.choose, Kind.ANSWER, plan.query)

        def make() -> AsyncGenerator[AnswerEvent, None]:
            return self._answer(plan, request, prompt, safety)

        if self._cache is None or not repeatable(request.sampling, mode=request.mode):
            events = make()
        else:
            key = answer_key(
                plan,
                request.sampling,
                self._models,
                mode=request.mode,
                prompt=stable_id(prompt.told if prompt else "", safety.settings.model_dump_json()),
                settings=settings,
            )
            events = self._cache.answer(plan, key, make)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Answer):
                    self._measures.note(event)
                    _log_prompt(event)
                yield event

    def _answer(
        self, plan: SearchPlan, request: AnswerRequest, prompt: Prompt | None, safety: Safety
    ) -> AsyncGenerator[AnswerEvent, None]:
        async def search(_: Query) -> SearchResult:
            return await self._searching.planned(plan)

        def generate(
            messages: Sequence[Message], sampling: SamplingParams, request_id: str
        ) -> AsyncGenerator[Delta, None]:
            settings = self._settings.answers
            deadline = generation_deadline(request.query.deadline, settings)
            first_s = settings.first_token_s
            return self.generate(messages, sampling, request_id, deadline, first_s)

        return answer(
            request.query,
            request.sampling,
            mode=request.mode,
            search=search,
            generate=generate,
            settings=self._settings.answers,
            count_tokens=self._count_tokens,
            prompt=prompt,
            window_tokens=self._settings.llm.max_model_len,
            safety=safety,
        )

    def chat(
        self,
        messages: Sequence[Message],
        sampling: SamplingParams,
        request_id: str,
        deadline: float | None,
    ) -> AsyncGenerator[Delta, None]:
        """What the LLM says without any documents, processed like an answer."""
        return self._safety.everywhere.response().process(
            self.generate(messages, sampling, request_id, deadline)
        )

    async def generate(
        self,
        messages: Sequence[Message],
        sampling: SamplingParams,
        request_id: str,
        deadline: float | None = None,
        first_s: float | None = None,
    ) -> AsyncGenerator[Delta, None]:
        """What the LLM says, streamed; with `first_s`, from so many seconds after it was asked.

        Raises `Overloaded` at once where there is no time.
        """
        handle, payer = self._handles.llm.options(stream=True), current()
        budget_s = left(deadline, self._settings.serve.generation_budget_s)
        async with self._generations.admitted(budget_s):
            deltas = stream(
                lambda: handle.generate.remote(
                    list(messages), sampling, request_id, deadline, payer
                ),
                Delta,
                deadline=deadline,
                first_by=None if first_s is None else time.time() + first_s,
            )
            async with aclosing(deltas):
                async for delta in deltas:
                    if delta.usage is not None:
                        self._usage.note(delta.usage)
                    yield delta

    async def embed(self, texts: Sequence[str], deadline: float | None) -> Vectors:
        """Unit vectors, one row a text."""
        handle = self._handles.embedder
        vectors: Vectors = await call(
            lambda: handle.embed_many.remote(list(texts), current()), deadline=deadline
        )
        return vectors

    async def rerank(self, query: str, texts: Sequence[str], deadline: float | None) -> list[float]:
        """Logits, one a text."""
        handle = self._handles.reranker
        assert handle is not None
        scores: list[float] = await call(
            lambda: handle.scores.remote(query, list(texts)), deadline=deadline
        )
        return scores

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


def _log_prompt(answer: Answer) -> None:
    if answer.prompt is not None:
        log.info(
            "answered",
            prompt=answer.prompt.name,
            prompt_version=answer.prompt.version,
            cached=answer.cached,
        )


async def _ready(handle: Handle) -> str:
    deadline = time.time() + READY_TIMEOUT_S
    said: str = await call(handle.ready.remote, deadline=deadline, patience_s=0)
    return said


async def _readiness(check: Awaitable[str]) -> Readiness:
    try:
        return Readiness(True, await check)
    except SmartyPantsError as exc:
        return Readiness(False, str(exc))
