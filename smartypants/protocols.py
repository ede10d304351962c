"""The page a plugin author reads: what can be swapped, and what each part promises.

A plugin is a class in a module named like the value that selects it (`parsers/…`,
`embedders/…`), or an entry point of another package in the group `smartypants.KIND`. The
keywords of its `__init__` are its configuration. `smartypants.testing` has the contract suite
that every plugin of a kind must pass.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from smartypants.attributes import Attributes
from smartypants.types import (
    Candidate,
    Chunk,
    Delta,
    DocumentRef,
    Filters,
    Message,
    ParsedDocument,
    SamplingParams,
    Span,
    StoredChunk,
)

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

Vectors = NDArray[np.float32]
"""Unit-length embeddings, shape (n, dimension)."""

TokenIds = NDArray[np.int32]
"""The tokens of one text."""


class Connector(Protocol):
    """Lists and fetches the documents of one source."""

    @property
    def source_id(self) -> str: ...

    @property
    def uri(self) -> str: ...

    def discover(self) -> Iterator[DocumentRef]:
        """Every document of the source. An error means that the listing is not complete.

        No URI contains `#attachment/`: what comes inside a document is found when it is read.
        """
        ...

    def fetch(self, ref: DocumentRef) -> bytes:
        """The document's bytes. Raises `DocumentError` if they can't be had."""
        ...


class Parser(Protocol):
    """Turns bytes into Markdown. Pure: same bytes, same result; runs in a process of its own.

    Attachments that it finds become documents, each by the parser of its media type.
    """

    media_types: tuple[str, ...]

    def parse(self, data: bytes, *, name: str, media_type: str) -> ParsedDocument:
        """Raises `DocumentUnreadable` for bytes that are not what the media type says."""
        ...


class Chunker(Protocol):
    """Cuts a document's text along its structure.

    It is built in the process that parses, from keywords that JSON can carry.
    """

    def split(self, text: str) -> list[tuple[int, int]]:
        """Character ranges in order, each within the token limit, none only white space."""
        ...


class Embedder(Protocol):
    """Maps texts to unit vectors."""

    model: str
    dimension: int
    max_tokens: int

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row a text, in the order given; longer texts are cut at `max_tokens`."""
        ...


class LocalEmbedder(Embedder, Protocol):
    """An embedder whose model is a folder of files."""

    @staticmethod
    def shape(path: str) -> tuple[int, int]:
        """(dimension, max_tokens) of the model in a folder, without loading it."""
        ...


class Tokenizer(Protocol):
    """Turns texts into a model's token ids; picklable or cheap to build, and without the model."""

    def tokenize(self, texts: Sequence[str]) -> list[TokenIds]:
        """One array a text, in the order given, special tokens included, cut at the limit."""
        ...


@runtime_checkable
class TokenEmbedder(Protocol):
    """What an embedder can do whose texts may be tokenised elsewhere, off its device."""

    @staticmethod
    def tokenizer(path: str) -> Tokenizer:
        """The tokenizer of the model in a folder, without loading the model."""
        ...

    def embed_tokens(self, tokens: Sequence[TokenIds]) -> Vectors:
        """`embed` of the texts that these are the tokens of."""
        ...


class VectorStore(Protocol):
    """Keeps chunks with their vectors; finds them by vector and by words (BM25)."""

    def ping(self) -> None:
        """Raises `VectorStoreUnavailable` if the store does not answer."""
        ...

    def create(self, physical: str, *, dimension: int) -> None:
        """Idempotent."""
        ...

    def expose(self, physical: str) -> None:
        """Let the collection's own name in the store, where it has one, stand for this physical
        one from now on. Idempotent."""
        ...

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
        """One vector, acl id and source id a chunk, and its document's attributes, of which
        without any none are known. Idempotent; durable after `flush`."""
        ...

    def flush(self, physical: str) -> None: ...

    def dense(
        self,
        physical: str,
        vectors: Vectors,
        *,
        limit: int,
        acl_ids: Sequence[int],
        filters: Filters,
    ) -> list[list[Candidate]]:
        """For each vector, best first by cosine similarity; `vectors` has shape (n, dimension).
        One call for several costs little more than for one.

        Raises `FilterNotSupported` for a collection that lacks what the filters ask for.
        """
        ...

    def lexical(
        self,
        physical: str,
        texts: Sequence[str],
        *,
        limit: int,
        acl_ids: Sequence[int],
        filters: Filters,
    ) -> list[list[Candidate]]:
        """For each text, best first by BM25. Raises like `dense`."""
        ...

    def passages(
        self, physical: str, spans: Sequence[Span], *, acl_ids: Sequence[int]
    ) -> list[Chunk]:
        """The readable chunks that lie in any of the spans, in no order."""
        ...

    def delete_versions(self, physical: str, keep: Mapping[str, tuple[str, int] | None]) -> None:
        """Remove the chunks of these documents, except for each those of a version with an
        index below a count; None keeps nothing."""
        ...

    def count(self, physical: str) -> int: ...

    def incomplete(self, physical: str, expected: Mapping[str, tuple[str, int]]) -> set[str]:
        """Those of the documents of which it lacks chunks of the version with an index below
        the count; every earlier write is seen."""
        ...

    def scan(
        self, physical: str, *, vectors: bool = False, document_ids: Sequence[str] = ()
    ) -> Iterator[list[StoredChunk]]:
        """Everything that is stored, or that is stored of these documents, in batches, in no
        order; with vectors where asked for."""
        ...

    def delete_chunks(self, physical: str, chunk_ids: Sequence[str]) -> None:
        """Idempotent."""
        ...

    def drop(self, physical: str) -> None:
        """Idempotent."""
        ...


class BlobStore(Protocol):
    """Keeps bytes under keys such as `raw/<document_id>/<version>`."""

    def put(self, key: str, data: bytes) -> None:
        """Atomic: a reader sees nothing or everything."""
        ...

    def get(self, key: str) -> bytes:
        """Raises `NotFound`."""
        ...

    def delete(self, prefix: str) -> None:
        """Remove every key below the prefix; idempotent."""
        ...


Commit = Literal["close", "move", "copy"]
"""How a file shows whole: when its stream is closed, or when a finished part takes its place."""


class Storage(Protocol):
    """Opens the stores of one URI scheme, for sources and blobs alike."""

    commit: Commit

    def open(self, authority: str, path: str) -> tuple[FileSystem, str]:
        """A filesystem of `pyarrow.fs`, and the path in it of `scheme://authority/path`."""
        ...


class Reranker(Protocol):
    """Scores passages against a query."""

    model: str

    def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        """One score a passage; higher is better."""
        ...


Pair = tuple[str, str]
"""A query and a passage."""


@runtime_checkable
class PairReranker(Protocol):
    """A reranker that scores pairs of several queries at once, which keeps its batches full."""

    def pair_scores(self, pairs: Sequence[Pair]) -> list[float]:
        """One score a pair; higher is better among those of one query."""
        ...


class LLM(Protocol):
    """Generates text from a conversation."""

    model: str
    context_window: int
    """Tokens of prompt and answer together."""

    def generate(
        self, messages: Sequence[Message], params: SamplingParams, *, request_id: str
    ) -> AsyncGenerator[Delta, None]:
        """Deltas as they come, at least one, the last with a finish reason. Closing the
        iterator frees the slot. Raises `InvalidRequest` for a prompt that does not fit."""
        ...

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Exact where the tokenizer is at hand, else an estimate from above."""
        ...


@runtime_checkable
class Engine(Protocol):
    """What an LLM that runs a process of its own can do besides."""

    async def start(self) -> None:
        """Return when the first request can be taken; idempotent."""
        ...

    async def check_health(self) -> None:
        """Raises `LLMUnavailable` if the process is gone."""
        ...

    def shutdown(self) -> None:
        """End the process; idempotent."""
        ...


class InjectionDetector(Protocol):
    """Tells passages that try to instruct a language model; `safety.injection.detector`."""

    threshold: float
    """The score from which a passage is suspected, where the settings name none."""

    def score(self, text: str) -> float:
        """0 (harmless) to 1."""
        ...
