"""Train a small cross-encoder on judged queries, so that it can rerank.

    python -m benchmarks.train_reranker --out models/reranker
    python -m benchmarks.train_reranker --corpus corpus.jsonl --queries queries.jsonl \
        --qrels qrels.tsv --out models/reranker

The body is an embedding model's; the head is new. Each query is learnt with one relevant passage
against hard negatives, passages that BM25 and dense search rank high and nobody judged relevant,
by a softmax over the list (Gao, Dai & Callan, ECIR 2021: localized contrastive estimation; it is
sentence-transformers' ListNetLoss). First come titles of the corpus as queries whose answer is
their own text: with a few hundred judgements, a body that never saw two texts together needs it.

A share of the queries is held out. Their nDCG@10 is measured in the order of the fusion and in the
new model's; their ids are in `held_out.json` beside the weights. Tune recipes on those alone: on
the others the model is better than it will ever be again. The first word on a new query is this
figure, and the last one the recipe's gate (docs/tuning.md).
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import _beir, _common
from benchmarks._legs import BM25, Scores, embedded, scaled
from smartypants import models
from smartypants.embedders.sentence_transformers import SentenceTransformerEmbedder
from smartypants.tuning.ndcg import ndcg

BODY = "sentence-transformers/all-MiniLM-L6-v2"
POOL = 30
"""Hard negatives are drawn from so many passages at the top."""
DEPTH = 32
"""Passages that are reranked to measure the model, as recipes do by default."""


_SURE = 10.0
"""The loss puts labels through a softmax, too: this one leaves nothing for the negatives."""


@dataclass(frozen=True, slots=True)
class Example:
    """A query with passages, the relevant one first."""

    query: str
    passages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """Queries with what is relevant (rows of the corpus) and how the legs rank the corpus."""

    ids: Sequence[str]
    texts: Sequence[str]
    relevant: Sequence[frozenset[int]]
    ranked: Sequence[Sequence[int]]


def main() -> None:
    options = _options()
    rng = random.Random(options.seed)
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    body = models.resolve(options.body, cache=out)
    data = _beir.load_files(options.corpus, options.queries, options.qrels)
    passages = [f"{item.title}\n{item.text}" if item.title else item.text for item in data.corpus]
    _common.say(f"{len(passages)} passages, {len(data.queries)} judged queries: mining …")
    embedder = SentenceTransformerEmbedder(
        path=str(body), model=options.body, device="cpu", cache=out / "cache"
    )
    vectors = embedded(passages, embedder, out / "cache" / "vectors.npy")
    rows = {item.id: row for row, item in enumerate(data.corpus)}
    ids = sorted(data.queries)
    rng.shuffle(ids)
    cut = int(len(ids) * options.held_out)
    legs = BM25(passages)
    held = _judged(ids[:cut], data, rows, legs, vectors, embedder)
    train = _judged(ids[cut:], data, rows, legs, vectors, embedder)
    titled = [row for row, item in enumerate(data.corpus) if item.title and item.text]
    rng.shuffle(titled)
    titles = titled[: options.titles]
    examples = title_examples(data.corpus, titles, legs, options.negatives, rng)
    for _ in range(options.epochs):  # other negatives each time
        part = claims(train, passages, options.negatives, rng)
        rng.shuffle(part)
        examples += part
    (out / "held_out.json").write_text(json.dumps(sorted(held.ids)) + "\n")
    fused = measure(held, held.ranked)
    _common.say(f"{len(examples)} lists; held out: {len(held.ids)}, nDCG@10 fused {fused:.4f}")
    started = time.perf_counter()
    model = fit(str(body), examples, options)
    minutes = (time.perf_counter() - started) / 60
    reranked = measure(held, rerank(model, held, passages))
    print(f"trained {minutes:.1f} min; {len(held.ids)} held-out queries, nDCG@10: "
          f"fused {fused:.4f}, reranked {reranked:.4f}")  # fmt: skip
    _common.write_json(
        options.json,
        {
            "train.minutes": minutes,
            "train.lists": float(len(examples)),
            "train.held_out": float(len(held.ids)),
            "train.ndcg@10.fused": fused,
            "train.ndcg@10.reranked": reranked,
        },
    )


def claims(
    judged: Judged, passages: Sequence[str], negatives: int, rng: random.Random
) -> list[Example]:
    """One example for each relevant passage, with negatives from the top of the fused ranking."""
    examples = []
    for text, relevant, ranked in zip(judged.texts, judged.relevant, judged.ranked, strict=True):
        pool = [row for row in ranked[:POOL] if row not in relevant]
        for row in sorted(relevant):
            others = rng.sample(pool, min(negatives, len(pool)))
            examples.append(Example(text, (passages[row], *(passages[other] for other in others))))
    return examples


def title_examples(
    corpus: Sequence[_beir.Passage],
    rows: Sequence[int],
    legs: BM25,
    negatives: int,
    rng: random.Random,
) -> list[Example]:
    """Titles as queries; the passages come without theirs, or the words alone would tell."""
    titles = [corpus[row].title for row in rows]
    examples = []
    for start in range(0, len(rows), 256):
        scores = legs.scores(titles[start : start + 256])
        for row, title, own in zip(rows[start:], titles[start:], scores, strict=False):
            pool = [int(other) for other in np.argsort(-own)[:POOL] if other != row]
            others = rng.sample(pool, min(negatives, len(pool)))
            examples.append(Example(title, tuple(corpus[at].text for at in (row, *others))))
    return examples


def fit(body: str, examples: Sequence[Example], options: argparse.Namespace) -> Any:
    """The trained CrossEncoder, saved in `options.out`."""
    import torch
    from datasets import Dataset
    from sentence_transformers import CrossEncoder
    from sentence_transformers.cross_encoder import (
        CrossEncoderTrainer,
        CrossEncoderTrainingArguments,
    )
    from sentence_transformers.cross_encoder.losses import ListNetLoss

    torch.manual_seed(options.seed)
    if options.threads:
        torch.set_num_threads(options.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = CrossEncoder(body, num_labels=1, max_length=options.max_length, device=device)
    dataset = Dataset.from_dict(
        {
            "query": [item.query for item in examples],
            "docs": [list(item.passages) for item in examples],
            "labels": [[_SURE, *[0.0] * (len(item.passages) - 1)] for item in examples],
        }
    )
    arguments = CrossEncoderTrainingArguments(
        output_dir=str(options.out / "checkpoints"),
        num_train_epochs=1,
        per_device_train_batch_size=options.batch,
        learning_rate=options.lr,
        warmup_steps=0.1,
        lr_scheduler_type="linear",
        save_strategy="no",
        logging_steps=25,
        report_to="none",
        seed=options.seed,
        use_cpu=device == "cpu",
        batch_sampler=_in_order,
    )
    loss = ListNetLoss(model)
    CrossEncoderTrainer(model=model, args=arguments, train_dataset=dataset, loss=loss).train()
    model.save_pretrained(str(options.out))
    return model


def _in_order(dataset: Any, batch_size: int, drop_last: bool, **_: Any) -> Any:
    """Titles first, then the judged queries."""
    from sentence_transformers.base.sampler import DefaultBatchSampler
    from torch.utils.data import SequentialSampler

    return DefaultBatchSampler(
        SequentialSampler(dataset), batch_size=batch_size, drop_last=drop_last
    )


def rerank(model: Any, judged: Judged, passages: Sequence[str]) -> list[list[int]]:
    """The first `DEPTH` of each ranking in the model's order."""
    found = []
    for text, ranked in zip(judged.texts, judged.ranked, strict=True):
        head = list(ranked[:DEPTH])
        scores = model.predict([(text, passages[row]) for row in head], show_progress_bar=False)
        found.append([head[at] for at in np.argsort(-np.asarray(scores), kind="stable")])
    return found


def measure(judged: Judged, rankings: Sequence[Sequence[int]]) -> float:
    """Mean nDCG@10."""
    values = [
        ndcg(list(map(str, ranked)), {str(row): 1 for row in relevant})
        for ranked, relevant in zip(rankings, judged.relevant, strict=True)
    ]
    return sum(values) / max(len(values), 1)


def _judged(
    ids: Sequence[str],
    data: _beir.RetrievalSet,
    rows: Mapping[str, int],
    bm25: BM25,
    vectors: np.ndarray[Any, Any],
    embedder: SentenceTransformerEmbedder,
) -> Judged:
    texts = [data.queries[item] for item in ids]
    relevant = [
        frozenset(rows[name] for name, grade in data.qrels[item].items() if grade > 0)
        for item in ids
    ]
    fused: Scores = np.zeros((len(ids), len(vectors)), np.float32)
    if ids:
        fused = 0.5 * scaled(bm25.scores(texts)) + 0.5 * scaled(embedder.embed(texts) @ vectors.T)
    ranked = [[int(row) for row in np.argsort(-line)[:100]] for line in fused]
    return Judged(ids, texts, relevant, ranked)


def _options() -> argparse.Namespace:
    own = _common.DATA / "scifact"
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train_reranker",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--corpus", type=Path, default=own / "corpus.jsonl.gz")
    parser.add_argument("--queries", type=Path, default=own / "train_queries.jsonl.gz")
    parser.add_argument("--qrels", type=Path, default=own / "train_qrels.tsv.gz")
    parser.add_argument("--out", type=Path, required=True, help="where the model is saved")
    parser.add_argument("--body", default=BODY, help="an embedding model, or any BERT-like one")
    parser.add_argument("--epochs", type=int, default=2, help="passes over the judged queries")
    parser.add_argument("--titles", type=int, default=500, help="titles that are queries first")
    parser.add_argument("--negatives", type=int, default=3, help="for each relevant passage")
    parser.add_argument("--held-out", type=float, default=0.25, help="share of the queries")
    parser.add_argument("--max-length", type=int, default=192, help="tokens of query and passage")
    parser.add_argument("--batch", type=int, default=8, help="lists a step")
    parser.add_argument("--lr", type=float, default=7e-5)
    parser.add_argument("--threads", type=int, help="of torch; default: its own choice")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
