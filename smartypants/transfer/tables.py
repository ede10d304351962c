"""The Parquet tables of an export, and how their rows become ours and back."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from smartypants.errors import ExportInvalid
from smartypants.ledger.documents import Document
from smartypants.protocols import Vectors
from smartypants.types import Chunk, StoredChunk

_TEXT = pa.string()
_MAP = pa.string()  # JSON of an object of strings

DOCUMENTS = pa.schema(
    [
        ("id", _TEXT), ("source_id", _TEXT), ("uri", _TEXT), ("name", _TEXT), ("title", _TEXT),
        ("media_type", _TEXT), ("metadata", _MAP), ("parsed", _MAP),
        ("principals", pa.list_(_TEXT)), ("size", pa.int64()), ("etag", _TEXT),
        ("version", _TEXT), ("chunk_count", pa.int64()),
        ("created_at", pa.float64()), ("updated_at", pa.float64()), ("indexed_at", pa.float64()),
    ]
)  # fmt: skip
VERSIONS = pa.schema(
    [
        ("document_id", _TEXT), ("indexed_at", pa.float64()), ("version", _TEXT),
        ("etag", _TEXT), ("size", pa.int64()), ("chunk_count", pa.int64()),
        ("replaced_at", pa.float64()),
    ]
)  # fmt: skip
RELATIONS = pa.schema(
    [("document_id", _TEXT), ("kind", _TEXT), ("other_id", _TEXT), ("created_at", pa.float64())]
)
TEXTS = pa.schema([("document_id", _TEXT), ("version", _TEXT), ("text", _TEXT), ("found", _TEXT)])
RAW = pa.schema([("document_id", _TEXT), ("version", _TEXT), ("data", pa.large_binary())])


def chunks_schema(dimension: int) -> pa.Schema:
    return pa.schema(
        [
            ("document_id", _TEXT), ("version", _TEXT), ("chunk_index", pa.int32()),
            ("text", _TEXT), ("start", pa.int64()), ("end", pa.int64()),
            ("headings", pa.list_(_TEXT)), ("page", _TEXT), ("context", _TEXT),
            ("above", pa.list_(pa.struct([("level", pa.int32()), ("name", _TEXT)]))),
            ("vector", pa.list_(pa.float32(), dimension)),
        ]
    )  # fmt: skip


def chunk_row(stored: StoredChunk) -> dict[str, Any]:
    chunk = stored.chunk
    return {
        "document_id": chunk.document_id,
        "version": chunk.version,
        "chunk_index": chunk.index,
        "text": chunk.text,
        "start": chunk.start,
        "end": chunk.end,
        "headings": list(chunk.headings),
        "page": chunk.page,
        "context": chunk.context,
        "above": [{"level": level, "name": name} for level, name in chunk.above],
        "vector": stored.vector,
    }


def chunk_of(row: Mapping[str, Any]) -> Chunk:
    return Chunk(
        document_id=row["document_id"],
        version=row["version"],
        index=row["chunk_index"],
        text=row["text"],
        start=row["start"],
        end=row["end"],
        headings=tuple(row["headings"]),
        page=row["page"],
        context=row["context"],
        above=tuple((item["level"], item["name"]) for item in row["above"]),
    )


def document_row(row: Document, *, etag: str, principals: Sequence[str]) -> dict[str, Any]:
    """`etag` is that of the searchable version, which the source may have replaced since."""
    return {
        "id": row.id,
        "source_id": row.source_id,
        "uri": row.uri,
        "name": row.name,
        "title": row.title,
        "media_type": row.media_type,
        "metadata": json.dumps(dict(row.metadata)),
        "parsed": json.dumps(dict(row.parsed)),
        "principals": list(principals),
        "size": row.size,
        "etag": etag,
        "version": row.indexed_version,
        "chunk_count": row.chunk_count,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "indexed_at": row.indexed_at or row.updated_at,
    }


def write(schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """One Parquet file."""
    columns = [[row[name] for row in rows] for name in schema.names]
    arrays = [
        _vectors(column, field.type) if field.name == "vector" else pa.array(column, field.type)
        for column, field in zip(columns, schema, strict=True)
    ]
    out = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), out, compression="zstd")
    return out.getvalue()


def _vectors(column: Sequence[Any], kind: pa.DataType) -> pa.Array:
    flat = np.concatenate(column) if column else np.empty(0, dtype=np.float32)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat, pa.float32()), type=kind)


MAX_EXPANDED_BYTES = 8 * 2**30
"""A file of an export has some 100 MB; Parquet packs what repeats itself a thousandfold."""


def read(name: str, data: bytes, schema: pa.Schema) -> pa.Table:
    """Raises `ExportInvalid` if it is no such table."""
    try:
        file = pq.ParquetFile(io.BytesIO(data))
        groups = range(file.metadata.num_row_groups)
        expanded = sum(file.metadata.row_group(n).total_byte_size for n in groups)
        if expanded > MAX_EXPANDED_BYTES:
            raise ExportInvalid(f"{name} unpacks to {expanded} bytes.", "Is it one of ours?")
        table = file.read()
    except (pa.ArrowException, OSError) as exc:
        raise ExportInvalid(f"{name} can't be read: {exc}", "Export again.") from exc
    if not table.schema.equals(schema):
        raise ExportInvalid(f"{name} has other columns than it should.", "Export again.")
    return table


def vectors_of(table: pa.Table, dimension: int) -> Vectors:
    """Shape (rows, dimension)."""
    flat = table.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, dtype=np.float32).reshape(table.num_rows, dimension)
