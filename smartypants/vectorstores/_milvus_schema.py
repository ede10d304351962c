"""The fields and indexes of a collection in Milvus."""

from __future__ import annotations

from typing import Any

from smartypants.attributes import MAX_AUTHOR_CHARS
from smartypants.vectorstores._milvus_rows import MAX_TEXT


def schema(client: Any, dimension: int) -> Any:
    """Chunks with a vector, and BM25 over the stemmed terms that we write."""
    from pymilvus import DataType, Function, FunctionType

    found = client.create_schema(auto_id=False, enable_dynamic_field=False)
    found.add_field("chunk_id", DataType.VARCHAR, is_primary=True, max_length=64)
    for name in ("document_id", "version", "source_id"):
        found.add_field(name, DataType.VARCHAR, max_length=64)
    for name in ("chunk_index", "acl_id", "updated_at", "dated_at"):
        found.add_field(name, DataType.INT64)
    # Milvus counts bytes.
    found.add_field("media_type", DataType.VARCHAR, max_length=800)
    found.add_field("author", DataType.VARCHAR, max_length=4 * MAX_AUTHOR_CHARS)
    found.add_field("text", DataType.VARCHAR, max_length=MAX_TEXT)
    found.add_field(
        "terms",
        DataType.VARCHAR,
        max_length=MAX_TEXT,
        enable_analyzer=True,
        analyzer_params={"tokenizer": "standard"},
    )
    found.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
    found.add_field("sparse", DataType.SPARSE_FLOAT_VECTOR)
    found.add_field("metadata", DataType.JSON)
    found.add_function(
        Function(
            name="bm25",
            function_type=FunctionType.BM25,
            input_field_names=["terms"],
            output_field_names=["sparse"],
        )
    )
    return found


def indexes(client: Any, *, embedded: bool) -> Any:
    """HNSW by cosine, BM25, and inverted lists of what filters name."""

    def nested(params: dict[str, float]) -> dict[str, Any]:
        # pymilvus flattens `params`; Milvus Lite reads only what is nested below that name.
        return {"params": params} if embedded else dict(params)

    found = client.prepare_index_params()
    found.add_index(
        "vector", index_type="HNSW", metric_type="COSINE",
        params=nested({"M": 16, "efConstruction": 200}),
    )  # fmt: skip
    found.add_index(
        "sparse", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25",
        params=nested({"bm25_k1": 1.2, "bm25_b": 0.75}),
    )  # fmt: skip
    for name in ("acl_id", "document_id", "media_type", "dated_at"):
        found.add_index(name, index_type="INVERTED")
    return found
