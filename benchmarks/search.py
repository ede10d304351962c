"""Searches a second and their latency over HTTP, beside the same search in one process.

One index, one vector server, one list of questions, closed loops of 1, 8 and 32 clients (each
asks, waits, asks again) for ten seconds a level and way, after a warm-up. At one client, which the
overhead is told from, the two ways take turns of a second or two, since the speed of a shared
machine changes from minute to minute; with many clients the end of each turn, when the last ones
are waited for, would count for too much:

- HTTP: `POST /v1/search`, `top_k` 10, against the running graph; the clients share this process.
- in process: `processing.process` and `retrieving.retrieve` with the same embedder, ledger and
  Milvus Lite server, as tasks of one asyncio loop and without Ray; texts that wait together share
  a forward pass, as they do in the graph.

One client in process is the same search done one by one: `search.rps_over_one_by_one@N` is over
that. Searches of several requests are made by one call of the store, in the graph alone.

Both are on this machine, so the clients' own CPU counts against HTTP; it is reported beside
(`search.client_cpu_ms@N`, a request).
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from rich.table import Table

from benchmarks import _beir, _common
from benchmarks._common import Figures
from smartypants import wiring
from smartypants.processing import process
from smartypants.protocols import Embedder, Vectors
from smartypants.retrieving import legs_of, retrieve
from smartypants.settings import Settings
from smartypants.types import Query

LEVELS = (1, 8, 32)
SECONDS, QUICK_SECONDS = 10.0, 4.0
WARM_UP_S = 2.0
TURNS = 6
"""Of each way at one client."""
TOP_K = 10

Search = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Load:
    """What one level of clients saw; two are added by asking one after the other."""

    latencies_ms: Sequence[float]
    seconds: float
    cpu_s: float
    """Of this process: the clients' over HTTP, all the work in process."""

    @property
    def rps(self) -> float:
        return len(self.latencies_ms) / self.seconds

    def __add__(self, other: Load) -> Load:
        return Load(
            [*self.latencies_ms, *other.latencies_ms],
            self.seconds + other.seconds,
            self.cpu_s + other.cpu_s,
        )

    def ms(self, share: float) -> float:
        return _common.percentile(self.latencies_ms, share)


def main() -> None:
    parser = _common.arguments("search", __doc__)
    parser.add_argument("--data", type=Path, default=_common.DATA / "xquad", metavar="DIR",
                        help="a set in BEIR form; default: xquad")  # fmt: skip
    options = parser.parse_args()
    if not options.data.exists():
        parser.error(f"there is no {options.data}; name a set with --data")

    data = _beir.load(options.data)
    questions = list(data.queries.values())
    seconds = QUICK_SECONDS if options.quick else SECONDS
    with _common.data_dir(options.reuse) as data_dir:
        settings = _common.own_settings(data_dir, llm=_common.NO_LLM, ingest=_common.AT_REST)
        corpus = data_dir / "corpora" / data.name
        _beir.write_corpus(data.corpus, corpus)
        with _common.running(settings, parts=_common.SEARCH_PARTS) as url:
            _common.index(settings, corpus, data.collection)
            served, alone = asyncio.run(
                side_by_side(settings, url, data.collection, questions, seconds)
            )
    figures = summary(served, alone)
    _common.show(_table(served, alone, len(data.corpus)))
    _common.write_json(options.json, figures)


async def over_http(
    url: str,
    collection: str,
    questions: list[str],
    seconds: float,
    *,
    levels: Sequence[int] = LEVELS,
) -> dict[int, Load]:
    """The levels, against the running system."""
    async with served_by(url, collection) as search:
        return (await loads([search], questions, seconds, levels))[0]


async def side_by_side(
    settings: Settings, url: str, collection: str, questions: list[str], seconds: float
) -> tuple[dict[int, Load], dict[int, Load]]:
    """The levels, by the running system and without it; the vector server is the same."""
    async with served_by(url, collection) as search:
        served, alone = await loads(
            [search, in_process(settings, collection)], questions, seconds, LEVELS
        )
        return served, alone


@asynccontextmanager
async def served_by(url: str, collection: str) -> AsyncIterator[Search]:
    """The search over HTTP."""
    connector, patience = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(url, connector=connector, timeout=patience) as client:

        async def search(text: str) -> None:
            body = {"query": text, "collection": collection, "top_k": TOP_K}
            async with client.post("/v1/search", json=body) as response:
                response.raise_for_status()
                await response.read()

        yield search


def in_process(settings: Settings, collection: str) -> Search:
    """The search without Ray and HTTP."""
    engine = wiring.open_ledger(settings)
    vectors = wiring.open_vectors(settings)
    legs = legs_of(vectors, SharedPasses(wiring.make_embedder(settings)))

    async def search(text: str) -> None:
        query = Query(text, collection, top_k=TOP_K)
        plan = await process(query, engine=engine, settings=settings)
        result = await retrieve(plan, legs, engine=engine, limit=query.top_k)
        assert result.hits

    return search


class SharedPasses:
    """Embeds one text; those that arrive during a forward pass share the next one."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._waiting: list[tuple[str, asyncio.Future[Vectors]]] = []
        self._passes: asyncio.Task[None] | None = None

    async def __call__(self, text: str) -> Vectors:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((text, future))
        if self._passes is None or self._passes.done():
            self._passes = asyncio.create_task(self._run())
        vector: Vectors = await future
        return vector

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:32], self._waiting[32:]
            texts = [text for text, _ in batch]
            vectors = await asyncio.to_thread(self._embedder.embed, texts)
            for (_, future), vector in zip(batch, vectors, strict=True):
                future.set_result(vector)


async def loads(
    ways: Sequence[Search], questions: list[str], seconds: float, levels: Sequence[int]
) -> list[dict[int, Load]]:
    """Each way's closed loops of so many seconds a level, warm."""
    measured: list[dict[int, Load]] = [{} for _ in ways]
    asked = itertools.cycle(questions)
    for clients in levels:
        for way in ways:
            await closed_loop(way, asked, clients=clients, seconds=WARM_UP_S)
        turns = TURNS if clients == 1 else 1
        for _ in range(turns):
            for way, mine in zip(ways, measured, strict=True):
                load = await closed_loop(way, asked, clients=clients, seconds=seconds / turns)
                mine[clients] = mine[clients] + load if clients in mine else load
    return measured


async def closed_loop(
    search: Search, questions: Iterator[str], *, clients: int, seconds: float
) -> Load:
    """Each client asks as soon as it has its answer; what began in time is waited for."""
    latencies: list[float] = []
    began, cpu = time.perf_counter(), time.process_time()

    async def client() -> None:
        while (started := time.perf_counter()) < began + seconds:
            await search(next(questions))
            latencies.append(1000 * (time.perf_counter() - started))

    await asyncio.gather(*(client() for _ in range(clients)))
    return Load(latencies, time.perf_counter() - began, time.process_time() - cpu)


def summary(served: dict[int, Load], alone: dict[int, Load]) -> Figures:
    figures: Figures = {}
    for clients, load in served.items():
        figures |= {
            f"search.rps@{clients}": load.rps,
            f"search.p50_ms@{clients}": load.ms(0.50),
            f"search.p95_ms@{clients}": load.ms(0.95),
            f"search.p99_ms@{clients}": load.ms(0.99),
            f"search.client_cpu_ms@{clients}": 1000 * load.cpu_s / len(load.latencies_ms),
            f"search.inprocess_rps@{clients}": alone[clients].rps,
            f"search.inprocess_p50_ms@{clients}": alone[clients].ms(0.50),
            f"search.rps_over_inprocess@{clients}": load.rps / alone[clients].rps,
            f"search.rps_over_one_by_one@{clients}": load.rps / alone[1].rps,
        }
    figures["search.overhead_p50_ms@1"] = served[1].ms(0.50) - alone[1].ms(0.50)
    return figures


def _table(served: dict[int, Load], alone: dict[int, Load], documents: int) -> Table:
    table = Table(
        "clients", "", "req/s", "p50 ms", "p95 ms", "p99 ms", "over in process",
        title=f"Search, {documents} documents",
    )  # fmt: skip
    for clients in LEVELS:
        ratio = f"{served[clients].rps / alone[clients].rps:.2f}"
        for kind, load, over in (
            ("HTTP", served[clients], ratio),
            ("in process", alone[clients], ""),
        ):
            shown = [f"{load.ms(share):.1f}" for share in (0.50, 0.95, 0.99)]
            table.add_row(str(clients), kind, f"{load.rps:.1f}", *shown, over)
    return table


if __name__ == "__main__":
    main()
