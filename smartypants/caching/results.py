"""Search results and answers that were made before, given again where nothing has changed.

Why none is ever stale or foreign. A plan reads the caller's ACL ids and the collection's
standing (its epoch, among others) as of one moment, after its search began; both are part of
the key. Every transaction of the ledger that alters what a search shows moves the epoch in
itself, so standing S names one state of what can be shown. A result is kept under S only if the
standing is S again after it was made: epochs only grow, so it was S all the while, and every
read of the ledger in between saw that one state. A later search finds it only if it reads S
itself: no change was committed before that search began which the result does not show. A
result that was made across a commit is kept under neither standing. The vector store is not
part of the standing, but it only proposes: the ledger decides which passages show.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Generic

from smartypants.caching import forms
from smartypants.caching.counters import CacheCounters, Kind
from smartypants.caching.forms import Form, T
from smartypants.caching.keys import Key
from smartypants.caching.semantic import SemanticIndex
from smartypants.caching.store import Store
from smartypants.protocols import Vectors
from smartypants.types import (
    Answer,
    AnswerEvent,
    Delta,
    SearchPlan,
    SearchResult,
    Step,
)


@dataclass(frozen=True, slots=True)
class Similar:
    """The semantic cache: earlier questions, and how to embed one."""

    index: SemanticIndex
    embed: Callable[[str], Awaitable[Vectors]]


@dataclass(frozen=True, slots=True)
class _Looked(Generic[T]):
    """What is kept; or else the question's vector, where the semantic cache needs it."""

    value: T | None
    vector: Vectors | None = None


class ResultCache:
    """What lies between a plan and the work that it asks for.

    `standing` reads `Collection.standing` of a collection by name, as it is at that moment. One
    cache belongs to one event loop; others share its store.

    >>> cache = ResultCache(MemoryStore(max_bytes=2**26, ttl_s=3600), standing=read)
    >>> result = await cache.search(plan, search_key(plan, models), retrieve_and_rerank)
    """

    def __init__(
        self,
        store: Store,
        *,
        standing: Callable[[str], Awaitable[str | None]],
        counters: CacheCounters,
        similar: Similar | None = None,
    ) -> None:
        self._store = store
        self._standing = standing
        self._counters = counters
        self._similar = similar
        self._made: dict[str, asyncio.Event] = {}

    async def search(
        self, plan: SearchPlan, key: Key, make: Callable[[], Awaitable[SearchResult]]
    ) -> SearchResult:
        """The result kept for this plan, or what `make` gives; who asks the same while one is
        made waits for it."""
        if not self._wanted(plan, "search"):
            return await make()
        started = time.perf_counter()
        await self._wait_for(key.key, plan.query.deadline)
        looked = await self._find(forms.SEARCH, plan, key, "search")
        found = looked.value
        if found is not None:
            ms = _since(started)
            return replace(
                found,
                cached=True,
                timings_ms={"cache": ms, "total": ms},
                trace=(Step("cache", ms),),
            )
        with self._making(key.key):
            result = await make()
            whole = forms.whole_search({**plan.skipped, **result.skipped})
            await self._keep(
                forms.SEARCH, plan, key, result if whole else None, "search", looked.vector
            )
        return result

    async def _wait_for(self, key: str, deadline: float | None) -> None:
        """Return when nobody makes this any more, or the time is up."""
        ahead = self._made.get(key)
        if ahead is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(None if deadline is None else deadline - time.time()):
                await ahead.wait()

    @contextmanager
    def _making(self, key: str) -> Iterator[None]:
        """Whoever asks the same meanwhile waits for this end: mostly the result is kept then, and
        if not, they make theirs side by side."""
        made = self._made.setdefault(key, asyncio.Event())
        try:
            yield
        finally:
            made.set()
            if self._made.get(key) is made:
                del self._made[key]

    async def answer(
        self, plan: SearchPlan, key: Key, make: Callable[[], AsyncGenerator[AnswerEvent, None]]
    ) -> AsyncGenerator[AnswerEvent, None]:
        """The events of the answer kept for this plan, or those that `make` gives.

        A reader that leaves early leaves nothing behind.
        """
        if not self._wanted(plan, "answer"):
            async with aclosing(make()) as events:
                async for event in events:
                    yield event
            return
        started = time.perf_counter()
        looked = await self._find(forms.ANSWER, plan, key, "answer")
        found = looked.value
        if found is not None:
            for event in replay(found, _since(started)):
                yield event
            return
        async with aclosing(make()) as events:
            async for event in events:
                if isinstance(event, Answer):
                    whole = forms.whole_search(plan.skipped) and forms.whole_answer(event)
                    kept = event if whole else None
                    await self._keep(forms.ANSWER, plan, key, kept, "answer", looked.vector)
                yield event

    def _wanted(self, plan: SearchPlan, kind: Kind) -> bool:
        if plan.query.cache and plan.standing:
            return True
        self._counters.note(kind, "bypassed")
        return False

    async def _find(self, form: Form[T], plan: SearchPlan, key: Key, kind: Kind) -> _Looked[T]:
        found = form.load(await self._store.get(key.key))
        self._counters.note(kind, "miss" if found is None else "hit")
        # A question that leans on earlier ones means something else in another conversation.
        if found is not None or self._similar is None or plan.query.history:
            return _Looked(found)
        vector = await self._similar.embed(plan.text)
        near = self._similar.index.find(key.scope, plan.text, vector)
        if near is not None:
            found = form.load(await self._store.get(near))
        self._counters.note("semantic", "miss" if found is None else "hit")
        return _Looked(found, vector)

    async def _keep(
        self,
        form: Form[T],
        plan: SearchPlan,
        key: Key,
        value: T | None,
        kind: Kind,
        vector: Vectors | None,
    ) -> None:
        data = None if value is None else form.dump(value)
        if data is None:
            self._counters.note(kind, "unfit")
            return
        if await self._standing(plan.query.collection) != plan.standing:
            self._counters.note(kind, "overtaken")
            return
        await self._store.put(key.key, data)
        if self._similar is not None and vector is not None:
            self._similar.index.add(key.scope, plan.text, vector, key.key)


def replay(answer: Answer, ms: float) -> list[AnswerEvent]:
    """A kept answer as the events that it first came in: the same text, all at once."""
    timings = {"cache": ms, "total": ms}
    result = SearchResult(answer.hits, answer.skipped, timings, cached=True)
    whole = replace(answer, cached=True, timings_ms=timings)
    return [result, Delta(answer.text), *answer.citations, whole]


def _since(started: float) -> float:
    return round(1000 * (time.perf_counter() - started), 2)
