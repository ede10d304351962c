"""Asks both legs once a query, as deep as any recipe goes: every recipe is computed from that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from smartypants.ledger import acls, collections, documents
from smartypants.processing import normalise
from smartypants.protocols import Embedder, VectorStore
from smartypants.recipes import Recipe
from smartypants.retrieving import fuse
from smartypants.tuning.judgments import JudgedQuery
from smartypants.types import Candidate, Chunk, Filters

_BATCH = 64


@dataclass(frozen=True, slots=True)
class Passage:
    """A document's best chunk in a ranking, with the score that ranked it."""

    chunk: Chunk
    score: float

    @property
    def document_id(self) -> str:
        return self.chunk.document_id


@dataclass(frozen=True, slots=True)
class Legs:
    """A query, and what each leg found for it, best first."""

    query: JudgedQuery
    found: Mapping[str, Sequence[Candidate]]

    def ranking(self, recipe: Recipe) -> list[Passage]:
        """The best passage of each document, in the order of the recipe's fusion."""
        shares = {"dense": recipe.dense_weight, "bm25": 1.0 - recipe.dense_weight}
        legs = {
            leg: list(found[: recipe.candidates])
            for leg, found in self.found.items()
            if shares[leg] > 0
        }
        best: dict[str, Passage] = {}
        for item in fuse(legs, recipe):
            best.setdefault(item.chunk.document_id, Passage(item.chunk, item.score))
        return list(best.values())


def ask(
    queries: Sequence[JudgedQuery],
    *,
    collection: str,
    engine: Engine,
    vectors: VectorStore,
    embedder: Embedder,
    depth: int,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Legs]:
    """What both legs find for each query, `depth` chunks each, of whatever anybody may read.

    Raises `CollectionNotFound`, `EmbeddingModelMismatch`, `VectorStoreUnavailable`.
    """
    found = collections.get(engine, collection)
    collections.check_model(found, embedder.model)
    acl_ids = acls.every_id(engine)
    current = _Current(engine)

    asked: list[Legs] = []
    for start in range(0, len(queries), _BATCH):
        batch = queries[start : start + _BATCH]
        texts = [normalise(query.text) for query in batch]
        where = {"limit": depth, "acl_ids": acl_ids, "filters": Filters()}
        dense = vectors.dense(found.physical, embedder.embed(texts), **where)  # type: ignore[arg-type]
        words = vectors.lexical(found.physical, texts, **where)  # type: ignore[arg-type]
        asked += [
            Legs(query, {"dense": current.only(by_meaning), "bm25": current.only(by_words)})
            for query, by_meaning, by_words in zip(batch, dense, words, strict=True)
        ]
        progress(len(asked))
    return asked


class _Current:
    """Leaves the chunks that searches show, and keeps one copy of each."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._versions: dict[str, str | None] = {}
        self._chunks: dict[str, Chunk] = {}

    def only(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        ids = {item.chunk.document_id for item in candidates} - self._versions.keys()
        rows = documents.by_id(self._engine, ids)
        for name in ids:
            row = rows.get(name)
            self._versions[name] = row.indexed_version if row and row.searchable else None
        return [
            Candidate(self._chunks.setdefault(item.chunk.chunk_id, item.chunk), item.score)
            for item in candidates
            if self._versions[item.chunk.document_id] == item.chunk.version
        ]
