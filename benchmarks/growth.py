"""What a search of the embedded vector server costs as the corpus grows: 10k, 100k, 1M chunks.

Both legs of a search, as the retriever asks for them (100 candidates, the caller's ACLs as a
filter), one at a time and 32 in one call, which is what the retriever makes of 32 clients. The
texts are scifact's abstracts with their words shuffled, the vectors are its own with noise: no
measure of quality, and the same lengths, vocabulary and neighbourhoods. Everything else in a
search is the same for any corpus (`benchmarks.search`).

A size ends with its memory and the time it took to write; one that isn't written within
`--minutes` is reported as far as it came, and the larger ones are left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped]
from numpy.typing import NDArray
from rich.table import Table

from benchmarks import _beir, _common
from benchmarks._common import Figures
from smartypants import wiring
from smartypants.errors import VectorStoreUnavailable
from smartypants.protocols import Vectors, VectorStore
from smartypants.types import Chunk, Filters, stable_id

SIZES, QUICK_SIZES = (10_000, 100_000, 1_000_000), (2_000, 10_000)
BATCH = 2_000
LIMIT = 100
TOGETHER = 32
ROUNDS = 5
NOISE = 0.5
"""Of the length of a vector: a cosine of about .9 to the one it was made of."""


@dataclass(frozen=True, slots=True)
class Seeds:
    texts: Sequence[list[str]]
    vectors: Vectors
    questions: Sequence[str]
    question_vectors: Vectors


@dataclass(frozen=True, slots=True)
class Size:
    """One size of the corpus; `whole` is False where the time to write it ran out."""

    chunks: int
    whole: bool
    write_s: float
    memory_mb: float
    ms: dict[str, float]
    """A query, by leg and number of queries in one call."""


def main() -> None:
    parser = _common.arguments("growth", __doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="to write one size at most")
    options = parser.parse_args()
    sizes: list[Size] = []
    with _common.data_dir(options.reuse) as folder:
        settings = _common.own_settings(folder, llm=_common.NO_LLM)
        seeds = _seeds(wiring.make_embedder(settings).embed)
        with _common.vector_server(settings):
            vectors = wiring.open_vectors(settings)
            physical = "growth__seeds__v1"
            vectors.create(physical, dimension=seeds.vectors.shape[1])
            rows = chunks(seeds)
            for count in QUICK_SIZES if options.quick else SIZES:
                size = measure(vectors, physical, rows, count, seeds, 60 * options.minutes)
                sizes.append(size)
                _common.say(f"{size.chunks} chunks: {size.ms}")
                if not size.whole:
                    break
    _common.show(_table(sizes))
    _common.write_json(options.json, summary(sizes))


def _seeds(embed: Callable[[Sequence[str]], Vectors]) -> Seeds:
    data = _beir.load(_common.DATA / "scifact")
    passages = [item.text for item in data.corpus[:1_000]]
    questions = list(data.queries.values())[:TOGETHER]
    return Seeds([text.split() for text in passages], embed(passages), questions, embed(questions))


def chunks(seeds: Seeds) -> Iterator[tuple[Chunk, Vectors]]:
    """Any number of them, the same ones in every run."""
    random = np.random.default_rng(0)
    number = 0
    while True:
        for words, vector in zip(seeds.texts, seeds.vectors, strict=True):
            text = " ".join(random.permutation(words))
            noisy = vector + NOISE * _unit(random.standard_normal(len(vector)))
            chunk = Chunk(stable_id("growth", number), "v1", 0, text, 0, len(text))
            yield chunk, _unit(noisy)
            number += 1


def _unit(vector: NDArray[np.floating[Any]]) -> Vectors:
    unit: Vectors = (vector / np.linalg.norm(vector)).astype(np.float32)
    return unit


def measure(
    store: VectorStore,
    physical: str,
    rows: Iterator[tuple[Chunk, Vectors]],
    count: int,
    seeds: Seeds,
    write_s: float,
) -> Size:
    """Writes until there are `count` chunks, then searches."""
    began = time.perf_counter()
    held = store.count(physical)
    while held < count and time.perf_counter() < began + write_s:
        batch = [next(rows) for _ in range(min(BATCH, count - held))]
        store.upsert(
            physical,
            [chunk for chunk, _ in batch],
            np.stack([vector for _, vector in batch]),
            acl_ids=[1] * len(batch),
            source_ids=["growth"] * len(batch),
        )
        held += len(batch)
    store.flush(physical)
    written = time.perf_counter() - began
    ms: dict[str, float] = {}
    for together in (1, TOGETHER):
        ms |= _search(store, physical, seeds, together)
    return Size(held, held >= count, written, _memory_mb(), ms)


def _search(store: VectorStore, physical: str, seeds: Seeds, together: int) -> dict[str, float]:
    """The median of milliseconds a query; none for a leg that the server did not answer."""
    found: dict[str, float] = {}
    wanted: dict[str, Any] = {"limit": LIMIT, "acl_ids": [1], "filters": Filters()}
    legs: dict[str, Callable[[slice], object]] = {
        "dense": lambda some: store.dense(physical, seeds.question_vectors[some], **wanted),
        "bm25": lambda some: store.lexical(physical, seeds.questions[some], **wanted),
    }
    for name, ask in legs.items():
        took = []
        try:
            ask(slice(together))
            for number in range(ROUNDS):
                at = number % (TOGETHER - together + 1)
                started = time.perf_counter()
                ask(slice(at, at + together))
                took.append(1000 * (time.perf_counter() - started) / together)
        except VectorStoreUnavailable as exc:
            _common.say(f"{name}, {together} in a call: {exc}")
            continue
        found[f"{name}@{together}"] = _common.percentile(took, 0.5)
    return found


def _memory_mb() -> float:
    """Of everything that this process started."""
    return sum(float(child.memory_info().rss) for child in psutil.Process().children(True)) / 2**20


def summary(sizes: Sequence[Size]) -> Figures:
    figures: Figures = {}
    for size in sizes:
        prefix = f"growth.{size.chunks}"
        figures |= {f"{prefix}.{name}_ms": ms for name, ms in size.ms.items()}
        figures[f"{prefix}.write_s"] = size.write_s
        figures[f"{prefix}.memory_mb"] = size.memory_mb
    return figures


def _table(sizes: Sequence[Size]) -> Table:
    columns = [f"{leg}@{together}" for together in (1, TOGETHER) for leg in ("dense", "bm25")]
    table = Table(
        "chunks", "written in s", "memory MiB", *columns,
        title=f"Growth of the embedded vector server: ms a query at 1 and {TOGETHER} in a call",
    )  # fmt: skip
    for size in sizes:
        shown = [f"{size.ms[name]:.1f}" if name in size.ms else "-" for name in columns]
        label = f"{size.chunks:,}" + ("" if size.whole else " (stopped)")
        table.add_row(label, f"{size.write_s:.0f}", f"{size.memory_mb:.0f}", *shown)
    return table


if __name__ == "__main__":
    main()
