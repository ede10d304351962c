"""What a tuned recipe gains: nDCG@10 of BM25, dense, RRF, the settings' recipe and a tuned one.

Each set's corpus is ingested as files by the product. Then both legs are asked once a query over
the same stores (`smartypants.tuning.legs`), and every row of the table is computed from that by
the product's own fusing, reranking, tuning and gate; documents are ranked by their best passage.
Queries that a figure is of never took part in choosing its recipe:

- scifact is tuned on training queries, with --reranker on those that the reranker was not
  trained on, and scored on its test queries;
- the other sets are halved by a hash of each query's id: each half is scored by the recipe that
  the other half chose.

At most --test queries of a set take part, --tune in choosing, and --limit of the former are
reranked (the count is in the table): a small CPU reranks some dozen passages a second.

`--peer` asks Haystack too: BM25 and embedding retrievers over its in-memory store, joined by
reciprocal rank fusion, with the same embedding model and the same reranker (same passages and
vectors: what is compared is retrieval, fusion and reranking), in an environment of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.table import Table

from benchmarks import _common, _peers
from benchmarks._common import Figures
from benchmarks._recipe_sets import SETS, Set, prepare
from deployments.local import stores
from smartypants import wiring
from smartypants.errors import SetupError
from smartypants.ledger import collections
from smartypants.protocols import Reranker
from smartypants.recipes import Recipe
from smartypants.settings import Settings
from smartypants.tuning import grid
from smartypants.tuning.deciding import MARGIN
from smartypants.tuning.judgments import JudgedQuery
from smartypants.tuning.legs import Legs, ask
from smartypants.tuning.ndcg import ndcg
from smartypants.tuning.tune import CANDIDATES, best, reordered

FIXED = {
    "bm25": Recipe(dense_weight=0.0, rerank=False),
    "dense": Recipe(dense_weight=1.0, rerank=False),
    "rrf": Recipe(fusion="rrf", rerank=False),
    "default": Recipe(rerank=False),
}


def main() -> None:
    options = _options()
    figures: Figures = {}
    table = Table(title="nDCG@10 on queries that chose nothing")
    for name in ("set", "queries", *FIXED, "recipe", "+ reranker", "recipes"):
        table.add_column(name)
    if options.peer:
        table.add_column("Haystack, + reranker")
    with _common.data_dir(options.reuse) as data_dir:
        settings = _common.own_settings(
            data_dir, llm=_common.NO_LLM, reranker={"model": options.reranker}
        )
        with stores(settings, "benchmark"):
            reranker = Remembering(wiring.make_reranker(settings)) if options.reranker else None
            for name in options.sets:
                data = prepare(settings, name, options)
                data = replace(data, test=sorted(data.test, key=_hash)[: options.test])
                row = compare(settings, data, reranker, options, figures)
                if options.peer:
                    row.append(peer(settings, data, options, figures))
                table.add_row(*row)
                _common.say(" | ".join(row))
                _common.write_json(options.json, figures)
    _common.show(table)


class Remembering:
    """A reranker that scores no passage twice for the same query."""

    def __init__(self, reranker: Reranker | None) -> None:
        if reranker is None:
            raise SetupError("There is no reranker.")
        self.model = reranker.model
        self._reranker = reranker
        self._known: dict[tuple[str, str], float] = {}
        self.seconds = 0.0
        self.pairs = 0

    def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        new = [text for text in dict.fromkeys(passages) if (query, text) not in self._known]
        started = time.perf_counter()
        for text, score in zip(new, self._reranker.scores(query, new), strict=True):
            self._known[query, text] = score
        self.seconds += time.perf_counter() - started
        self.pairs += len(new)
        return [self._known[query, text] for text in passages]


def compare(
    settings: Settings,
    data: Set,
    reranker: Remembering | None,
    options: argparse.Namespace,
    figures: Figures,
) -> list[str]:
    """A row of the table."""
    test = asked(settings, data, data.test)
    halves: list[tuple[list[Legs], list[Legs]]]
    if data.tune:
        halves = [(asked(settings, data, data.tune), test)]
    else:
        one, other = ([legs for legs in test if _half(legs) == half] for half in (0, 1))
        halves = [(other, one), (one, other)]
    means = {
        name: float(np.mean([_score(legs, recipe) for legs in test]))
        for name, recipe in FIXED.items()
    }
    named: list[str] = []
    plain: list[float] = []
    reranked: list[float] = []
    for learnt, scored in halves:
        found = best(learnt[: options.tune], Recipe(), None).recipe
        plain += [_score(legs, found) for legs in scored]
        named.append(grid.name(found))
        if reranker is not None:
            part = scored[: options.limit // len(halves)]
            found = best(learnt[: options.tune], Recipe(), reranker).recipe
            reranked += [_score(legs, found, reranker) for legs in part]
            named.append(grid.name(found))
    means["recipe"] = float(np.mean(plain))
    for name, mean in means.items():
        figures[f"recipes.{data.name}.{name}"] = mean
    single = max(means["bm25"], means["dense"])
    figures[f"recipes.{data.name}.over_best_leg"] = means["recipe"] - single
    shown = [f"{means[name]:.4f}" for name in means]
    if means["recipe"] < single - MARGIN:
        shown[-1] += " BELOW"
    if reranker is None:
        shown.append("-")
    else:
        of = f" (of {len(reranked)})" if len(reranked) < len(test) else ""
        shown.append(f"{np.mean(reranked):.4f}{of}")
        figures[f"recipes.{data.name}.recipe+reranker"] = float(np.mean(reranked))
        figures[f"recipes.{data.name}.recipe+reranker.queries"] = float(len(reranked))
        figures["recipes.reranker.pairs_per_s"] = reranker.pairs / max(reranker.seconds, 1e-9)
        always = _always(halves, reranker, options)
        figures[f"recipes.{data.name}.always_reranked"] = always
        shown[-1] += f"; always: {always:.4f}"
    return [data.name, str(len(test)), *shown, "; ".join(dict.fromkeys(named))]


def _always(
    halves: Sequence[tuple[Sequence[Legs], Sequence[Legs]]],
    reranker: Remembering,
    options: argparse.Namespace,
) -> float:
    """What reranking 32 hits of the default fusion without asking any gate would give."""
    recipe = Recipe(rerank=True, rerank_depth=32, rerank_weight=1.0)
    parts = [legs for _, scored in halves for legs in scored[: options.limit // len(halves)]]
    return float(np.mean([_score(legs, recipe, reranker) for legs in parts]))


def asked(settings: Settings, data: Set, queries: Sequence[JudgedQuery]) -> list[Legs]:
    """Both legs' answers, the queries in an order that depends on nothing but their ids."""
    return ask(
        sorted(queries, key=_hash),
        collection=data.collection,
        engine=wiring.open_ledger(settings),
        vectors=wiring.open_vectors(settings),
        embedder=wiring.make_embedder(settings),
        depth=max(CANDIDATES),
    )


def _score(legs: Legs, recipe: Recipe, reranker: Reranker | None = None) -> float:
    ranking = legs.ranking(recipe)
    if recipe.rerank and reranker is not None:
        head = [passage.chunk.searched_text for passage in ranking[: recipe.rerank_depth]]
        ranking = reordered(ranking, reranker.scores(legs.query.text, head), recipe)
    return ndcg([passage.document_id for passage in ranking], legs.query.grades)


def _hash(query: JudgedQuery) -> bytes:
    # Another one than that by which tuning itself parts queries.
    return hashlib.blake2b(query.id.encode(), digest_size=8, key=b"benchmark").digest()


def _half(legs: Legs) -> int:
    return _hash(legs.query)[0] % 2


def peer(settings: Settings, data: Set, options: argparse.Namespace, figures: Figures) -> str:
    """Haystack's two figures: hybrid, and with the reranker (on the first queries)."""
    folder = settings.data_dir / "peer" / data.name
    folder.mkdir(parents=True, exist_ok=True)
    _export(settings, data, folder)
    _peers.run(
        _peers.environment("haystack", options.peer_cache),
        _peers.SCRIPTS / "search_with_haystack.py",
        folder,
        wiring.embedder_path(settings),
        options.reranker or "",
        str(options.limit),
        str(os.cpu_count() or 1),
    )
    ranked = json.loads((folder / "ranked.json").read_text())
    grades = {query.id: query.grades for query in data.test}
    shown = []
    for name, run in ranked.items():
        mean = float(np.mean([ndcg(found, grades[query]) for query, found in run.items()]))
        figures[f"recipes.{data.name}.haystack.{name}"] = mean
        of = f" (of {len(run)})" if len(run) < len(data.test) else ""
        shown.append(f"{mean:.4f}{of}")
    return ", ".join(shown)


def _export(settings: Settings, data: Set, folder: Path) -> None:
    engine, vectors = wiring.open_ledger(settings), wiring.open_vectors(settings)
    physical = collections.get(engine, data.collection).physical
    rows = np.empty((0, wiring.embedding_shape(settings)[0]), dtype=np.float32)
    parts = [rows]
    with (folder / "passages.jsonl").open("w") as file:
        for batch in vectors.scan(physical, vectors=True):
            for item in batch:
                line = {"id": item.chunk.document_id, "text": item.chunk.searched_text}
                file.write(json.dumps(line) + "\n")
            parts.append(np.stack([item.vector for item in batch if item.vector is not None]))
    np.save(folder / "vectors.npy", np.concatenate(parts))
    queries = [{"id": query.id, "text": query.text} for query in sorted(data.test, key=_hash)]
    (folder / "queries.json").write_text(json.dumps(queries))


def _options() -> argparse.Namespace:
    parser = _common.arguments("recipes", __doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, help="default: all that are there")
    parser.add_argument("--reranker", metavar="DIR", help="from benchmarks.train_reranker")
    parser.add_argument("--tune", type=int, default=150, help="queries to tune by, at most")
    parser.add_argument("--test", type=int, default=400, help="queries of a set, at most")
    parser.add_argument("--limit", type=int, default=150, help="test queries to rerank, at most")
    parser.add_argument("--peer", action="store_true", help="Haystack, too")
    caches = Path.home() / ".cache"
    parser.add_argument(
        "--cache", type=Path, default=caches / "smartypants-bench", help="where the books are kept"
    )
    _peers.cache_argument(parser, "--peer-cache")
    options = parser.parse_args()
    there = [name for name in SETS if name == "debian" or (_common.DATA / name).exists()]
    options.sets = options.sets or (["xquad"] if options.quick else there)
    if options.reranker:
        options.reranker = str(Path(options.reranker).absolute())
    return options


if __name__ == "__main__":
    main()
