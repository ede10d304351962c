"""Chunks in Milvus: the embedded Milvus Lite server and a Milvus cluster by the same calls."""

from __future__ import annotations

import functools
import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import numpy as np

from smartypants.errors import SetupError, VectorStoreUnavailable
from smartypants.protocols import Vectors
from smartypants.terms import terms
from smartypants.types import Candidate, Chunk, Filters, StoredChunk

P = ParamSpec("P")
R = TypeVar("R")

_FIELDS = [
    "document_id", "version", "chunk_index", "text", "metadata",
]  # fmt: skip
_DELETE_BATCH = 50
_COUNT_BATCH = 200
_PAGE = 1_000
_MAX_ROWS = 16_384
_MAX_TEXT = 65_535
_TIMEOUT_S = 30.0
_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_SURROGATE = re.compile("[\ud800-\udfff]")
_NOT_LOADED = ("not loaded", "released", "NotLoad", "before search")
_LOAD_TIMEOUT_S = 60.0
_CONNECT_TIMEOUT_S = 8.0


def _mapped(
    call: Callable[Concatenate[MilvusVectorStore, str, P], R],
) -> Callable[Concatenate[MilvusVectorStore, str, P], R]:
    """Maps Milvus' errors to ours, and loads a collection that a restart left unloaded."""

    @functools.wraps(call)
    def mapped(self: MilvusVectorStore, physical: str, *args: P.args, **kwargs: P.kwargs) -> R:
        import grpc
        from pymilvus.exceptions import MilvusException

        deadline = time.monotonic() + _LOAD_TIMEOUT_S
        while True:
            try:
                return call(self, physical, *args, **kwargs)
            except (MilvusException, grpc.RpcError) as exc:
                unloaded = any(mark in str(exc) for mark in _NOT_LOADED)
                left = deadline - time.monotonic()
                connecting = "Fail connecting" in str(exc) and call.__name__ != "_names"
                if connecting and left > _LOAD_TIMEOUT_S - _CONNECT_TIMEOUT_S:
                    # A busy server takes its time to accept; whatever we ask for is idempotent.
                    self._client = None
                    time.sleep(0.5)
                    continue
                if unloaded and call.__name__ != "load" and left > 0:
                    self.load(physical)
                    time.sleep(0.1)  # somebody else may be loading it just now
                    continue
                raise VectorStoreUnavailable(
                    f"Milvus at {self.uri} refused {call.__name__} on {physical}: {exc}",
                    "Is it running? See `smartypants doctor`.",
                ) from exc

    return cast("Callable[Concatenate[MilvusVectorStore, str, P], R]", mapped)


class MilvusVectorStore:
    """HNSW over unit vectors and BM25 over stemmed terms, in one collection.

    >>> store = MilvusVectorStore(uri="http://127.0.0.1:19530")
    >>> store.create("docs__minilm__v1", dimension=384)
    """

    def __init__(self, *, uri: str, token: str = "", embedded: bool = False) -> None:
        """Raises `SetupError` for a URI that is no server's."""
        if not uri.startswith(("http://", "https://", "tcp://", "unix:")):
            # pymilvus would open a Milvus Lite file of its own in each of our processes.
            raise SetupError(
                f"{uri} is not a Milvus server.",
                "Set vectors.uri to http://HOST:PORT, or leave it out for an embedded server.",
            )
        self.uri = uri
        self._token = token
        self._embedded = embedded
        self._client: Any = None
        self._lock = threading.Lock()

    @property
    def client(self) -> Any:
        """The connection, opened at the first use."""
        with self._lock:
            if self._client is None:
                from pymilvus import MilvusClient

                # It logs every failed call with a traceback; we answer from the exception.
                for name in [*logging.root.manager.loggerDict]:
                    if name.startswith("pymilvus"):
                        logging.getLogger(name).setLevel(logging.CRITICAL)
                self._client = MilvusClient(uri=self.uri, token=self._token, timeout=_TIMEOUT_S)
            return self._client

    def wait(self, timeout_s: float) -> None:
        """Return when the server answers. Raises `VectorStoreUnavailable` if it doesn't."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return self.ping()
            except VectorStoreUnavailable:
                if time.monotonic() > deadline:
                    raise
                self._client = None  # a client that failed to connect backs off for long
                time.sleep(0.25)

    def ping(self) -> None:
        self._names("")

    def load_all(self) -> None:
        """Bring every collection into memory: after a restart none is."""
        for name in self._names(""):
            self.load(name)

    @_mapped
    def _names(self, _physical: str) -> list[str]:
        names: list[str] = self.client.list_collections()
        return names

    @_mapped
    def load(self, physical: str) -> None:
        """Bring a collection into the server's memory; idempotent."""
        self.client.load_collection(physical)

    @_mapped
    def create(self, physical: str, *, dimension: int) -> None:
        from pymilvus import DataType, Function, FunctionType

        client = self.client
        if client.has_collection(physical):
            return
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("chunk_id", DataType.VARCHAR, is_primary=True, max_length=64)
        for name in ("document_id", "version", "source_id"):
            schema.add_field(name, DataType.VARCHAR, max_length=64)
        for name in ("chunk_index", "acl_id", "updated_at"):
            schema.add_field(name, DataType.INT64)
        schema.add_field("text", DataType.VARCHAR, max_length=_MAX_TEXT)
        schema.add_field(
            "terms",
            DataType.VARCHAR,
            max_length=_MAX_TEXT,
            enable_analyzer=True,
            analyzer_params={"tokenizer": "standard"},
        )
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
        schema.add_field("sparse", DataType.SPARSE_FLOAT_VECTOR)
        schema.add_field("metadata", DataType.JSON)
        schema.add_function(
            Function(
                name="bm25",
                function_type=FunctionType.BM25,
                input_field_names=["terms"],
                output_field_names=["sparse"],
            )
        )
        index = client.prepare_index_params()
        index.add_index(
            "vector", index_type="HNSW", metric_type="COSINE",
            params=self._nested({"M": 16, "efConstruction": 200}),
        )  # fmt: skip
        index.add_index(
            "sparse", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25",
            params=self._nested({"bm25_k1": 1.2, "bm25_b": 0.75}),
        )  # fmt: skip
        for name in ("acl_id", "document_id"):
            index.add_index(name, index_type="INVERTED")
        client.create_collection(physical, schema=schema, index_params=index)
        if not client.has_collection(_alias(physical)):
            self.expose(physical)

    @_mapped
    def expose(self, physical: str) -> None:
        alias = _alias(physical)
        if alias == physical:
            return
        if self.client.has_collection(alias):
            self.client.alter_alias(physical, alias)
        else:
            self.client.create_alias(physical, alias)

    def _nested(self, params: dict[str, float]) -> dict[str, Any]:
        # pymilvus flattens `params`; Milvus Lite reads only what is nested below that name.
        return {"params": params} if self._embedded else dict(params)

    @_mapped
    def upsert(
        self,
        physical: str,
        chunks: Sequence[Chunk],
        vectors: Vectors,
        *,
        acl_ids: Sequence[int],
        source_ids: Sequence[str],
    ) -> None:
        now = int(time.time())
        rows = [
            _row(chunk, acl_id, source_id, now) | {"vector": vector}
            for chunk, vector, acl_id, source_id in zip(
                chunks, vectors, acl_ids, source_ids, strict=True
            )
        ]
        if rows:
            self.client.upsert(physical, rows)

    @_mapped
    def flush(self, physical: str) -> None:
        self.client.flush(physical)

    @_mapped
    def dense(
        self,
        physical: str,
        vector: Vectors,
        *,
        limit: int,
        acl_ids: Sequence[int],
        filters: Filters,
    ) -> list[Candidate]:
        found = self.client.search(
            physical,
            data=[vector],
            anns_field="vector",
            limit=limit,
            filter=_expression(acl_ids, filters),
            output_fields=_FIELDS,
            search_params={"metric_type": "COSINE", "params": {"ef": max(2 * limit, 128)}},
        )
        return [_candidate(hit) for hit in found[0]]

    @_mapped
    def lexical(
        self, physical: str, text: str, *, limit: int, acl_ids: Sequence[int], filters: Filters
    ) -> list[Candidate]:
        words = terms(text)
        if not words:
            return []
        found = self.client.search(
            physical,
            data=[words],
            anns_field="sparse",
            limit=limit,
            filter=_expression(acl_ids, filters),
            output_fields=_FIELDS,
            search_params={"metric_type": "BM25"},
        )
        # Milvus Lite gives negated scores: the order is right, the sign is not.
        return [_candidate(hit, positive=True) for hit in found[0]]

    @_mapped
    def delete_versions(self, physical: str, keep: Mapping[str, tuple[str, int] | None]) -> None:
        documents = list(keep.items())
        for start in range(0, len(documents), _DELETE_BATCH):
            clauses = [
                _others(document_id, kept)
                for document_id, kept in documents[start : start + _DELETE_BATCH]
            ]
            self.client.delete(physical, filter=" or ".join(clauses))

    @_mapped
    def delete_chunks(self, physical: str, chunk_ids: Sequence[str]) -> None:
        for start in range(0, len(chunk_ids), _PAGE):
            # pymilvus would put `ids` into an expression without escaping them.
            ids = ", ".join(_quoted(chunk_id) for chunk_id in chunk_ids[start : start + _PAGE])
            self.client.delete(physical, filter=f"chunk_id in [{ids}]")

    @_mapped
    def count(self, physical: str) -> int:
        rows = self.client.query(physical, filter="", output_fields=["count(*)"])
        return int(rows[0]["count(*)"])

    @_mapped
    def incomplete(self, physical: str, expected: Mapping[str, tuple[str, int]]) -> set[str]:
        held: Counter[str] = Counter()
        for batch in _batched(expected):
            documents = ", ".join(_quoted(document_id) for document_id in batch)
            versions = ", ".join({_quoted(expected[document_id][0]) for document_id in batch})
            found = {"filter": f"document_id in [{documents}] and version in [{versions}]"}
            if len(batch) == 1:  # it may have more chunks than a query returns
                found["filter"] += f" and chunk_index < {expected[batch[0]][1]}"
                rows = self.client.query(
                    physical, output_fields=["count(*)"], consistency_level="Strong", **found
                )
                held[batch[0]] = int(rows[0]["count(*)"])
                continue
            rows = self.client.query(
                physical,
                output_fields=["document_id", "version", "chunk_index"],
                limit=_MAX_ROWS,
                consistency_level="Strong",
                **found,
            )
            held.update(
                row["document_id"]
                for row in rows
                if row["version"] == expected[row["document_id"]][0]
                and row["chunk_index"] < expected[row["document_id"]][1]
            )
        return {name for name, (_, count) in expected.items() if held[name] != count}

    def scan(self, physical: str, *, vectors: bool = False) -> Iterator[list[StoredChunk]]:
        fields = [*_FIELDS, "chunk_id", "acl_id", "source_id", *(["vector"] if vectors else [])]
        pages = self._pages(physical, fields)
        while rows := self._next_page(physical, pages):
            yield [_stored(row) for row in rows]
        pages.close()

    @_mapped
    def _pages(self, physical: str, fields: list[str]) -> Any:
        return self.client.query_iterator(
            physical, batch_size=_PAGE, output_fields=fields, consistency_level="Strong"
        )

    @_mapped
    def _next_page(self, _physical: str, pages: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pages.next()
        return rows

    @_mapped
    def drop(self, physical: str) -> None:
        if self.client.has_collection(physical):
            for alias in self.client.list_aliases(physical)["aliases"]:
                self.client.drop_alias(alias)  # a Milvus server refuses to drop what has one
            self.client.drop_collection(physical)


def _alias(physical: str) -> str:
    return physical.split("__", 1)[0]


def _row(chunk: Chunk, acl_id: int, source_id: str, now: int) -> dict[str, Any]:
    searched = chunk.searched_text
    return {
        "chunk_id": chunk.chunk_id,
        "document_id": chunk.document_id,
        "version": chunk.version,
        "source_id": source_id,
        "chunk_index": chunk.index,
        "acl_id": acl_id,
        "updated_at": now,
        "text": chunk.text[:_MAX_TEXT],
        "terms": terms(searched)[:_MAX_TEXT],
        "metadata": {
            "start": chunk.start,
            "end": chunk.end,
            "headings": list(chunk.headings),
            "page": chunk.page,
            "context": chunk.context,
            "above": [list(heading) for heading in chunk.above],
        },
    }


def _candidate(hit: Any, *, positive: bool = False) -> Candidate:
    score = float(hit["distance"])
    return Candidate(_chunk(hit["entity"]), abs(score) if positive else score)


def _stored(row: dict[str, Any]) -> StoredChunk:
    vector = row.get("vector")
    return StoredChunk(
        _chunk(row),
        chunk_id=row["chunk_id"],
        acl_id=int(row["acl_id"]),
        source_id=row["source_id"],
        vector=None if vector is None else np.asarray(vector, dtype=np.float32),
    )


def _chunk(entity: Any) -> Chunk:
    place = entity["metadata"]
    return Chunk(
        document_id=entity["document_id"],
        version=entity["version"],
        index=int(entity["chunk_index"]),
        text=entity["text"],
        start=place["start"],
        end=place["end"],
        headings=tuple(place["headings"]),
        page=place["page"],
        context=place["context"],
        above=tuple((int(level), str(name)) for level, name in place["above"]),
    )


def _batched(expected: Mapping[str, tuple[str, int]]) -> Iterator[list[str]]:
    """Documents in groups that together have fewer chunks than a query returns."""
    batch: list[str] = []
    chunks = 0
    for document_id, (_, count) in expected.items():
        if batch and (chunks + count > _MAX_ROWS // 2 or len(batch) == _COUNT_BATCH):
            yield batch
            batch, chunks = [], 0
        batch.append(document_id)
        chunks += count
    if batch:
        yield batch


def _others(document_id: str, kept: tuple[str, int] | None) -> str:
    mine = f"document_id == {_quoted(document_id)}"
    if kept is None:
        return mine
    version, count = kept
    return f"({mine} and (version != {_quoted(version)} or chunk_index >= {int(count)}))"


def _expression(acl_ids: Sequence[int], filters: Filters) -> str:
    """The filter that every read carries: what the caller may see, and what it asked for."""
    parts = [f"acl_id in {[int(acl_id) for acl_id in acl_ids]}"]
    for name, values in (("document_id", filters.document_ids), ("source_id", filters.source_ids)):
        if values:
            parts.append(f"{name} in [{', '.join(_quoted(value) for value in values)}]")
    return " and ".join(parts)


def _quoted(value: str) -> str:
    """A string literal that ends where it should: Milvus Lite has no bound parameters.

    It knows these escapes and no others. No stored string holds half a surrogate pair.
    """
    return f'"{_SURROGATE.sub(chr(0xFFFD), value).translate(_ESCAPES)}"'


PLUGIN = MilvusVectorStore
