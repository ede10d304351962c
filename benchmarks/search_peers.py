"""Search over HTTP beside other projects' servers: same passages, model, questions and clients.

Three servers, one after the other, each alone on the machine and warm:

- ours: `POST /v1/search` of the running graph, with the settings as they are but without caches,
  and with chunks as long as they need be for each passage to be one.
- haystack: Hayhooks with a pipeline of BM25 and embedding retrievers over the in-memory store,
  100 candidates each, joined by reciprocal rank fusion.
- txtai: its API over a hybrid index (dense and BM25, 100 candidates each) that keeps the texts.

Each answers with ten texts and their scores. A peer's process computes one search at a time for
most of it, so there are --processes of it, each with its share of the cores as threads, and the
clients deal their requests to them in turn. (Workers behind one socket share less evenly: a worker
keeps the connections that it happened to accept.)

Every judged question is asked once, eight at a time, for nDCG@10; then 1, 8 and 32 clients ask in
closed loops as in `benchmarks.search`. CPU time and memory are of all the server's processes;
`rss_mb` is the largest sum after a level, and what processes share counts in each of them. The
clients take their CPU time from the same cores, whoever serves.

Ours does more for a request: permissions and versions are looked up in the ledger, and vectors
lie in a store that takes writes, in a process of its own. The peers read fixed passages in memory.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.table import Table

from benchmarks import _beir, _common, _peers, _search_apis
from benchmarks._beir import Passage, RetrievalSet
from benchmarks._common import Figures
from benchmarks._search_apis import Api, Peer, Place
from benchmarks.search import LEVELS, QUICK_SECONDS, SECONDS, WARM_UP_S, Load, closed_loop
from smartypants import ports, wiring
from smartypants.errors import SetupError
from smartypants.settings import Settings

PEERS = {"haystack": _search_apis.haystack(), "txtai": _search_apis.txtai()}
QUICK_QUESTIONS = 100
ASKED_AT_ONCE = 8
_PORT = 8700
ONE_CHUNK = 16_384
"""Tokens, more than a passage has. The model reads the first 256 of them, whoever serves."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What every server is asked."""

    data: RetrievalSet
    questions: Mapping[str, str]
    seconds: float
    warm_up_s: float = WARM_UP_S


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one server did."""

    ndcg: float
    loads: Mapping[int, Load]
    cpu_ms: Mapping[int, float]
    """Of the server, a request."""
    rss: int


def main() -> None:
    parser = _common.arguments("search_peers", __doc__)
    parser.add_argument("--data", type=Path, metavar="DIR",
                        help="a set in BEIR form; default: scifact, if quick xquad")  # fmt: skip
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1,
                        help="of each peer's server; default: one a core")  # fmt: skip
    _peers.cache_argument(parser)
    options = parser.parse_args()
    folder = options.data or _common.DATA / ("xquad" if options.quick else "scifact")
    if not folder.exists():
        parser.error(f"there is no {folder}; name a set with --data")

    programs = {name: _peers.environment(name, options.cache).parent for name in PEERS}
    outcomes: dict[str, Outcome] = {}
    with _common.data_dir(options.reuse) as data_dir:
        settings = _common.own_settings(
            data_dir, llm=_common.NO_LLM, chunker={"max_tokens": ONE_CHUNK}, ingest=_common.AT_REST
        )
        plan = planned(_beir.load(folder), settings, quick=options.quick)
        _common.say("ours")
        outcomes["ours"] = ours(plan, settings)
        for name, peer in PEERS.items():
            _common.say(name)
            index = data_dir / "peers" / plan.data.name / name
            place = Place(programs[name], index, wiring.embedder_path(settings))
            outcomes[name] = theirs(name, peer, place, plan, options.processes)
    _common.show(_table(outcomes, plan))
    _common.write_json(options.json, summary(outcomes))


def planned(data: RetrievalSet, settings: Settings, *, quick: bool) -> Plan:
    """The questions are cut to what our API takes."""
    limit = settings.http.max_query_chars
    asked = itertools.islice(data.queries.items(), QUICK_QUESTIONS if quick else None)
    questions = {query_id: text[:limit] for query_id, text in asked}
    return Plan(data, questions, QUICK_SECONDS if quick else SECONDS)


def ours(plan: Plan, settings: Settings) -> Outcome:
    data = plan.data
    corpus = settings.data_dir / "corpora" / data.name
    ids = _beir.write_corpus(data.corpus, corpus)
    with _common.running(settings, parts=_common.SEARCH_PARTS) as url:
        progress = _common.index(settings, corpus, data.collection)
        if progress["chunks"] > len(data.corpus):
            raise SetupError(
                f"{len(data.corpus)} passages are {progress['chunks']} chunks.", "Raise ONE_CHUNK."
            )
        return asyncio.run(measure(_search_apis.ours(data.collection, ids), [url], plan))


def theirs(name: str, peer: Peer, place: Place, plan: Plan, processes: int) -> Outcome:
    place.index.mkdir(parents=True, exist_ok=True)
    write_passages(plan.data.corpus, place.index / "passages.jsonl")
    script = _peers.SCRIPTS / f"index_with_{name}.py"
    _peers.run(place.programs / "python", script, place.index, place.model)
    threads = max((os.cpu_count() or 1) // processes, 1)
    first = next(iter(plan.questions.values()))
    urls = []
    with ExitStack() as servers:
        for number in range(processes):
            port = ports.first_free(_PORT)
            urls.append(f"http://127.0.0.1:{port}")
            server = _peers.serving(
                peer.command(place, port),
                peer.environ(place) | _peers.threads(threads),
                log=place.index / f"server{number}.log",
                ready=partial(_search_apis.answers, peer.api, urls[-1], first),
            )
            servers.enter_context(server)
        return asyncio.run(measure(peer.api, urls, plan))


def write_passages(passages: Sequence[Passage], file: Path) -> None:
    """One JSON object a line; the text begins with the title, as a document of ours does."""
    with file.open("w") as lines:
        for passage in passages:
            text = f"{passage.title}\n\n{passage.text}" if passage.title else passage.text
            lines.write(json.dumps({"id": passage.id, "text": text}) + "\n")


async def measure(api: Api, urls: Sequence[str], plan: Plan) -> Outcome:
    """nDCG@10 first, which warms the server, then the levels."""
    loads, cpu_ms, rss = {}, {}, 0
    async with _search_apis.sending(api, urls) as send:
        slots = asyncio.Semaphore(ASKED_AT_ONCE)

        async def ranked(text: str) -> list[str]:
            async with slots:
                return api.documents((await send(text)).json())

        found = await asyncio.gather(*map(ranked, plan.questions.values()))
        ndcg = plan.data.ndcg(dict(zip(plan.questions, found, strict=True)))

        async def search(text: str) -> None:
            await send(text)

        asked = itertools.cycle(plan.questions.values())
        for clients in LEVELS:
            await closed_loop(search, asked, clients=clients, seconds=plan.warm_up_s)
            before = _peers.usage()
            load = await closed_loop(search, asked, clients=clients, seconds=plan.seconds)
            after = _peers.usage()
            loads[clients] = load
            cpu_ms[clients] = 1000 * (after.cpu_s - before.cpu_s) / len(load.latencies_ms)
            rss = max(rss, after.rss)
    return Outcome(ndcg, loads, cpu_ms, rss)


def summary(outcomes: Mapping[str, Outcome]) -> Figures:
    figures: Figures = {}
    for name, outcome in outcomes.items():
        for clients, load in outcome.loads.items():
            figures[f"search_peers.{name}.rps@{clients}"] = load.rps
            figures[f"search_peers.{name}.p50_ms@{clients}"] = load.ms(0.50)
            figures[f"search_peers.{name}.p95_ms@{clients}"] = load.ms(0.95)
            figures[f"search_peers.{name}.cpu_ms@{clients}"] = outcome.cpu_ms[clients]
        figures[f"search_peers.{name}.ndcg@10"] = outcome.ndcg
        figures[f"search_peers.{name}.rss_mb"] = outcome.rss / 2**20
    for clients, load in outcomes["ours"].loads.items():
        best = max(outcomes[name].loads[clients].rps for name in outcomes if name != "ours")
        figures[f"search_peers.over_best_peer@{clients}"] = load.rps / best
    return figures


def _table(outcomes: Mapping[str, Outcome], plan: Plan) -> Table:
    table = Table(
        "", "clients", "req/s", "p50 ms", "p95 ms", "CPU ms", "nDCG@10", "RSS MiB",
        title=f"Search, {plan.data.name}: {len(plan.data.corpus)} passages, "
        f"{len(plan.questions)} questions",
    )  # fmt: skip
    for name, outcome in outcomes.items():
        for clients, load in outcome.loads.items():
            once = (name, f"{outcome.ndcg:.4f}", f"{outcome.rss / 2**20:.0f}")
            label, ndcg, rss = once if clients == LEVELS[0] else ("", "", "")
            times = (
                f"{load.ms(0.50):.1f}",
                f"{load.ms(0.95):.1f}",
                f"{outcome.cpu_ms[clients]:.1f}",
            )
            table.add_row(label, str(clients), f"{load.rps:.1f}", *times, ndcg, rss)
        table.add_section()
    return table


if __name__ == "__main__":
    main()
