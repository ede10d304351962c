"""Builds the parts that only ingesting needs from the settings, as `wiring` does those of all."""

from __future__ import annotations

from smartypants import registry, wiring
from smartypants.connectors.filesystem import FilesystemConnector
from smartypants.connectors.objects import ObjectsConnector
from smartypants.connectors.uploads import UploadsConnector
from smartypants.embedding_cache import EmbeddingCache
from smartypants.errors import SetupError
from smartypants.extracting import ChunkerSpec, ExtractionLimits, IsolatedExtractor
from smartypants.protocols import BlobStore, Connector, TokenEmbedder, Tokenizer
from smartypants.settings import Settings

SPECIAL_TOKENS = 2


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


def describe_chunker(settings: Settings) -> ChunkerSpec:
    """The chunker that counts with the embedding model's tokenizer, for whoever builds it."""
    tokenizer = wiring.tokenizer_file(settings)
    max_tokens = settings.chunker.max_tokens or wiring.embedding_shape(settings)[1]
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


def make_tokenizer(settings: Settings) -> Tokenizer | None:
    """What turns texts into tokens for `TokenEmbedder.embed_tokens`, without the model.

    None where the embedder takes texts only.
    """
    plugin = registry.load("embedders", settings.embedder.kind)
    if settings.embedder.remote or not issubclass(plugin, TokenEmbedder):
        return None
    tokenizer: Tokenizer = plugin.tokenizer(str(wiring.embedder_path(settings)))
    return tokenizer


def open_embedding_cache(settings: Settings) -> EmbeddingCache | None:
    """None where it is switched off."""
    rows = settings.ingest.cache_rows
    return EmbeddingCache(settings.embedding_cache_url, max_rows=rows) if rows else None
