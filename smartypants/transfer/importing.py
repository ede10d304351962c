"""Imports an exported collection: nothing is fetched, parsed or embedded.

Chunks go to the vector store first, and are checked there; then the ledger's rows make them
searchable. A crash in between shows nothing, and running it again does what is left.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
from sqlalchemy import Engine

from smartypants import texts
from smartypants.attributes import attributes
from smartypants.errors import (
    Conflict,
    EmbeddingModelMismatch,
    ExportInvalid,
    VectorStoreUnavailable,
)
from smartypants.ledger import collections, documents, importing, listing
from smartypants.ledger.collections import Collection
from smartypants.ledger.importing import ImportedDocument
from smartypants.protocols import BlobStore, VectorStore
from smartypants.transfer import belongings, manifest, tables
from smartypants.transfer.manifest import Kind, Manifest
from smartypants.types import DocumentState, stable_id

BATCH = 500

_ID = re.compile(r"[0-9a-f]{32}")
_VERSION = re.compile(r"[0-9A-Za-z_-]{1,64}")  # it becomes part of a path
Report = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did; `written` counts the chunks that were not there yet."""

    collection: str
    documents: int
    chunks: int
    written: int


def import_collection(
    engine: Engine,
    vectors: VectorStore,
    blobs: BlobStore,
    folder: BlobStore,
    *,
    embedding_model: str,
    collection: str | None = None,
    progress: Report = lambda kind, rows: None,
) -> Imported:
    """Make a collection of an export, by default with the name that it had.

    With another name its documents get other ids: it is a collection of its own.

    Raises `ExportInvalid`, `EmbeddingModelMismatch`, `Conflict` if the collection holds anything
    else, `Unavailable` if a store fails.
    """
    whole = manifest.load(folder)
    if whole.embedding_model != embedding_model:
        raise EmbeddingModelMismatch(
            f"The export was embedded with {whole.embedding_model}, not with {embedding_model}.",
            "Set embedder.model to the former; `smartypants reindex` then embeds it anew.",
        )
    whole.belongings.check()
    for file in whole.files:
        manifest.sealed(folder, file)  # all of them before anything is written
        progress("checked", file.rows)
    return _Import(engine, vectors, blobs, folder, whole, collection, progress).run()


class _Import:
    def __init__(
        self,
        engine: Engine,
        vectors: VectorStore,
        blobs: BlobStore,
        folder: BlobStore,
        whole: Manifest,
        collection: str | None,
        progress: Report,
    ) -> None:
        self._engine = engine
        self._vectors = vectors
        self._blobs = blobs
        self._folder = folder
        self._manifest = whole
        self._name = collection or whole.collection
        self._progress = progress
        self._sources = {item.id: self._source_id(item.id, item.uri) for item in whole.sources}
        self._ids: dict[str, str] = {}
        self._documents: dict[str, ImportedDocument] = {}

    def run(self) -> Imported:
        self._read_documents()
        self._check_target()
        target = collections.ensure(
            self._engine,
            self._name,
            embedding_model=self._manifest.embedding_model,
            dimension=self._manifest.dimension,
        )
        self._vectors.create(target.physical, dimension=target.dimension)
        for item in self._manifest.sources:
            listing.register_source(
                self._engine,
                source_id=self._sources[item.id],
                collection=self._name,
                kind=item.kind,
                uri=item.uri,
            )
        acl_ids = importing.acl_ids(
            self._engine, {item.principals for item in self._documents.values()}
        )
        written = self._write_chunks(target, acl_ids)
        self._write_blobs()
        self._commit()
        belongings.give(self._engine, self._name, self._manifest.belongings)
        return Imported(self._name, len(self._documents), self._manifest.chunks, written)

    def _source_id(self, source_id: str, uri: str) -> str:
        if self._name == self._manifest.collection:
            return source_id
        return stable_id(self._name, uri)

    def _rows(self, kind: Kind, schema: pa.Schema) -> Iterator[dict[str, Any]]:
        for table in self._tables(kind, schema):
            yield from table.to_pylist()

    def _tables(self, kind: Kind, schema: pa.Schema) -> Iterator[pa.Table]:
        for file in self._manifest.of(kind):
            table = tables.read(file.name, manifest.sealed(self._folder, file), schema)
            if table.num_rows != file.rows:
                raise ExportInvalid(f"{file.name} has not {file.rows} rows.", "Export again.")
            yield table

    def _read_documents(self) -> None:
        same = self._name == self._manifest.collection
        chunks = 0
        for row in self._rows("documents", tables.DOCUMENTS):
            try:
                source_id = self._sources[row["source_id"]]
                item = ImportedDocument(
                    id=row["id"] if same else stable_id(source_id, row["uri"]),
                    source_id=source_id,
                    uri=row["uri"],
                    name=row["name"],
                    title=row["title"],
                    media_type=row["media_type"],
                    metadata=json.loads(row["metadata"]),
                    parsed=json.loads(row["parsed"]),
                    principals=tuple(row["principals"]),
                    size=row["size"],
                    etag=row["etag"],
                    version=row["version"],
                    chunk_count=row["chunk_count"],
                    created_at=row["created_at"],
                    updated_at=row["updated_at"],
                    indexed_at=row["indexed_at"],
                )
                if not (_ID.fullmatch(item.id) and _VERSION.fullmatch(item.version)):
                    raise ValueError("its id or version is none")
            except (KeyError, ValueError, TypeError) as exc:
                raise ExportInvalid(f"Document {row.get('id')} is damaged: {exc}") from exc
            self._ids[row["id"]] = item.id
            self._documents[item.id] = item
            chunks += item.chunk_count
        if (len(self._documents), chunks) != (self._manifest.documents, self._manifest.chunks):
            raise ExportInvalid("The documents are not as many as the manifest says.")

    def _check_target(self) -> None:
        """What is there must be of this import. Raises `Conflict`."""
        if all(item.name != self._name for item in collections.every(self._engine)):
            return
        after = ""
        while page := documents.of_collection(self._engine, self._name, after=after, limit=BATCH):
            for row in page:
                mine = self._documents.get(row.id)
                if row.state == DocumentState.DELETED and mine is None:
                    continue
                if mine is None or row.indexed_version != mine.version:
                    raise Conflict(
                        f"Collection {self._name!r} holds other documents, as {row.name!r}.",
                        "Import with --collection under another name.",
                    )
            after = page[-1].id

    def _write_chunks(self, target: Collection, acl_ids: Mapping[tuple[str, ...], int]) -> int:
        """Only those of documents that are not whole; how many."""
        expected = {item.id: (item.version, item.chunk_count) for item in self._documents.values()}
        missing = self._vectors.incomplete(target.physical, expected)
        written = 0
        schema = tables.chunks_schema(self._manifest.dimension)
        for table in self._tables("chunks", schema):
            for start in range(0, table.num_rows, BATCH):
                written += self._write(target, table.slice(start, BATCH), missing, acl_ids)
            self._progress("chunks", table.num_rows)
        self._vectors.flush(target.physical)
        lost = self._vectors.incomplete(target.physical, expected)
        if lost:
            raise VectorStoreUnavailable(
                f"{len(lost)} documents are not whole in the vector store.",
                "Import again: it goes on with them.",
            )
        return written

    def _write(
        self,
        target: Collection,
        table: pa.Table,
        missing: set[str],
        acl_ids: Mapping[tuple[str, ...], int],
    ) -> int:
        vectors = tables.vectors_of(table, self._manifest.dimension)
        chunks, wanted = [], []
        for number, row in enumerate(table.drop_columns(["vector"]).to_pylist()):
            chunk = tables.chunk_of(row)
            mine = self._owner(row).id
            if mine in missing:
                chunks.append(replace(chunk, document_id=mine))
                wanted.append(number)
        if not chunks:
            return 0
        owners = [self._documents[chunk.document_id] for chunk in chunks]
        self._vectors.upsert(
            target.physical,
            chunks,
            vectors[wanted],
            acl_ids=[acl_ids[owner.principals] for owner in owners],
            source_ids=[owner.source_id for owner in owners],
            attributes=[
                attributes(
                    media_type=owner.media_type,
                    name=owner.name,
                    metadata=owner.metadata,
                    parsed=owner.parsed,
                )
                for owner in owners
            ],
        )
        return len(chunks)

    def _write_blobs(self) -> None:
        for row in self._rows("texts", tables.TEXTS):
            mine = self._owner(row)
            texts.keep_again(self._blobs, mine.id, mine.version, row["text"], row["found"])
        for row in self._rows("raw", tables.RAW):
            mine = self._owner(row)
            self._blobs.put(texts.raw_key(mine.id, mine.version), row["data"])

    def _owner(self, row: Mapping[str, Any]) -> ImportedDocument:
        """Raises `ExportInvalid` for a row of no document of the export."""
        mine = self._ids.get(row["document_id"])
        if mine is None:
            raise ExportInvalid(f"A row is of an unknown document {row['document_id']!r}.")
        return self._documents[mine]

    def _commit(self) -> None:
        every = list(self._documents.values())
        for start in range(0, len(every), BATCH):
            importing.commit(self._engine, self._name, every[start : start + BATCH])
            self._progress("documents", len(every[start : start + BATCH]))
        importing.add_versions(
            self._engine,
            [
                row | {"document_id": self._owner(row).id}
                for row in self._rows("versions", tables.VERSIONS)
            ],
        )
        importing.add_relations(
            self._engine,
            [
                row
                | {
                    "document_id": self._ids.get(row["document_id"], row["document_id"]),
                    "other_id": self._ids.get(row["other_id"], row["other_id"]),
                }
                for row in self._rows("relations", tables.RELATIONS)
            ],
        )
