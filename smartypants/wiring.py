"""Builds each part from the settings: the one place that knows which slice a part needs.

Call these where the part is to live (a worker, a replica): what they return holds models and
connections, and is not meant to be pickled.
"""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import Engine

from smartypants import machine, models, registry
from smartypants.accelerator import has_gpu
from smartypants.caching.counters import CacheCounters
from smartypants.caching.keys import Models
from smartypants.caching.redis import RedisStore
from smartypants.caching.store import MemoryStore, Store
from smartypants.connectors.filesystem import FilesystemConnector
from smartypants.connectors.objects import ObjectsConnector
from smartypants.connectors.uploads import UploadsConnector
from smartypants.embedding_cache import EmbeddingCache
from smartypants.errors import ModelNotFound, SetupError
from smartypants.extracting import ChunkerSpec, ExtractionLimits, IsolatedExtractor
from smartypants.ledger import audit
from smartypants.ledger.database import connect
from smartypants.packing import CountTokens, estimated_tokens
from smartypants.prompts.fitting import Window
from smartypants.protocols import (
    BlobStore,
    Connector,
    Embedder,
    LocalEmbedder,
    Reranker,
    TokenEmbedder,
    Tokenizer,
    VectorStore,
)
from smartypants.providers.building import remote_embedder, routed_llm
from smartypants.providers.routed_llm import RoutedLLM
from smartypants.providers.usage import NoteUsage, log_usage
from smartypants.safety.choosing import CollectionSafety
from smartypants.settings import Settings
from smartypants.tokenizing import TextTokenizer

SPECIAL_TOKENS = 2


def _only_there(settings: Settings, part: str, remedy: str) -> None:
    """Raises `SetupError` on another machine than the one that the settings were loaded on:
    an embedded part would silently be another, empty one here."""
    here = machine.identity()
    if here != settings.machine:
        raise SetupError(
            f"{part} is on {machine.name_of(settings.machine)} alone, and this runs on "
            f"{machine.name_of(here)}.",
            f"Set {remedy}, or run on one machine.",
        )


def open_ledger(settings: Settings) -> Engine:
    """Raises `SetupError` for SQLite on another machine."""
    if settings.embedded_ledger:
        _only_there(settings, "SQLite as the ledger", "ledger.url to a PostgreSQL URL")
    engine = connect(settings.ledger_url, password=settings.ledger.password)
    engine.update_execution_options(**{audit.KEY: settings.audit.key})
    return engine


def open_blobs(settings: Settings) -> BlobStore:
    """Raises `SetupError` for a local folder on another machine, unless both share it."""
    if settings.blobs.uri is None:
        _only_there(settings, "The blobs' folder", "blobs.uri to a bucket or a shared mount")
    elif settings.blobs.uri.startswith("file:") and settings.machine != machine.identity():
        machine.check_shared(machine.folder_of(settings.blobs.uri), settings.machine)
    blobs: BlobStore = registry.load("blobstores", "arrow")(
        uri=settings.blob_uri, storage=settings.storage
    )
    return blobs


def open_folder(settings: Settings, uri: str) -> BlobStore:
    """A folder by its path or URI, for files that users name themselves."""
    absolute = uri if "://" in uri else Path(uri).expanduser().absolute().as_uri()
    folder: BlobStore = registry.load("blobstores", "arrow")(uri=absolute, storage=settings.storage)
    return folder


def open_vectors(settings: Settings) -> VectorStore:
    """Raises `SetupError` for the embedded server on another machine."""
    if settings.embedded_vectors:
        _only_there(settings, "Milvus Lite", "vectors.uri to a Milvus server")
    store: VectorStore = registry.load("vectorstores", settings.vectors.kind)(
        uri=settings.vector_uri,
        token=settings.vectors.token,
        embedded=settings.embedded_vectors,
    )
    return store


def open_embedding_cache(settings: Settings) -> EmbeddingCache | None:
    """None where it is switched off."""
    rows = settings.ingest.cache_rows
    return EmbeddingCache(settings.embedding_cache_url, max_rows=rows) if rows else None


def open_connector(
    settings: Settings, *, kind: str, collection: str, uri: str, blobs: BlobStore
) -> Connector:
    """A connector of ours by name, or a plugin that takes `collection` and `uri`."""
    if kind == "uploads":
        return UploadsConnector(collection=collection, blobs=blobs)
    if kind == "filesystem":
        return FilesystemConnector(collection=collection, path=uri)
    if kind == "objects":
        return ObjectsConnector(collection=collection, uri=uri, storage=settings.storage)
    connector: Connector = registry.load("connectors", kind)(collection=collection, uri=uri)
    return connector


def make_extractor(settings: Settings) -> IsolatedExtractor:
    """Raises `ModelNotFound` or `SetupError` if the chunker can't be described."""
    chosen = settings.parsing
    return IsolatedExtractor(
        describe_chunker(settings),
        ExtractionLimits(
            max_text_chars=chosen.max_text_chars,
            max_chunks=chosen.max_chunks,
            max_metadata_chars=chosen.max_metadata_chars,
            max_attachments=chosen.attachments.max_count,
            max_attached_bytes=chosen.max_document_bytes,
        ),
        timeout_s=chosen.timeout_s,
        memory_bytes=chosen.memory_bytes,
        max_requests=chosen.max_documents_per_process,
        recycle_rss_bytes=chosen.recycle_rss_bytes,
    )


def embedder_path(settings: Settings) -> Path:
    """The folder of the embedding model, which is here. Raises `ModelNotFound`."""
    return models.resolve(settings.embedder.model, cache=settings.model_cache)


def _tokenizer_file(settings: Settings) -> Path | None:
    """The `tokenizer.json` that counts the embedding model's tokens; None: they are estimated.

    Raises `ModelNotFound`.
    """
    chosen = settings.embedder
    if chosen.remote and chosen.tokenizer is None:
        return None
    model = chosen.tokenizer if chosen.remote and chosen.tokenizer else chosen.model
    file = models.resolve(model, cache=settings.model_cache) / "tokenizer.json"
    if not file.exists():
        raise ModelNotFound(
            f"The embedding model has no {file}.", "Choose one with a fast tokenizer."
        )
    return file


def embedding_shape(settings: Settings) -> tuple[int, int]:
    """(dimension, max_tokens) of the embedding model, without loading it."""
    chosen = settings.embedder
    if chosen.remote:
        assert chosen.dimension is not None  # or they were no settings
        return chosen.dimension, chosen.max_tokens
    plugin: type[LocalEmbedder] = registry.load("embedders", chosen.kind)
    return plugin.shape(str(embedder_path(settings)))


def make_embedder(settings: Settings, *, workers: int = 1, note: NoteUsage = log_usage) -> Embedder:
    """`workers` is how many share this machine's cores; `note` is told what others' took."""
    chosen = settings.embedder
    plugin = registry.load("embedders", chosen.kind)
    if chosen.remote:
        return remote_embedder(chosen, tokenizer=_tokenizer_file(settings), note=note)
    path = str(embedder_path(settings))
    if chosen.kind != "sentence_transformers":
        other: Embedder = plugin(path=path, model=chosen.model, **chosen.options)
        return other
    embedder: Embedder = plugin(
        path=path,
        model=chosen.model,
        device=chosen.device or (None if has_gpu(settings) else "cpu"),
        threads=chosen.threads or max((os.cpu_count() or 1) // workers, 1),
        batch_tokens=chosen.batch_tokens,
        backend=chosen.backend,
        cache=settings.model_cache,
    )
    return embedder


def make_tokenizer(settings: Settings) -> Tokenizer | None:
    """What turns texts into tokens for `TokenEmbedder.embed_tokens`, without the model.

    None where the embedder takes texts only.
    """
    plugin = registry.load("embedders", settings.embedder.kind)
    if settings.embedder.remote or not issubclass(plugin, TokenEmbedder):
        return None
    tokenizer: Tokenizer = plugin.tokenizer(str(embedder_path(settings)))
    return tokenizer


def common_words(settings: Settings) -> frozenset[str]:
    """The words that are one token for the embedding model: it knows what they mean.

    None of them where the model has no `tokenizer.json`.
    """
    try:
        path = _tokenizer_file(settings)
    except ModelNotFound:
        path = None
    if path is None:
        return frozenset()
    from tokenizers import Tokenizer

    tokens = Tokenizer.from_file(str(path)).get_vocab(with_added_tokens=False)
    # Either pieces of words are marked, as in WordPiece, or their beginnings.
    begun = {token[1:] for token in tokens if token[:1] in ("▁", "Ġ")}
    return frozenset(word.lower() for word in begun or tokens if word.isalpha())


def describe_chunker(settings: Settings) -> ChunkerSpec:
    """The chunker that counts with the embedding model's tokenizer, for whoever builds it."""
    tokenizer = _tokenizer_file(settings)
    max_tokens = settings.chunker.max_tokens or embedding_shape(settings)[1]
    room = max_tokens - SPECIAL_TOKENS - settings.chunker.context_tokens
    if room < 16:
        raise SetupError(
            f"chunker.context_tokens leaves {room} of {max_tokens} tokens for a chunk.",
            "Lower it, or raise chunker.max_tokens.",
        )
    return ChunkerSpec(
        settings.chunker.kind,
        {"tokenizer_path": None if tokenizer is None else str(tokenizer), "max_tokens": room},
    )


def make_reranker(settings: Settings) -> Reranker | None:
    """None where no model is configured."""
    chosen = settings.reranker
    if chosen.model is None:
        return None
    reranker: Reranker = registry.load("rerankers", chosen.kind)(
        path=str(models.resolve(chosen.model, cache=settings.model_cache)),
        model=chosen.model,
        device=chosen.device or (None if has_gpu(settings) else "cpu"),
        threads=chosen.threads or os.cpu_count(),
        batch_tokens=chosen.batch_tokens,
        backend=chosen.backend,
        cache=settings.model_cache,
    )
    return reranker


def open_cache(settings: Settings, counters: CacheCounters) -> Store | None:
    """None where it is switched off. Raises `SetupError` where Redis's client or secret is not
    there; a server that does not answer is no error."""
    chosen = settings.cache
    if chosen.kind == "memory":
        return MemoryStore(max_bytes=chosen.max_bytes, ttl_s=chosen.ttl_s)
    if chosen.kind == "redis":
        assert chosen.url is not None
        return RedisStore(
            url=chosen.url,
            password=chosen.password,
            ttl_s=chosen.ttl_s,
            timeout_s=chosen.timeout_s,
            counters=counters,
        )
    return None


def cached_models(settings: Settings) -> Models:
    """The models by the names that cached results remember them by."""
    return Models(settings.embedder.model, settings.reranker.model, settings.llm.name)


def token_counter(settings: Settings) -> CountTokens:
    """Counts as the local language model does, where its tokenizer is on this machine; else,
    and for a remote one, an estimate from above. Nothing is fetched for it."""
    model = settings.llm.local_model
    if model is None:
        return estimated_tokens
    tokenizer: TextTokenizer | None = None

    def count(text: str) -> int:
        nonlocal tokenizer
        if tokenizer is None:
            file = models.tokenizer_file(model, cache=settings.model_cache)
            if file is None:
                return estimated_tokens(text)
            tokenizer = TextTokenizer(file)
        return tokenizer.count(text)

    return count


def make_llm(settings: Settings, *, note: NoteUsage = log_usage) -> RoutedLLM:
    """Every language model by its name, wherever it runs; `note` is told what each call took."""
    return routed_llm(settings, note=note)


def prompt_window(settings: Settings) -> Window:
    """What the language model takes, counted as `token_counter` does."""
    return Window(settings.llm.max_model_len, token_counter(settings))


def make_safety(settings: Settings, engine: Engine) -> CollectionSafety:
    """Raises `PluginNotFound` for an unknown detector."""
    return CollectionSafety(engine, settings.safety)
