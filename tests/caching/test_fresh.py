"""Whatever writers do meanwhile, a cached search shows what one without a cache could show.

Each writer owns its documents, so the states of a document follow each other. A search that
began at t0 and ended at t1 may show of each document a state that held at some moment between:
none that was replaced by a change that had ended before t0, and none that its caller may not
read. Times are ticks of one counter.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from smartypants.caching.counters import CacheCounters
from smartypants.caching.redis import RedisStore
from smartypants.caching.store import MemoryStore, Store
from smartypants.types import SearchResult
from tests.caching.searching import Collection, shown
from tests.servers.redis import RedisServer

READERS = ("group:staff", "group:board")
PRINCIPALS = (("public",), ("group:staff",), ("group:board",), READERS)
QUESTIONS = ("a", "b")
WRITERS = 3

State = tuple[str, tuple[str, ...], str] | None
"""Version, principals, colour; None where the document is not there."""


@dataclass
class Story:
    """What happened to one document: from when a change may show, and from when it must."""

    states: list[tuple[int, int, State]] = field(default_factory=lambda: [(0, 0, None)])

    def possible(self, began: int, ended: int) -> list[State]:
        following = [*(state[1] for state in self.states[1:]), None]
        return [
            state
            for (may, _, state), until in zip(self.states, following, strict=True)
            if may <= ended and (until is None or until >= began)
        ]


def visible(state: State, caller: str) -> tuple[str, str] | None:
    if state is None or not {"public", caller} & set(state[1]):
        return None
    return state[0], state[2]


Change = tuple[str, int, int]
changes = st.tuples(
    st.sampled_from(["write", "delete", "readers", "colour"]),
    st.integers(0, 1),
    st.integers(0, len(PRINCIPALS) - 1),
)


class Play:
    """Writers and readers at the same collection."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.stories: dict[str, Story] = {}
        self.done = threading.Event()
        self._ticks = itertools.count(1)
        self._tick_lock = threading.Lock()

    def tick(self) -> int:
        with self._tick_lock:
            return next(self._ticks)

    def write(self, writer: int, script: Sequence[Change]) -> None:
        for number, (kind, which, readers) in enumerate(script):
            name = f"w{writer}d{which}"
            story = self.stories[name]
            former = story.states[-1][2]
            new = self._new(former, kind, f"v{number}", PRINCIPALS[readers])
            # The story must say that it may show before it can.
            story.states.append((self.tick(), 2**60, new))
            self._apply(name, kind, former, new)
            story.states[-1] = (story.states[-1][0], self.tick(), new)

    @staticmethod
    def _new(former: State, kind: str, version: str, principals: tuple[str, ...]) -> State:
        if kind == "delete":
            return None
        if kind == "write":
            return version, (principals if former is None else former[1]), "red"
        if former is None:
            return None
        if kind == "readers":
            return former[0], principals, former[2]
        return former[0], former[1], version

    def _apply(self, name: str, kind: str, former: State, new: State) -> None:
        if new is None:
            if former is not None:
                self.collection.delete(name)
        elif kind == "write":
            # What is listed shows at once: keep what was there until the commit.
            colour = "red" if former is None else former[2]
            self.collection.write(name, new[0], new[1], {"colour": colour})
            self.collection.list(name, new[0], new[1], {"colour": "red"})
        else:
            self.collection.list(name, new[0], new[1], {"colour": new[2]})

    async def read(self, caller: str, question: str) -> None:
        seen = 0
        while not self.done.is_set() or seen < 3:
            began = self.tick()
            result = await self.collection.search(question, caller)
            self.check(result, caller, began, self.tick())
            seen += 1

    async def read_all(self) -> None:
        await asyncio.gather(*(self.read(who, what) for who in READERS for what in QUESTIONS))

    def check(self, result: SearchResult, caller: str, began: int, ended: int) -> None:
        given = shown(result)
        for name, story in self.stories.items():
            allowed = {visible(state, caller) for state in story.possible(began, ended)}
            assert given.get(name) in allowed | self._between(story, caller, began, ended), (
                f"{caller} saw {name} as {given.get(name)} in {began}…{ended}: {story.states}"
            )

    @staticmethod
    def _between(story: Story, caller: str, began: int, ended: int) -> set[object]:
        """A write is two transactions, the version and then the colour. And a document that
        changes between what a search asks first (who may read what, which passages fit) and
        what it asks last (which of them show) may be missing from it."""
        found: set[object] = set()
        for old, new in itertools.pairwise(story.possible(began, ended)):
            if old is not None and new is not None:
                found.add(visible((new[0], new[1], old[2]), caller))
            found.add(None)
        return found


def perform(engine: Engine, store: Store, scripts: list[list[Change]]) -> Collection:
    collection = Collection(engine, f"c{uuid.uuid4().hex[:12]}", store)
    play = Play(collection)
    play.stories = {f"w{w}d{d}": Story() for w in range(WRITERS) for d in range(2)}
    with ThreadPoolExecutor(WRITERS + 1) as pool:
        readers = pool.submit(asyncio.run, play.read_all())
        try:
            for done in [pool.submit(play.write, w, script) for w, script in enumerate(scripts)]:
                done.result()
        finally:
            play.done.set()
        readers.result()
    # At rest the cache has what was found last, and it is the truth.
    for caller in READERS:
        asyncio.run(collection.search("a", caller))
        result = asyncio.run(collection.search("a", caller))
        truth = {name: visible(story.states[-1][2], caller) for name, story in play.stories.items()}
        assert result.cached
        assert shown(result) == {name: state for name, state in truth.items() if state}
    return collection


scripts = st.lists(st.lists(changes, min_size=3, max_size=8), min_size=WRITERS, max_size=WRITERS)
relaxed = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@relaxed
@given(scripts=scripts)
def test_memory(engine: Engine, scripts: list[list[Change]]) -> None:
    collection = perform(engine, MemoryStore(max_bytes=2**24, ttl_s=600), scripts)
    assert collection.counted("search", "hit") > 0


class EachLoop:
    """A Redis client belongs to an event loop, and each reader here has its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._local = threading.local()

    def _store(self) -> RedisStore:
        loop = asyncio.get_running_loop()
        if getattr(self._local, "loop", None) is not loop:
            self._local.loop = loop
            self._local.store = RedisStore(
                url=self.url, ttl_s=600, timeout_s=5, counters=CacheCounters()
            )
        store: RedisStore = self._local.store
        return store

    async def get(self, key: str) -> bytes | None:
        return await self._store().get(key)

    async def put(self, key: str, value: bytes) -> None:
        await self._store().put(key, value)


@pytest.mark.integration
@settings(relaxed, max_examples=4)
@given(scripts=scripts)
def test_redis(sqlite_engine: Engine, redis: RedisServer, scripts: list[list[Change]]) -> None:
    collection = perform(sqlite_engine, EachLoop(redis.url), scripts)
    assert collection.counted("search", "hit") > 0


@pytest.fixture
def sqlite_engine(sqlite_ledger: str, tmp_path: Path) -> Engine:
    from smartypants.ledger.database import connect

    return connect(sqlite_ledger)
