"""Kills parts of a serving system under load, and counts the requests that fail. None may.

A system of its own (`smartypants up`) answers searches and, more slowly, questions, that arrive
by chance (open loop) with a deadline of 30 s (answers: 60 s). Every few seconds one part is ended
by SIGKILL: a replica of the retriever, with the embedder inside, the vector server, the LLM's
replica with its engine; with `--apart` replicas of the query processor and the embedder, too.
Nothing is started by hand.

A request fails if anything but 200 comes back. Answers without prose (the passages alone, since
the LLM was away) are counted beside: that is how an answer degrades, and it says so. Reported are
failures, the slowest of those that a kill hit, and the time from a kill until the part answers
again (`/readyz`).
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp
from rich.table import Table

from benchmarks import _beir, _common
from benchmarks._common import Figures
from benchmarks._faults import Installation, Target, whereabouts
from deployments.local import wait_until_ready
from smartypants import runtime

TARGETS = (
    Target("retriever", lambda command: ":Retriever" in command),
    Target("vector server", lambda command: "milvus_lite server" in command),
    Target("llm", lambda command: "LLMServer" in command),
)
TARGETS_APART = (
    Target("query processor", lambda command: "QueryProcessor" in command),
    Target("embedder", lambda command: "EmbedderServer" in command),
)
ROUNDS, QUICK_ROUNDS = 15, 5
SEARCHES_A_SECOND, ANSWERS_A_SECOND = 4.0, 0.25
SEARCH_DEADLINE_S, ANSWER_DEADLINE_S = 30.0, 60.0
BEFORE_S, QUIET_S = 5.0, 10.0
READY_S = 180.0
COLLECTION = "chaos"


@dataclass(slots=True)
class Seen:
    """What came back since the last kill."""

    statuses: Counter[int] = field(default_factory=Counter)
    slowest_s: float = 0.0
    degraded: int = 0

    @property
    def failed(self) -> int:
        return sum(count for status, count in self.statuses.items() if status != 200)


@dataclass(frozen=True, slots=True)
class Round:
    """What one kill did to the requests that were under way or came until all was well again."""

    target: str
    killed: bool
    ready_s: float
    searches: Seen
    answers: Seen


def main() -> None:
    parser = _common.arguments("chaos_queries", __doc__)
    parser.add_argument("--rounds", type=int, help=f"default: {ROUNDS}")
    parser.add_argument("--apart", action="store_true", help="query processor and embedder apart")
    options = parser.parse_args()
    apart = _common.APART if options.apart else ()
    targets = (*TARGETS, *(TARGETS_APART if options.apart else ()))
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    data = _beir.load(_common.DATA / "xquad")
    with _common.data_dir(options.reuse) as folder:
        settings = _common.own_settings(folder / "site")
        corpus = folder / "documents"
        _beir.write_corpus(data.corpus, corpus)
        environment = whereabouts(settings) | {"SMARTYPANTS_SERVE__APART": json.dumps(apart)}
        with Installation(settings, environment) as here:
            url = runtime.url(settings)
            wait_until_ready(url, lambda _: None)
            _common.index(settings, corpus, COLLECTION)
            questions = list(data.queries.values())
            found = asyncio.run(run(here, url, questions, targets, rounds))
    figures = summary(found)
    _common.show(_table(found))
    _common.write_json(options.json, figures)
    if figures["chaos_queries.failed"]:
        raise SystemExit(1)


async def run(
    here: Installation, url: str, questions: list[str], targets: Sequence[Target], rounds: int
) -> list[Round]:
    """One kill after the other, while requests go on arriving."""
    chance, found = random.Random(1), list[Round]()
    left: list[Target] = []
    timeout = aiohttp.ClientTimeout(total=2 * ANSWER_DEADLINE_S)
    async with aiohttp.ClientSession(url, timeout=timeout) as session:
        for number in range(rounds):
            left = left or chance.sample(targets, len(targets))
            item = await _round(here, session, questions, left.pop(), chance)
            _common.say(f"round {number + 1} of {rounds}: {item}")
            found.append(item)
    return found


async def _round(
    here: Installation,
    session: aiohttp.ClientSession,
    questions: list[str],
    target: Target,
    chance: random.Random,
) -> Round:
    searches, answers = Seen(), Seen()
    calm = asyncio.Event()

    async def search() -> None:
        body = {"query": chance.choice(questions), "collection": COLLECTION}
        await _ask(session, "/v1/search", body, SEARCH_DEADLINE_S, searches)

    async def answer() -> None:
        body = {"question": chance.choice(questions), "collection": COLLECTION, "max_tokens": 24}
        await _ask(session, "/v1/answers", body, ANSWER_DEADLINE_S, answers)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_arrivals(search, SEARCHES_A_SECOND, calm, chance))
        tasks.create_task(_arrivals(answer, ANSWERS_A_SECOND, calm, chance))
        await asyncio.sleep(BEFORE_S + chance.random())
        killed = await asyncio.to_thread(here.kill, target, chance)
        at = time.monotonic()
        await asyncio.sleep(1.0)  # so that the health checks may notice
        while time.monotonic() - at < READY_S and not await _ready(session):
            await asyncio.sleep(0.5)
        ready_s = time.monotonic() - at
        await asyncio.sleep(QUIET_S)
        calm.set()
    return Round(target.name, bool(killed), ready_s, searches, answers)


async def _arrivals(
    ask: Callable[[], Awaitable[None]], rate: float, until: asyncio.Event, chance: random.Random
) -> None:
    async with asyncio.TaskGroup() as requests:
        while not until.is_set():
            await asyncio.sleep(chance.expovariate(rate))
            requests.create_task(_as_task(ask))


async def _as_task(ask: Callable[[], Awaitable[None]]) -> None:
    await ask()


async def _ask(
    session: aiohttp.ClientSession,
    path: str,
    body: Mapping[str, object],
    deadline_s: float,
    seen: Seen,
) -> None:
    started = time.monotonic()
    headers = {"X-Deadline-Ms": str(int(1000 * deadline_s))}
    try:
        async with session.post(path, json=body, headers=headers) as response:
            found = await response.json()
            seen.statuses[response.status] += 1
            seen.degraded += "generate" in found.get("skipped", {})
    except aiohttp.ClientError:
        seen.statuses[0] += 1
    seen.slowest_s = max(seen.slowest_s, time.monotonic() - started)


async def _ready(session: aiohttp.ClientSession) -> bool:
    try:
        async with session.get("/readyz") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


def summary(rounds: list[Round]) -> Figures:
    """Over all rounds."""
    seen = [each for item in rounds for each in (item.searches, item.answers)]
    ready = [item.ready_s for item in rounds]
    return {
        "chaos_queries.rounds": len(rounds),
        "chaos_queries.killed": sum(item.killed for item in rounds),
        "chaos_queries.requests": sum(sum(each.statuses.values()) for each in seen),
        "chaos_queries.failed": sum(each.failed for each in seen),
        "chaos_queries.degraded_answers": sum(item.answers.degraded for item in rounds),
        "chaos_queries.slowest_search_s": max(item.searches.slowest_s for item in rounds),
        "chaos_queries.ready_s_p50": _common.percentile(ready, 0.5),
        "chaos_queries.ready_s_max": max(ready),
    }


def _table(rounds: list[Round]) -> Table:
    table = Table("killed", "rounds", "searches", "answers", "failed", "without prose",
                  "slowest search s", "ready again s", title="Kills under load")  # fmt: skip
    for target in (*TARGETS, *TARGETS_APART):
        mine = [item for item in rounds if item.target == target.name]
        if mine:
            table.add_row(
                target.name,
                str(len(mine)),
                str(sum(sum(item.searches.statuses.values()) for item in mine)),
                str(sum(sum(item.answers.statuses.values()) for item in mine)),
                str(sum(item.searches.failed + item.answers.failed for item in mine)),
                str(sum(item.answers.degraded for item in mine)),
                f"{max(item.searches.slowest_s for item in mine):.1f}",
                f"{max(item.ready_s for item in mine):.1f}",
            )
    return table


if __name__ == "__main__":
    main()
