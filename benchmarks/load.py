"""Past saturation: what comes back, how fast, and to how many, at 0.5, 1, 2 and 4 times capacity.

Capacity is what a closed loop of many clients gets done that have no deadline. Then requests
arrive by chance at a multiple of it (open loop, Poisson: nobody waits for anybody), each with a
deadline in `X-Deadline-Ms`. Goodput is what was answered with 200 within its deadline, a second;
latencies are of those answered with 200; shed is the share of 429 and 503; any other status, and
any broken connection, counts as unexpected. Memory is the resident size of everything below this
process.

- searches: `POST /v1/search`, caches off, deadline 2 s.
- answers (not with --quick): `POST /v1/answers` streamed, 32 tokens at most, deadline 30 s; the
  time to the first token is reported too. Then every place of the engine is taken by a stream,
  one more waits, and one of the others hangs up: the time until the waiting one's first token.

Clients and system share this machine.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from rich.table import Table

from benchmarks import _beir, _common
from benchmarks._arrivals import TIMES, Outcome, levels
from benchmarks._common import Figures
from smartypants.choices import chosen
from smartypants.settings import Settings

CLIENTS, STREAMS = 32, 16
SEARCH_DEADLINE_S, ANSWER_DEADLINE_S = 2.0, 30.0
SEARCH_S, QUICK_SEARCH_S, ANSWER_S = 30.0, 10.0, 60.0
MAX_TOKENS = 32
HANG_UPS, WAIT_S = 10, 2.0


def main() -> None:
    parser = _common.arguments("load", __doc__)
    parser.add_argument("--data", type=Path, default=_common.DATA / "xquad", metavar="DIR",
                        help="a set in BEIR form; default: xquad")  # fmt: skip
    options = parser.parse_args()
    if not options.data.exists():
        parser.error(f"there is no {options.data}; name a set with --data")
    data = _beir.load(options.data)
    questions = list(data.queries.values())
    figures: Figures = {}
    with _common.data_dir(options.reuse) as data_dir:
        llm = {"llm": _common.NO_LLM} if options.quick else {}
        parts = _common.SEARCH_PARTS if options.quick else ()
        settings = _common.own_settings(data_dir, ingest=_common.AT_REST, **llm)
        corpus = data_dir / "corpora" / data.name
        _beir.write_corpus(data.corpus, corpus)
        with _common.running(settings, parts=parts) as url:
            _common.index(settings, corpus, data.collection)
            seconds = QUICK_SEARCH_S if options.quick else SEARCH_S
            figures |= asyncio.run(searches(url, data.collection, questions, seconds))
            _common.show(_table(figures, "load", "Searches"))
            if not options.quick:
                figures |= asyncio.run(answers(url, settings, data.collection, questions))
                _common.show(_table(figures, "load.answers", "Answers"))
    _common.write_json(options.json, figures)


async def searches(url: str, collection: str, questions: list[str], seconds: float) -> Figures:
    """All rates of arrivals of searches."""
    async with _session(url) as session:

        async def ask(number: int, deadline_s: float | None) -> Outcome:
            text = questions[number % len(questions)]
            body = {"query": text, "collection": collection, "top_k": 10}
            headers = _headers(deadline_s)
            started = time.perf_counter()
            try:
                async with session.post("/v1/search", json=body, headers=headers) as response:
                    found = await response.json()
                    took = time.perf_counter() - started
                    shed = _shed(found["skipped"]) if response.status == 200 else frozenset()
                    return Outcome(response.status, took, shed=shed)
            except aiohttp.ClientError:
                return Outcome(0, time.perf_counter() - started)

        return await levels(ask, "load", SEARCH_DEADLINE_S, seconds, CLIENTS)


async def answers(url: str, settings: Settings, collection: str, questions: list[str]) -> Figures:
    """All rates of arrivals of answers, and what hanging up does."""
    async with _session(url) as session:

        async def ask(number: int, deadline_s: float | None) -> Outcome:
            body = {
                "question": questions[number % len(questions)],
                "collection": collection,
                "max_tokens": MAX_TOKENS,
                "stream": True,
            }
            headers = _headers(deadline_s)
            started, first = time.perf_counter(), 0.0
            shed: frozenset[str] = frozenset()
            try:
                async with session.post("/v1/answers", json=body, headers=headers) as response:
                    if response.status != 200:
                        await response.read()
                        return Outcome(response.status, time.perf_counter() - started)
                    status = 500  # of a stream that ends without its answer
                    async for name, payload in _events(response):
                        if name == "token" and not first:
                            first = time.perf_counter() - started
                        elif name == "error":
                            status = payload["status"]
                        elif name == "answer":
                            status, shed = 200, _shed(payload["skipped"])
            except aiohttp.ClientError:
                status = 0
            return Outcome(status, time.perf_counter() - started, first, shed)

        figures = await levels(ask, "load.answers", ANSWER_DEADLINE_S, ANSWER_S, STREAMS)
        freed = await hang_up(session, settings)
        return figures | {"load.slot_freed_ms": 1000 * freed}


async def hang_up(session: aiohttp.ClientSession, settings: Settings) -> float:
    """Seconds from a client's hanging up to the first token of one that waited for its slot."""
    for attempt in range(HANG_UPS):
        freed = await _hang_up(session, settings, attempt)
        if freed is not None:
            return freed
    raise RuntimeError("the engine had more places than llm.max_num_seqs, or short answers")


async def _hang_up(
    session: aiohttp.ClientSession, settings: Settings, attempt: int
) -> float | None:
    """None if a place became free by itself."""

    async def stream(started: asyncio.Event, number: int) -> None:
        body = {
            "model": settings.llm.name,
            "messages": [{"role": "user", "content": f"Tell {attempt}-{number} long tales."}],
            "max_tokens": 1_500,
            "temperature": 1.2,
            "stream": True,
        }
        async with session.post("/v1/chat/completions", json=body) as response:
            async for _, payload in _events(response):
                if payload["choices"] and payload["choices"][0]["delta"].get("content"):
                    started.set()

    def begin(number: int) -> tuple[asyncio.Task[None], asyncio.Event]:
        started = asyncio.Event()
        return asyncio.create_task(stream(started, number)), started

    streams = [begin(number) for number in range(settings.llm.max_num_seqs)]
    try:
        await asyncio.gather(*(started.wait() for _, started in streams))
        streams.append(begin(len(streams)))
        _, waits = streams[-1]
        await asyncio.sleep(WAIT_S)
        if waits.is_set() or any(task.done() for task, _ in streams):
            return None
        hung_up = time.perf_counter()
        streams[0][0].cancel()
        await waits.wait()
        freed = time.perf_counter() - hung_up
        return None if any(task.done() for task, _ in streams[1:]) else freed
    finally:
        for task, _ in streams:
            task.cancel()
        await asyncio.gather(*(task for task, _ in streams), return_exceptions=True)


def _shed(skipped: dict[str, str]) -> frozenset[str]:
    return frozenset(name for name, why in skipped.items() if not chosen(why))


def _headers(deadline_s: float | None) -> dict[str, str]:
    return {} if deadline_s is None else {"X-Deadline-Ms": str(int(1000 * deadline_s))}


def _session(url: str) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=0)
    return aiohttp.ClientSession(
        url, connector=connector, timeout=aiohttp.ClientTimeout(total=300), read_bufsize=2**20
    )


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Name and data of each server-sent event."""
    name = ""
    async for line in response.content:
        text = line.decode().strip()
        if text.startswith("event:"):
            name = text.removeprefix("event:").strip()
        elif text.startswith("data:"):
            data = text.removeprefix("data:").strip()
            if data != "[DONE]":
                yield name, json.loads(data)


def _table(figures: Figures, prefix: str, title: str) -> Table:
    names = (
        "offered_per_s", "goodput", "p50_ms", "p95_ms", "p99_ms", "ttft_p50_ms", "ttft_p95_ms",
        "shed_share", "degraded_share", "unexpected_status", "memory_mb",
    )  # fmt: skip
    title = f"{title}: {figures[f'{prefix}.capacity_per_s']:.1f}/s done"
    table = Table("", *(f"{times:g} x" for times in TIMES), title=title)
    for name in names:
        values = [figures[f"{prefix}.x{times:g}.{name}"] for times in TIMES]
        table.add_row(name, *(f"{value:.4g}" for value in values))
    return table


if __name__ == "__main__":
    main()
