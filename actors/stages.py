"""The stages of the ingest program: callable classes, a batch in, a batch out.

Each builds its plugins in the worker that it runs in. What travels between them is a `Part`: a
document, or a piece of a long one. A document that fails becomes a part with an error and runs
through to the end, where it is counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from smartypants import wiring
from smartypants.errors import DocumentError, SmartyPantsError, Unavailable
from smartypants.ledger.commits import Failed
from smartypants.protocols import Vectors
from smartypants.reading import read
from smartypants.settings import Settings
from smartypants.types import Chunk, DocumentRef

T = TypeVar("T")
Batch = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Work:
    """A document to index, and the version that searches show now."""

    ref: DocumentRef
    acl_id: int
    indexed_version: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """Chunks of one document on their way; `parts` of them make the document whole."""

    work: Work
    version: str = ""
    title: str = ""
    parsed: dict[str, str] = field(default_factory=dict)
    part: int = 0
    parts: int = 1
    chunks: tuple[Chunk, ...] = ()
    vectors: Vectors | None = None
    unchanged: bool = False
    failed: Failed | None = None
    chunk_count: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """Which connector reads a source; enough to build it in a worker."""

    kind: str
    collection: str
    uri: str


class ReadDocuments:
    """Work → parts with chunks: fetch, keep raw, parse, clean, chunk."""

    def __init__(self, settings: Settings, source: SourceSpec) -> None:
        self._settings = settings
        self._blobs = wiring.open_blobs(settings)
        self._connector = wiring.open_connector(
            settings,
            kind=source.kind,
            collection=source.collection,
            uri=source.uri,
            blobs=self._blobs,
        )
        self._extractor = wiring.make_extractor(settings)

    def __call__(self, batch: Batch) -> Batch:
        parts: list[Part] = []
        for work in batch["work"]:
            started = time.perf_counter()
            found = self._read(work)
            seconds = {"read": time.perf_counter() - started}
            parts += [replace(found[0], seconds=seconds), *found[1:]]
        return _column("part", parts)

    def _read(self, work: Work) -> list[Part]:
        try:
            document = read(
                work.ref,
                connector=self._connector,
                blobs=self._blobs,
                extractor=self._extractor,
                max_bytes=self._settings.parsing.max_document_bytes,
                indexed_version=work.indexed_version,
            )
        except Exception as exc:  # noqa: BLE001 - the boundary: one document, a row in the ledger
            return [Part(work, failed=_failure(work.ref, exc))]
        if document is None:
            return [Part(work, version=work.indexed_version or "", unchanged=True)]
        size = self._settings.ingest.part_chunks
        chunks = document.chunks
        starts = range(0, len(chunks), size)
        return [
            Part(
                work,
                document.version,
                document.title,
                document.parsed,
                part=number,
                parts=len(starts),
                chunks=chunks[start : start + size],
                chunk_count=len(chunks),
            )
            for number, start in enumerate(starts)
        ]


class EmbedChunks:
    """Parts → the same with vectors; one call embeds the chunks of all parts together."""

    def __init__(self, settings: Settings, workers: int) -> None:
        self._embedder = wiring.make_embedder(settings, workers=workers)

    def __call__(self, batch: Batch) -> Batch:
        parts: list[Part] = list(batch["part"])
        started = time.perf_counter()
        vectors = self._embedder.embed([c.searched_text for part in parts for c in part.chunks])
        seconds = time.perf_counter() - started
        share = seconds / max(len(vectors), 1)
        ends = np.cumsum([len(part.chunks) for part in parts])
        out = [
            replace(
                part,
                vectors=vectors[end - len(part.chunks) : end],
                seconds=part.seconds | {"embed": share * len(part.chunks)},
            )
            for part, end in zip(parts, ends, strict=True)
        ]
        return _column("part", out)


class WriteChunks:
    """Parts with vectors → receipts: the same without chunks, which are in the vector store."""

    def __init__(self, settings: Settings, physical: str) -> None:
        self._vectors = wiring.open_vectors(settings)
        self._physical = physical

    def __call__(self, batch: Batch) -> Batch:
        parts: list[Part] = list(batch["part"])
        full = [part for part in parts if part.vectors is not None and part.chunks]
        started = time.perf_counter()
        if full:
            self._vectors.upsert(
                self._physical,
                [chunk for part in full for chunk in part.chunks],
                np.concatenate([part.vectors for part in full if part.vectors is not None]),
                acl_ids=_each(full, lambda part: part.work.acl_id),
                source_ids=_each(full, lambda part: part.work.ref.source_id),
            )
        share = (time.perf_counter() - started) / max(sum(len(part.chunks) for part in full), 1)
        receipts = [
            replace(
                part,
                chunks=(),
                vectors=None,
                seconds=part.seconds | {"write": share * len(part.chunks)},
            )
            for part in parts
        ]
        return _column("receipt", receipts)


def _each(parts: Iterable[Part], value: Callable[[Part], T]) -> list[T]:
    return [value(part) for part in parts for _ in part.chunks]


def _failure(ref: DocumentRef, exc: Exception) -> Failed:
    if isinstance(exc, SmartyPantsError):
        passing = isinstance(exc, Unavailable) or not isinstance(exc, DocumentError)
        return Failed(ref.document_id, exc.code, str(exc), retryable=passing)
    message = f"{type(exc).__name__}: {exc}"
    return Failed(ref.document_id, "internal_error", message, retryable=True)


def _column(name: str, values: list[Any]) -> Batch:
    """A batch of Python objects: numpy must not look into them for dimensions."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return {name: column}
