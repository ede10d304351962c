"""Builds each part from the settings: the one place that knows which slice a part needs.

Call these where the part is to live (a worker, a replica): what they return holds models and
connections, and is not meant to be pickled.
"""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import Engine

from smartypants import models, registry
from smartypants.accelerator import has_gpu
from smartypants.connectors.filesystem import FilesystemConnector
from smartypants.connectors.uploads import UploadsConnector
from smartypants.errors import ModelNotFound, SetupError
from smartypants.ledger.database import connect
from smartypants.parsing import IsolatedParser
from smartypants.protocols import (
    LLM,
    BlobStore,
    Chunker,
    Connector,
    Embedder,
    Reranker,
    TokenEmbedder,
    Tokenizer,
    VectorStore,
)
from smartypants.settings import Settings

SPECIAL_TOKENS = 2


def open_ledger(settings: Settings) -> Engine:
    return connect(settings.ledger_url)


def open_blobs(settings: Settings) -> BlobStore:
    blobs: BlobStore = registry.load("blobstores", "arrow")(uri=settings.blob_uri)
    return blobs


def open_vectors(settings: Settings) -> VectorStore:
    token_env = settings.vectors.token_env
    store: VectorStore = registry.load("vectorstores", settings.vectors.kind)(
        uri=settings.vector_uri,
        token=os.environ.get(token_env, "") if token_env else "",
        embedded=settings.embedded_vectors,
    )
    return store


def open_connector(
    settings: Settings, *, kind: str, collection: str, uri: str, blobs: BlobStore
) -> Connector:
    """A connector of ours by name, or a plugin that takes `collection` and `uri`."""
    if kind == "uploads":
        return UploadsConnector(collection=collection, blobs=blobs)
    if kind == "filesystem":
        return FilesystemConnector(collection=collection, path=uri)
    connector: Connector = registry.load("connectors", kind)(collection=collection, uri=uri)
    return connector


def make_parser(settings: Settings) -> IsolatedParser:
    return IsolatedParser(
        timeout_s=settings.parsing.timeout_s,
        memory_bytes=settings.parsing.memory_bytes,
        max_text_chars=settings.parsing.max_text_chars,
    )


def embedder_path(settings: Settings) -> Path:
    """The folder of the embedding model. Raises `ModelNotFound`."""
    return models.resolve(settings.embedder.model, cache=settings.model_cache)


def embedding_shape(settings: Settings) -> tuple[int, int]:
    """(dimension, max_tokens) of the embedding model, without loading it."""
    plugin: type[Embedder] = registry.load("embedders", settings.embedder.kind)
    return plugin.shape(str(embedder_path(settings)))


def make_embedder(settings: Settings, *, workers: int = 1) -> Embedder:
    """`workers` is how many share this machine's cores."""
    threads = settings.embedder.threads or max((os.cpu_count() or 1) // workers, 1)
    embedder: Embedder = registry.load("embedders", settings.embedder.kind)(
        path=str(embedder_path(settings)),
        model=settings.embedder.model,
        device=settings.embedder.device or (None if has_gpu(settings) else "cpu"),
        threads=threads,
        batch_tokens=settings.embedder.batch_tokens,
        backend=settings.embedder.backend,
        cache=settings.model_cache,
    )
    return embedder


def make_tokenizer(settings: Settings) -> Tokenizer | None:
    """What turns texts into tokens for `TokenEmbedder.embed_tokens`, without the model.

    None where the embedder takes texts only.
    """
    plugin = registry.load("embedders", settings.embedder.kind)
    if not issubclass(plugin, TokenEmbedder):
        return None
    tokenizer: Tokenizer = plugin.tokenizer(str(embedder_path(settings)))
    return tokenizer


def make_chunker(settings: Settings) -> Chunker:
    tokenizer = embedder_path(settings) / "tokenizer.json"
    if not tokenizer.exists():
        raise ModelNotFound(
            f"The embedding model has no {tokenizer}.", "Choose one with a fast tokenizer."
        )
    max_tokens = settings.chunker.max_tokens or embedding_shape(settings)[1]
    room = max_tokens - SPECIAL_TOKENS - settings.chunker.context_tokens
    if room < 16:
        raise SetupError(
            f"chunker.context_tokens leaves {room} of {max_tokens} tokens for a chunk.",
            "Lower it, or raise chunker.max_tokens.",
        )
    chunker: Chunker = registry.load("chunkers", settings.chunker.kind)(
        tokenizer_path=str(tokenizer), max_tokens=room
    )
    return chunker


def make_reranker(settings: Settings) -> Reranker | None:
    """None where no model is configured."""
    chosen = settings.reranker
    if chosen.model is None:
        return None
    reranker: Reranker = registry.load("rerankers", chosen.kind)(
        path=str(models.resolve(chosen.model, cache=settings.model_cache)),
        model=chosen.model,
        device=chosen.device,
        batch_size=chosen.batch_size,
    )
    return reranker


def make_llm(settings: Settings) -> LLM:
    chosen = settings.llm
    plugin = registry.load("llms", chosen.kind)
    if chosen.kind == "vllm":
        llm: LLM = plugin(
            path=str(models.resolve(chosen.model, cache=settings.model_cache)),
            model=chosen.served_name or chosen.model,
            max_model_len=chosen.max_model_len,
            max_num_seqs=chosen.max_num_seqs,
            gpu=has_gpu(settings),
            gpu_memory_utilization=chosen.gpu_memory_utilization,
            tensor_parallel_size=chosen.tensor_parallel_size,
            engine=chosen.engine,
        )
        return llm
    if chosen.api_base is None:
        raise SetupError(f"llm.kind is {chosen.kind}, but llm.api_base is not set.", "Set it.")
    remote: LLM = plugin(
        model=chosen.model,
        api_base=chosen.api_base,
        api_key_env=chosen.api_key_env,
        timeout_s=chosen.timeout_s,
        context_window=chosen.max_model_len,
    )
    return remote
