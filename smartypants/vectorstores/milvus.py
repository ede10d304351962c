"""Chunks in Milvus: the embedded Milvus Lite server and a Milvus cluster by the same calls."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from smartypants.attributes import UNKNOWN, Attributes
from smartypants.errors import FilterNotSupported, VectorStoreUnavailable
from smartypants.protocols import Vectors
from smartypants.terms import terms
from smartypants.types import Candidate, Chunk, Filters, Span, StoredChunk
from smartypants.vectorstores._milvus_connection import MilvusConnection, mapped
from smartypants.vectorstores._milvus_rows import (
    ATTRIBUTES,
    FIELDS,
    MAX_ROWS,
    candidate,
    described,
    in_groups,
    is_expected,
    of_documents,
    of_versions,
    others,
    quoted,
    readable,
    stored,
    to_chunk,
    to_row,
    within,
)
from smartypants.vectorstores._milvus_schema import indexes, schema

_DELETE_BATCH = 50
_PAGE = 1_000
_APPEARS_S = 5.0


class MilvusVectorStore:
    """HNSW over unit vectors and BM25 over stemmed terms, in one collection.

    >>> store = MilvusVectorStore(uri="http://127.0.0.1:19530")
    >>> store.create("docs__minilm__v1", dimension=384)
    """

    def __init__(self, *, uri: str, token: str | None = None, embedded: bool = False) -> None:
        """`token` refers to the secret. Raises `SetupError` for a URI that is no server's."""
        self.uri = uri
        self.connection = MilvusConnection(uri, token=token)
        self._embedded = embedded
        self._with_attributes: set[str] = set()

    @property
    def client(self) -> Any:
        """The connection, opened at the first use."""
        return self.connection.client

    def wait(self, timeout_s: float) -> None:
        """Return when the server answers. Raises `VectorStoreUnavailable` if it doesn't."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return self.ping()
            except VectorStoreUnavailable:
                if time.monotonic() > deadline:
                    raise
                self.connection.forget()
                time.sleep(0.25)

    def ping(self) -> None:
        self._names("")

    def load_all(self) -> None:
        """Bring every collection into memory: after a restart none is."""
        for name in self._names(""):
            self.load(name)

    @mapped
    def _names(self, _physical: str) -> list[str]:
        names: list[str] = self.client.list_collections()
        return names

    @mapped
    def load(self, physical: str) -> None:
        """Bring a collection into the server's memory; idempotent."""
        self.client.load_collection(physical)

    @mapped
    def create(self, physical: str, *, dimension: int) -> None:
        from pymilvus.exceptions import MilvusException

        client = self.client
        if client.has_collection(physical):
            return
        try:
            client.create_collection(physical, schema=schema(client, dimension))
        except MilvusException:
            if self._appears(physical):
                return  # somebody else was quicker, and does the rest
            raise
        # Nothing is there to index yet; pymilvus would wait half a second for each.
        client.create_index(physical, indexes(client, embedded=self._embedded), sync=False)
        client.load_collection(physical)
        if not client.has_collection(_alias(physical)):
            self.expose(physical)

    def _appears(self, physical: str) -> bool:
        """Whether a collection is there soon: Milvus Lite makes its folder first, which nobody
        else can make then, and knows of it when its schema is on the disk."""
        deadline = time.monotonic() + _APPEARS_S
        while not (found := self.client.has_collection(physical)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return bool(found)

    @mapped
    def expose(self, physical: str) -> None:
        alias = _alias(physical)
        if alias == physical:
            return
        if self.client.has_collection(alias):
            self.client.alter_alias(physical, alias)
        else:
            self.client.create_alias(physical, alias)

    @mapped
    def upsert(
        self,
        physical: str,
        chunks: Sequence[Chunk],
        vectors: Vectors,
        *,
        acl_ids: Sequence[int],
        source_ids: Sequence[str],
        attributes: Sequence[Attributes] = (),
    ) -> None:
        if not chunks:
            return
        now, described_too = int(time.time()), self._has_attributes(physical)
        rows = [
            to_row(chunk, acl_id, source_id, now)
            | (described(known) if described_too else {})
            | {"vector": vector}
            for chunk, vector, acl_id, source_id, known in zip(
                chunks,
                vectors,
                acl_ids,
                source_ids,
                attributes or [UNKNOWN] * len(chunks),
                strict=True,
            )
        ]
        self.client.upsert(physical, rows)

    def _has_attributes(self, physical: str) -> bool:
        """Whether a collection has the fields of what filters ask for; old ones have not."""
        if physical not in self._with_attributes:
            fields = self.client.describe_collection(physical)["fields"]
            if "dated_at" not in {field["name"] for field in fields}:
                return False  # asked again the next time: it may be made anew by then
            self._with_attributes.add(physical)
        return True

    def _filter(self, physical: str, acl_ids: Sequence[int], filters: Filters) -> str:
        if filters.describe and not self._has_attributes(physical):
            raise FilterNotSupported(
                f"{physical} knows no media types, authors and dates of its documents.",
                "Make the collection anew with `smartypants reindex`.",
            )
        return readable(acl_ids, filters)

    @mapped
    def flush(self, physical: str) -> None:
        self.client.flush(physical)

    @mapped
    def dense(
        self,
        physical: str,
        vectors: Vectors,
        *,
        limit: int,
        acl_ids: Sequence[int],
        filters: Filters,
    ) -> list[list[Candidate]]:
        found = self.client.search(
            physical,
            data=list(vectors),
            anns_field="vector",
            limit=limit,
            filter=self._filter(physical, acl_ids, filters),
            output_fields=FIELDS,
            search_params={"metric_type": "COSINE", "params": {"ef": max(2 * limit, 128)}},
        )
        return [[candidate(hit) for hit in hits] for hits in found]

    @mapped
    def lexical(
        self,
        physical: str,
        texts: Sequence[str],
        *,
        limit: int,
        acl_ids: Sequence[int],
        filters: Filters,
    ) -> list[list[Candidate]]:
        words = [terms(text) for text in texts]
        if not any(words):
            return [[] for _ in words]
        found = self.client.search(
            physical,
            data=[each for each in words if each],
            anns_field="sparse",
            limit=limit,
            filter=self._filter(physical, acl_ids, filters),
            output_fields=FIELDS,
            search_params={"metric_type": "BM25"},
        )
        # Milvus Lite gives negated scores: the order is right, the sign is not.
        ranked = iter([[candidate(hit, positive=True) for hit in hits] for hits in found])
        return [next(ranked) if each else [] for each in words]

    @mapped
    def passages(
        self, physical: str, spans: Sequence[Span], *, acl_ids: Sequence[int]
    ) -> list[Chunk]:
        if not spans:
            return []
        rows = self.client.query(
            physical, filter=within(spans, acl_ids), output_fields=FIELDS, limit=MAX_ROWS
        )
        return [to_chunk(row) for row in rows]

    @mapped
    def delete_versions(self, physical: str, keep: Mapping[str, tuple[str, int] | None]) -> None:
        documents = list(keep.items())
        for start in range(0, len(documents), _DELETE_BATCH):
            clauses = [
                others(document_id, kept)
                for document_id, kept in documents[start : start + _DELETE_BATCH]
            ]
            self.client.delete(physical, filter=" or ".join(clauses))

    @mapped
    def delete_chunks(self, physical: str, chunk_ids: Sequence[str]) -> None:
        for start in range(0, len(chunk_ids), _PAGE):
            # pymilvus would put `ids` into an expression without escaping them.
            ids = ", ".join(quoted(chunk_id) for chunk_id in chunk_ids[start : start + _PAGE])
            self.client.delete(physical, filter=f"chunk_id in [{ids}]")

    @mapped
    def count(self, physical: str) -> int:
        return self._count(physical, "")

    def _count(self, physical: str, which: str, **options: str) -> int:
        rows = self.client.query(physical, filter=which, output_fields=["count(*)"], **options)
        return int(rows[0]["count(*)"])

    @mapped
    def incomplete(self, physical: str, expected: Mapping[str, tuple[str, int]]) -> set[str]:
        held: Counter[str] = Counter()
        for batch in in_groups(expected):
            which = of_versions(batch, expected)
            if len(batch) == 1:  # it may have more chunks than a query returns
                held[batch[0]] = self._count(physical, which, consistency_level="Strong")
                continue
            rows = self.client.query(
                physical,
                filter=which,
                output_fields=["document_id", "version", "chunk_index"],
                limit=MAX_ROWS,
                consistency_level="Strong",
            )
            held.update(row["document_id"] for row in rows if is_expected(row, expected))
        return {name for name, (_, count) in expected.items() if held[name] != count}

    def scan(
        self, physical: str, *, vectors: bool = False, document_ids: Sequence[str] = ()
    ) -> Iterator[list[StoredChunk]]:
        fields = [*FIELDS, "chunk_id", "acl_id", "source_id", *(["vector"] if vectors else [])]
        pages = self._pages(physical, fields, of_documents(document_ids))
        while rows := self._next_page(physical, pages):
            yield [stored(row) for row in rows]
        pages.close()

    @mapped
    def _pages(self, physical: str, fields: list[str], which: str) -> Any:
        if self._has_attributes(physical):
            fields = [*fields, *ATTRIBUTES]
        return self.client.query_iterator(
            physical,
            batch_size=_PAGE,
            filter=which,
            output_fields=fields,
            consistency_level="Strong",
        )

    @mapped
    def _next_page(self, _physical: str, pages: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pages.next()
        return rows

    @mapped
    def drop(self, physical: str) -> None:
        if self.client.has_collection(physical):
            for alias in self.client.list_aliases(physical)["aliases"]:
                self.client.drop_alias(alias)  # a Milvus server refuses to drop what has one
            self.client.drop_collection(physical)


def _alias(physical: str) -> str:
    return physical.split("__", 1)[0]


PLUGIN = MilvusVectorStore
