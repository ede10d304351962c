"""Exports a collection: everything that searches show, with its vectors, as Parquet files."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from sqlalchemy import Engine

from smartypants import texts
from smartypants.errors import Conflict, NotFound
from smartypants.ledger import acls, collections, documents, listing, relations, versions
from smartypants.ledger.documents import Document
from smartypants.protocols import BlobStore, VectorStore
from smartypants.transfer import belongings, manifest, tables
from smartypants.transfer.manifest import File, Kind, Manifest, SourceRow

FILE_BYTES = 64 * 2**20
"""About how much of a table is held in memory before it becomes a file."""
FILE_ROWS = 200_000
BATCH = 500


@dataclass(frozen=True, slots=True)
class _Shown:
    """What searches show of a document."""

    version: str
    chunk_count: int


def export_collection(
    engine: Engine,
    vectors: VectorStore,
    blobs: BlobStore,
    collection: str,
    folder: BlobStore,
    *,
    raw: bool = False,
    progress: Callable[[str, int], None] = lambda kind, rows: None,
) -> Manifest:
    """Write a collection into an empty folder; `raw` adds the bytes of the documents.

    Raises `CollectionNotFound`, and `Conflict` if the folder holds an export already, or if the
    collection changed so much meanwhile that a document is not whole.
    """
    found = collections.get(engine, collection)
    _check_empty(folder)
    writer = _Writer(folder, progress)
    shown: dict[str, _Shown] = {}
    source_ids: set[str] = set()
    for page in _pages(engine, collection):
        ids = [row.id for row in page]
        histories = versions.histories(engine, ids)
        principals = acls.principals(engine, {row.acl_id for row in page})
        for row in page:
            shown[row.id] = _Shown(row.indexed_version or "", row.chunk_count)
            source_ids.add(row.source_id)
            history = histories.get(row.id, [])
            current = (item.etag for item in history if item.replaced_at is None)
            etag = next(current, row.etag)
            described = tables.document_row(row, etag=etag, principals=principals[row.acl_id])
            writer.add("documents", tables.DOCUMENTS, described, len(row.title) + 1_000)
            for item in history:
                writer.add("versions", tables.VERSIONS, _fields(item), 200)
            _add_texts(writer, blobs, row, raw=raw)
        for edge in relations.of(engine, ids):
            writer.add("relations", tables.RELATIONS, _fields(edge), 150)
    chunks = _add_chunks(writer, vectors, found, shown)
    sources = listing.sources_by_id(engine, sorted(source_ids))
    own = belongings.of(engine, collection)
    whole = Manifest(
        format="smartypants-collection",
        version=1,
        collection=collection,
        embedding_model=found.embedding_model,
        dimension=found.dimension,
        created_at=time.time(),
        documents=len(shown),
        chunks=chunks,
        sources=[SourceRow(id=item.id, kind=item.kind, uri=item.uri) for item in sources],
        recipe=own.recipe,
        prompts=own.prompts,
        safety=own.safety,
        files=writer.close(),
    )
    # Former versions know no prompts, say, and read what has none.
    folder.put(manifest.NAME, whole.model_dump_json(indent=1, exclude_none=True).encode())
    return whole


def _check_empty(folder: BlobStore) -> None:
    try:
        folder.get(manifest.NAME)
    except NotFound:
        return
    raise Conflict("The folder holds an export already.", "Choose another one.")


def _pages(engine: Engine, collection: str) -> Iterator[list[Document]]:
    after = ""
    while page := documents.of_collection(engine, collection, after=after, limit=BATCH):
        yield [row for row in page if row.searchable]
        after = page[-1].id


def _fields(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__slots__}


def _add_texts(writer: _Writer, blobs: BlobStore, row: Document, *, raw: bool) -> None:
    version = row.indexed_version or ""
    mine = {"document_id": row.id, "version": version}
    try:
        text = texts.load_text(blobs, row.id, version)
    except NotFound:
        text = None  # replaced meanwhile, or lost: searches do without it
    if text is not None:
        found = texts.load_found(blobs, row.id, version)
        writer.add("texts", tables.TEXTS, mine | {"text": text, "found": found}, 2 * len(text))
    if not raw:
        return
    try:
        data = blobs.get(texts.raw_key(row.id, version))
    except NotFound:
        return
    writer.add("raw", tables.RAW, mine | {"data": data}, len(data))


def _add_chunks(
    writer: _Writer,
    vectors: VectorStore,
    collection: collections.Collection,
    shown: Mapping[str, _Shown],
) -> int:
    schema = tables.chunks_schema(collection.dimension)
    held: Counter[str] = Counter()
    for batch in vectors.scan(collection.physical, vectors=True):
        for stored in batch:
            chunk = stored.chunk
            mine = shown.get(chunk.document_id)
            if mine is None or mine.version != chunk.version or chunk.index >= mine.chunk_count:
                continue
            held[chunk.document_id] += 1
            size = 4 * collection.dimension + 2 * len(chunk.text) + 300
            writer.add("chunks", schema, tables.chunk_row(stored), size)
    changed = sum(held[name] != mine.chunk_count for name, mine in shown.items())
    if changed:
        raise Conflict(
            f"{changed} documents of {collection.name!r} changed while it was exported.",
            "Export again into an empty folder, while no job works on it; if it stays so, see "
            "`smartypants doctor --verify`.",
        )
    return held.total()


class _Writer:
    """Collects rows of each table, and writes a file whenever there are enough of them."""

    def __init__(self, folder: BlobStore, progress: Callable[[str, int], None]) -> None:
        self._folder = folder
        self._progress = progress
        self._rows: dict[Kind, list[Mapping[str, Any]]] = {}
        self._schemas: dict[Kind, pa.Schema] = {}
        self._sizes: Counter[Kind] = Counter()
        self._numbers: Counter[Kind] = Counter()
        self._files: list[File] = []

    def add(self, kind: Kind, schema: pa.Schema, row: Mapping[str, Any], size: int) -> None:
        rows = self._rows.setdefault(kind, [])
        self._schemas[kind] = schema
        rows.append(row)
        self._sizes[kind] += size
        if self._sizes[kind] >= FILE_BYTES or len(rows) >= FILE_ROWS:
            self._flush(kind)

    def close(self) -> list[File]:
        """Every file, in the order written."""
        for kind in list(self._rows):
            self._flush(kind)
        return self._files

    def _flush(self, kind: Kind) -> None:
        rows: Sequence[Mapping[str, Any]] = self._rows.pop(kind, [])
        if not rows:
            return
        data = tables.write(self._schemas[kind], rows)
        name = f"{kind}-{self._numbers[kind]:05}.parquet"
        self._folder.put(name, data)
        self._files.append(
            File(
                name=name,
                kind=kind,
                rows=len(rows),
                size=len(data),
                blake2b=manifest.digest(data),
            )
        )
        self._numbers[kind] += 1
        self._sizes[kind] = 0
        self._progress(kind, len(rows))
