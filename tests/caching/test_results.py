"""What is kept, what is not, and that a result made across a commit is never given again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import Engine

from smartypants.caching import forms
from smartypants.caching.counters import CacheCounters
from smartypants.caching.keys import search_key
from smartypants.caching.results import ResultCache, Similar
from smartypants.caching.semantic import SemanticIndex
from smartypants.caching.store import MemoryStore
from smartypants.caching.vectors import QueryVectors
from smartypants.choices import Choice
from smartypants.ledger.database import connect
from smartypants.protocols import Vectors
from smartypants.types import (
    Answer,
    AnswerEvent,
    Citation,
    Delta,
    SearchResult,
)
from tests.caching.searching import MODELS, Collection, shown
from tests.hits import hit

COLOUR = {"colour": "red"}
CITATION = Citation(1, "d", "c", "T", "u", "s", None, "Three months.", 0, 13, 0.9)
ANSWER = Answer("Three months. [1]", True, (CITATION,), (hit("Three months."),), sentences=1)


@pytest.fixture
def engine(sqlite_ledger: str) -> Iterator[Engine]:
    engine = connect(sqlite_ledger)
    yield engine
    engine.dispose()


@pytest.fixture
def docs(engine: Engine) -> Collection:
    made = Collection(engine, "docs", MemoryStore(max_bytes=2**20, ttl_s=60))
    made.write("a", "v1", ("public",), COLOUR)
    return made


def test_second_search_is_the_first_one_again(docs: Collection) -> None:
    first = asyncio.run(docs.search("a"))
    second = asyncio.run(docs.search("a"))
    assert (first.cached, second.cached) == (False, True)
    assert second.hits == first.hits
    assert set(second.timings_ms) == {"cache", "total"}
    assert (docs.counted("search", "miss"), docs.counted("search", "hit")) == (1, 1)


def test_of_the_same_searches_at_the_same_time_one_alone_is_made(docs: Collection) -> None:
    async def together() -> list[SearchResult]:
        return await asyncio.gather(*(docs.search("a") for _ in range(5)))

    found = asyncio.run(together())
    assert sorted(result.cached for result in found) == [False, True, True, True, True]
    assert all(result.hits == found[0].hits for result in found)


def test_those_who_waited_for_one_that_failed_ask_themselves(docs: Collection) -> None:
    assert docs.cache is not None
    plan, made, waiting = docs.plan("a"), 0, asyncio.Event()

    async def make() -> SearchResult:
        nonlocal made
        made += 1
        if made == 1:
            await waiting.wait()
            raise RuntimeError("the first fails")
        return await docs.find(plan)

    async def together() -> list[SearchResult | BaseException]:
        assert docs.cache is not None
        asked = [
            asyncio.create_task(docs.cache.search(plan, search_key(plan, MODELS), make))
            for _ in range(3)
        ]
        await asyncio.sleep(0.05)
        assert made == 1
        waiting.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    first, *others = asyncio.run(together())
    assert isinstance(first, RuntimeError)
    assert all(isinstance(other, SearchResult) and other.hits for other in others)


def test_nobody_waits_beyond_the_deadline(docs: Collection) -> None:
    assert docs.cache is not None
    cache = docs.cache
    plan = docs.plan("a", deadline=time.time() + 0.2)
    key = search_key(plan, MODELS)

    async def never() -> SearchResult:
        await asyncio.sleep(60)
        raise AssertionError

    async def both() -> SearchResult:
        first = asyncio.create_task(cache.search(plan, key, never))
        await asyncio.sleep(0)
        found = await cache.search(plan, key, lambda: docs.find(plan))
        first.cancel()
        return found

    assert asyncio.run(both()).hits


def test_callers_with_the_same_permissions_share_others_do_not(docs: Collection) -> None:
    docs.write("secret", "v1", ("group:board",), COLOUR)
    assert set(shown(asyncio.run(docs.search("a", "group:board")))) == {"a", "secret"}
    other = asyncio.run(docs.search("a", "user:ann"))
    assert not other.cached
    assert set(shown(other)) == {"a"}
    assert asyncio.run(docs.search("a", "user:bob")).cached
    assert asyncio.run(docs.search("a", "user:bob", "group:board")).cached


def test_result_made_across_a_commit_is_not_kept(docs: Collection) -> None:
    plan = docs.plan("a")

    async def overtaken() -> SearchResult:
        result = await docs.find(plan)
        docs.write("b", "v1", ("public",), COLOUR)
        return result

    assert docs.cache is not None
    asyncio.run(docs.cache.search(plan, search_key(plan, MODELS), overtaken))
    assert docs.counted("search", "overtaken") == 1
    assert not asyncio.run(docs.cache.search(plan, search_key(plan, MODELS), overtaken)).cached
    assert set(shown(asyncio.run(docs.search("a")))) == {"a", "b"}


def test_bypass_neither_reads_nor_keeps(docs: Collection) -> None:
    asyncio.run(docs.search("a", cache=False))
    assert not asyncio.run(docs.search("a")).cached
    assert not asyncio.run(docs.search("a", cache=False)).cached
    assert docs.counted("search", "bypassed") == 2


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        (Choice.NO_RERANKER, True),
        (Choice.NOT_ASKED_FOR, True),
        ("the deadline left no time", False),
        ("its queue is full", False),
    ],
)
@pytest.mark.parametrize("where", ["plan", "result"])
def test_partial_results_are_not_kept(
    docs: Collection, reason: str, kept: bool, where: str
) -> None:
    plan = docs.plan("a")
    if where == "plan":
        plan = replace(plan, skipped={"rerank": reason})

    async def partial() -> SearchResult:
        found = await docs.find(plan)
        return replace(found, skipped={"rerank": reason}) if where == "result" else found

    async def twice() -> SearchResult:
        assert docs.cache is not None
        key = search_key(plan, MODELS)
        await docs.cache.search(plan, key, partial)
        return await docs.cache.search(plan, key, partial)

    assert asyncio.run(twice()).cached == kept


def test_error_is_passed_on_and_not_kept(docs: Collection) -> None:
    plan = docs.plan("a")

    async def broken() -> SearchResult:
        raise ConnectionError

    assert docs.cache is not None
    with pytest.raises(ConnectionError):
        asyncio.run(docs.cache.search(plan, search_key(plan, MODELS), broken))
    assert not asyncio.run(docs.search("a")).cached


def test_damaged_and_foreign_bytes_are_misses(docs: Collection) -> None:
    key = search_key(docs.plan("a"), MODELS).key
    store = MemoryStore(max_bytes=2**20, ttl_s=60)
    for data in (b"", b"{}", b"\x80\x04pickle", b'{"hits": [1]}', b"null"):
        asyncio.run(store.put(key, data))
        assert forms.SEARCH.load(asyncio.run(store.get(key))) is None


def test_kept_forms_are_exact() -> None:
    result = SearchResult(
        (hit("Ünïcode 🙂 \x00 text", similarity=0.1 + 0.2),), {"a": "b"}, {"x": 1 / 3}
    )
    assert forms.SEARCH.load(forms.SEARCH.dump(result)) == result
    assert forms.ANSWER.load(forms.ANSWER.dump(ANSWER)) == ANSWER
    assert forms.SEARCH.dump(SearchResult((hit("half a pair \ud800"),))) is None


def replayed(docs: Collection, *events: AnswerEvent, leave_after: int = 100) -> list[AnswerEvent]:
    plan = docs.plan("a")

    async def make() -> AsyncGenerator[AnswerEvent, None]:
        for event in events:
            yield event

    async def collect() -> list[AnswerEvent]:
        assert docs.cache is not None
        found: list[AnswerEvent] = []
        stream = docs.cache.answer(plan, search_key(plan, MODELS), make)
        async for event in stream:
            found.append(event)
            if len(found) == leave_after:
                break
        await stream.aclose()
        return found

    return asyncio.run(collect())


def test_answer_is_replayed_in_its_events(docs: Collection) -> None:
    events = (SearchResult(ANSWER.hits), Delta("Three "), Delta("months. [1]"), CITATION, ANSWER)
    assert replayed(docs, *events) == list(events)
    again = replayed(docs, *events)
    assert [type(event) for event in again] == [SearchResult, Delta, Citation, Answer]
    whole = again[-1]
    assert isinstance(whole, Answer)
    assert whole.cached
    assert replace(whole, cached=False, timings_ms={}) == ANSWER
    assert again[1] == Delta(ANSWER.text)


def test_answer_that_broke_or_was_left_is_not_kept(docs: Collection) -> None:
    begun = (SearchResult(ANSWER.hits), Delta("Three"))
    broken = replace(ANSWER, finish_reason="error")
    fallen = replace(ANSWER, skipped={"generate": "the model does not answer"})
    replayed(docs, *begun, broken)
    replayed(docs, *begun, fallen)
    replayed(docs, *begun, ANSWER, leave_after=2)
    again = replayed(docs, *begun, ANSWER)[-1]
    assert isinstance(again, Answer)
    assert not again.cached


def test_memory_forgets_by_bytes_and_time() -> None:
    async def fill() -> None:
        small = MemoryStore(max_bytes=10_000, ttl_s=60)
        for number in range(20):
            await small.put(str(number), bytes(1000))
            await small.get("0")  # used last, so it stays
        kept = [number for number in range(20) if await small.get(str(number)) is not None]
        assert 5 <= len(kept) < 10
        assert kept[0] == 0
        assert kept[-1] == 19
        await small.put("huge", bytes(20_000))
        assert await small.get("huge") is None
        assert await small.get("19") is not None
        brief = MemoryStore(max_bytes=10_000, ttl_s=0.05)
        await brief.put("x", b"y")
        await asyncio.sleep(0.1)
        assert await brief.get("x") is None

    asyncio.run(fill())


def test_query_vectors_are_computed_once_for_each_model() -> None:
    asked: list[str] = []

    async def embed(text: str) -> Vectors:
        asked.append(text)
        return np.full(4, len(text), dtype=np.float32)

    async def ask() -> None:
        vectors = QueryVectors(model="m", max_entries=2)
        for text in ("a", "a", "bb", "a", "ccc", "a", "bb"):
            vector = await vectors.get(text, embed=embed)
            assert vector.tolist() == [len(text)] * 4
        assert asked == ["a", "bb", "ccc", "bb"]
        assert (vectors.hits, vectors.misses) == (3, 4)
        with pytest.raises(ValueError, match="read-only"):
            vector[0] = 1
        await QueryVectors(model="m", max_entries=0).get("a", embed=embed)

    asyncio.run(ask())


VECTORS = {
    "How old is Ann?": [1.0, 0.0],
    "What age is Ann?": [0.99, 0.14],
    "What age is Bob?": [0.999, 0.04],
    "Where is the harbour?": [0.0, 1.0],
}


def similar_search(docs: Collection) -> ResultCache:
    async def embed(text: str) -> Vectors:
        vector: Vectors = np.asarray(VECTORS[text], dtype=np.float32)
        return vector

    index = SemanticIndex(min_similarity=0.95, max_entries=10)
    return ResultCache(
        MemoryStore(max_bytes=2**20, ttl_s=60),
        standing=docs.standing,
        counters=docs.counters,
        similar=Similar(index, embed),
    )


def test_semantic_cache_gives_what_was_found_for_the_same_question_only(docs: Collection) -> None:
    docs.cache = similar_search(docs)
    docs.write("secret", "v1", ("group:board",), COLOUR)
    asked = [
        ("How old is Ann?", (), False),
        ("What age is Ann?", (), True),
        ("What age is Bob?", (), False),  # nearer still, but another name
        ("Where is the harbour?", (), False),
        ("What age is Ann?", ("group:board",), False),  # other permissions
    ]
    for text, principals, cached in asked:
        assert asyncio.run(docs.search(text, *principals)).cached == cached, text
    docs.write("b", "v1", ("public",), COLOUR)
    assert not asyncio.run(docs.search("What age is Ann?")).cached  # another standing
    assert docs.counted("semantic", "hit") == 1


def test_semantic_index_is_bounded() -> None:
    index = SemanticIndex(min_similarity=0.5, max_entries=3)
    vector: Vectors = np.asarray([1.0, 0.0], dtype=np.float32)
    for number in range(5):
        index.add(f"scope {number // 2}", f"question {number}", vector, f"key {number}")
    assert index.find("scope 0", "question 0", vector) is None
    assert index.find("scope 1", "question 2", vector) == "key 2"
    assert index.find("scope 2", "question 4", vector) == "key 4"


def test_plan_without_a_standing_is_not_cached(docs: Collection) -> None:
    given = replace(docs.plan("a"), standing="")

    async def twice() -> SearchResult:
        assert docs.cache is not None
        for _ in range(2):
            result = await docs.cache.search(
                given, search_key(given, MODELS), lambda: docs.find(given)
            )
        return result

    assert not asyncio.run(twice()).cached


def test_counters_start_without_a_registry() -> None:
    assert [type(item).__name__ for item in CacheCounters().collectors] == ["Counter", "Counter"]
