"""A source of documents that exist in the ledger alone."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from smartypants.ledger import collections, commits, documents, listing
from smartypants.ledger.commits import Failed, Indexed
from smartypants.types import PUBLIC, DocumentRef, stable_id

MAX_ATTEMPTS = 3


class Source:
    """One source of a collection; every listing is a job of its own."""

    def __init__(self, engine: Engine, collection: str = "docs") -> None:
        self.engine = engine
        self.collection = collection
        self.source_id = stable_id(collection, "file:///docs")
        self.job = ""
        self._jobs = 0
        collections.ensure(engine, collection, embedding_model="m", dimension=4)
        listing.register_source(
            engine,
            source_id=self.source_id,
            collection=collection,
            kind="filesystem",
            uri="file:///docs",
        )

    def ref(
        self, name: str, etag: str = "1", principals: tuple[str, ...] = (PUBLIC,)
    ) -> DocumentRef:
        return DocumentRef(
            self.source_id,
            f"file:///docs/{name}",
            name,
            etag,
            size=len(name),
            principals=principals,
        )

    def id_of(self, name: str) -> str:
        return self.ref(name).document_id

    def list(self, *names: str | DocumentRef) -> listing.Listed:
        self._jobs += 1
        self.job = f"job{self._jobs}"
        refs = [self.ref(item) if isinstance(item, str) else item for item in names]
        return listing.list_documents(
            self.engine,
            refs,
            collection=self.collection,
            job_id=self.job,
            max_attempts=MAX_ATTEMPTS,
        )

    def index(self, name: str, version: str = "v1", chunks: int = 2) -> None:
        done = Indexed(self.id_of(name), version, f"Title of {name}", chunks, {"pages": "1"})
        commits.commit(self.engine, self.collection, [done], [])

    def fail(self, name: str, *, retryable: bool) -> None:
        bad = Failed(self.id_of(name), "document_unreadable", "It is damaged.", retryable)
        commits.commit(self.engine, self.collection, [], [bad])

    def delete(self, *names: str) -> None:
        commits.mark_deleted(self.engine, self.collection, [self.id_of(name) for name in names])

    def row(self, name: str) -> documents.Document:
        return documents.by_id(self.engine, [self.id_of(name)])[self.id_of(name)]

    @property
    def epoch(self) -> int:
        return collections.get(self.engine, self.collection).epoch


@pytest.fixture
def source(engine: Engine) -> Source:
    return Source(engine)
