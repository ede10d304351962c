"""What interpreting queries is worth, and what it breaks, in process and without Ray.

- Untouched: the share of a set's real queries that the syntax or plain words change.
- Spelling: nDCG@10 of the queries as they are, with a wrong letter in one word of five letters or
  more, and with that corrected; and the share of clean queries that correcting changes.
- Options: nDCG@10 with near-duplicates collapsed and with MMR, and the milliseconds that MMR takes
  for 40 hits by terms, beside fetching the vectors of as many.
- With `--rewrite N`: N conversations of mtrag-un whose last turn leans on the others, with that
  turn alone and rewritten by the configured LLM.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import string
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rich.table import Table

from benchmarks import _beir, _common, _local
from benchmarks._common import Figures
from benchmarks._local import LocalIndex
from smartypants import wiring
from smartypants.diversifying import diversify
from smartypants.processing import Helpers, process
from smartypants.protocols import Engine
from smartypants.querying import plain_words, rewriting, syntax
from smartypants.querying.asking import Reply, whole
from smartypants.querying.vocabulary import Vocabularies
from smartypants.retrieving import legs_of, retrieve
from smartypants.settings import Settings
from smartypants.types import Message, Query, QueryOptions, SamplingParams, SearchResult
from smartypants.vectorstores._milvus_rows import quoted
from smartypants.vectorstores.milvus import MilvusVectorStore

SETS = ("scifact", "xquad")
QUERIES = 300
MIN_LETTERS = 5
HITS = 40
NOBODY = syntax.Names(lambda _: (), lambda _: False)
PLAIN = QueryOptions(spelling=False, collapse=False)


def main() -> None:
    parser = _common.arguments("queries", __doc__)
    parser.add_argument("--rewrite", type=int, default=0, metavar="N", help="conversations")
    options = parser.parse_args()
    figures: Figures = {}
    table = Table("figure", "value", title="Queries")
    for name in (*SETS, "mtrag-un"):
        figures |= _untouched(name)
    with _common.data_dir(options.reuse) as folder:
        settings = _common.own_settings(folder)
        with _local.stores(settings) as (engine, vectors, embedder):
            for name in SETS[1:] if options.quick else SETS:
                found = _local.index(_beir.load(_common.DATA / name), engine, vectors, embedder)
                wanted = 60 if options.quick else QUERIES
                figures |= asyncio.run(_measure(found, settings, wanted))
            if options.rewrite:
                data = _beir.load(_common.DATA / "mtrag-un")
                found = _local.index(data, engine, vectors, embedder)
                figures |= asyncio.run(_rewriting(found, settings, options.rewrite))
    for name, value in figures.items():
        table.add_row(name, f"{value:.4g}")
    _common.show(table)
    _common.write_json(options.json, figures)


def _untouched(name: str) -> Figures:
    texts = list(_beir.load(_common.DATA / name).queries.values())
    plain = sum(plain_words.interpret(text) is not None for text in texts)
    read = sum(bool(syntax.parse(text, NOBODY).read) for text in texts)
    return {
        f"queries.{name}.plain_words_share": plain / len(texts),
        f"queries.{name}.syntax_share": read / len(texts),
    }


@dataclass(frozen=True, slots=True)
class _Asked:
    """Rankings by query id, and the texts that were searched for."""

    run: Mapping[str, list[str]]
    texts: Mapping[str, str]


async def _measure(found: LocalIndex, settings: Settings, wanted: int) -> Figures:
    helpers = Helpers(found.vectors, Vocabularies(found.vectors), wiring.common_words(settings))
    kept = helpers.vocabularies
    assert kept is not None
    started = time.perf_counter()
    while kept.of(found.collection.physical, found.collection.epoch) is None:
        await asyncio.sleep(0.05)
    name = f"queries.{found.data.name}"
    figures = {f"{name}.vocabulary_s": time.perf_counter() - started}
    clean = dict(list(found.data.queries.items())[:wanted])
    rng = random.Random(7)
    wrong = {key: mistyped(text, rng) for key, text in clean.items()}
    on = QueryOptions(spelling=True, collapse=False)
    ways = {
        "clean": (clean, PLAIN),
        "clean_corrected": (clean, on),
        "wrong": (wrong, PLAIN),
        "wrong_corrected": (wrong, on),
        "collapsed": (clean, replace(PLAIN, collapse=True)),
        "diversity_0.3": (clean, replace(PLAIN, diversity=0.3)),
    }
    asked: dict[str, _Asked] = {}
    for way, (queries, options) in ways.items():
        asked[way] = await _ask(found, settings, helpers, queries, options)
        figures[f"{name}.{way}.ndcg@10"] = found.ndcg(asked[way].run)
    corrected, restored = asked["clean_corrected"].texts, asked["wrong_corrected"].texts
    figures[f"{name}.falsely_corrected_share"] = sum(
        corrected[key] != asked["clean"].texts[key] for key in clean
    ) / len(clean)
    figures[f"{name}.restored_share"] = sum(
        restored[key].casefold() == asked["clean"].texts[key].casefold() for key in clean
    ) / len(clean)
    return figures | await _diversity_cost(found, settings, list(clean.values())[:30])


async def _ask(
    found: LocalIndex,
    settings: Settings,
    helpers: Helpers,
    queries: Mapping[str, str],
    options: QueryOptions,
    histories: Mapping[str, Sequence[Message]] | None = None,
) -> _Asked:
    run, texts = {}, {}
    for key, text in queries.items():
        history = tuple((histories or {}).get(key, ()))
        result, texts[key] = await _search(found, settings, helpers, text, options, history)
        hits = result.hits
        if options.diversity:
            hits = tuple(diversify(hits, diversity=options.diversity, limit=10))
        run[key] = found.ranked(replace(result, hits=hits))
    return _Asked(run, texts)


async def _search(
    found: LocalIndex,
    settings: Settings,
    helpers: Helpers,
    text: str,
    options: QueryOptions,
    history: tuple[Message, ...] = (),
) -> tuple[SearchResult, str]:
    query = Query(text[:2_000], found.collection.name, options=options, history=history)
    plan = await process(query, engine=found.engine, settings=settings, helpers=helpers)
    legs = legs_of(found.vectors, found.embed)
    result = await retrieve(plan, legs, engine=found.engine, limit=plan.depth)
    return result, plan.text


def mistyped(text: str, rng: random.Random) -> str:
    """One edit inside one word of five letters or more: a letter more, less, other, or a swap."""
    words = text.split()
    long = [at for at, word in enumerate(words) if len(word) >= MIN_LETTERS and word.isalpha()]
    if not long:
        return text
    at = rng.choice(long)
    word, place = words[at], rng.randrange(1, len(words[at]) - 1)
    letter = rng.choice(string.ascii_lowercase)
    words[at] = rng.choice(
        (
            word[:place] + letter + word[place:],
            word[:place] + word[place + 1 :],
            word[:place] + letter + word[place + 1 :],
            word[:place] + word[place + 1] + word[place] + word[place + 2 :],
        )
    )
    return " ".join(words)


async def _diversity_cost(found: LocalIndex, settings: Settings, texts: list[str]) -> Figures:
    assert isinstance(found.vectors, MilvusVectorStore)
    by_terms, fetching = [], []
    for text in texts:
        result, _ = await _search(
            found, settings, Helpers(), text, QueryOptions(diversity=0.3, collapse=False)
        )
        hits = result.hits[:HITS]
        started = time.perf_counter()
        diversify(hits, diversity=0.3, limit=10)
        by_terms.append(1000 * (time.perf_counter() - started))
        ids = ", ".join(quoted(hit.chunk.chunk_id) for hit in hits)
        started = time.perf_counter()
        found.vectors.client.query(
            found.collection.physical, filter=f"chunk_id in [{ids}]", output_fields=["vector"]
        )
        fetching.append(1000 * (time.perf_counter() - started))
    name = f"queries.{found.data.name}"
    return {
        f"{name}.mmr_by_terms_ms": _common.percentile(by_terms, 0.5),
        f"{name}.fetch_vectors_ms": _common.percentile(fetching, 0.5),
    }


async def _rewriting(found: LocalIndex, settings: Settings, wanted: int) -> Figures:
    with gzip.open(_common.DATA / "mtrag-un" / "answers.json.gz", "rt") as file:
        talks = json.load(file)
    histories = {
        key: [
            Message("user" if who == "user" else "assistant", text)
            for who, text in talks[key]["history"]
        ]
        for key in found.data.queries
        if talks.get(key, {}).get("history")
    }
    leaning = {
        key: text
        for key, text in found.data.queries.items()
        if key in histories and rewriting.leans(text)
    }
    chosen = dict(list(leaning.items())[:wanted])
    llm = wiring.make_llm(settings)
    if isinstance(llm, Engine):
        await llm.start()

    async def ask(messages: Sequence[Message], sampling: SamplingParams, deadline: float) -> Reply:
        return await whole(llm.generate(messages, sampling, request_id=str(deadline)))

    try:
        helpers = Helpers(ask=ask)
        alone = await _ask(found, settings, Helpers(), chosen, PLAIN)
        started = time.perf_counter()
        made = await _ask(found, settings, helpers, chosen, PLAIN, histories)
        seconds = (time.perf_counter() - started) / len(chosen)
    finally:
        if isinstance(llm, Engine):
            llm.shutdown()
    changed = [key for key in chosen if made.texts[key] != alone.texts[key]]
    for key in changed[:10]:
        _common.say(f"{chosen[key]!r} → {made.texts[key]!r}")
    return {
        "queries.mtrag-un.leaning_share": len(leaning) / len(histories),
        "queries.mtrag-un.rewritten_share": len(changed) / len(chosen),
        "queries.mtrag-un.rewriting_s": seconds,
        "queries.mtrag-un.last_turn.ndcg@10": found.ndcg(alone.run),
        "queries.mtrag-un.rewritten.ndcg@10": found.ndcg(made.run),
    }


if __name__ == "__main__":
    main()
