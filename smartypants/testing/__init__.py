"""Contract suites that every plugin of a kind must pass; import one into your own tests."""

from smartypants.testing.blobstores import BlobStoreContract
from smartypants.testing.chunkers import ChunkerContract
from smartypants.testing.connectors import ConnectorContract
from smartypants.testing.embedders import EmbedderContract, LocalEmbedderContract
from smartypants.testing.hostile import HOSTILE_STRINGS
from smartypants.testing.llms import QUESTION, LLMContract
from smartypants.testing.parsers import ParserContract
from smartypants.testing.providers import ProviderServer
from smartypants.testing.rerankers import RerankerContract
from smartypants.testing.vectorstores import VectorStoreContract

__all__ = [
    "HOSTILE_STRINGS",
    "QUESTION",
    "BlobStoreContract",
    "ChunkerContract",
    "ConnectorContract",
    "EmbedderContract",
    "LLMContract",
    "LocalEmbedderContract",
    "ParserContract",
    "ProviderServer",
    "RerankerContract",
    "VectorStoreContract",
]
