"""The stages of the ingest program: callable classes, a batch in, batches out.

Each builds its plugins in the worker that it runs in. A row of the dataset is one batch that
travels together: documents to read, then `Part`s of documents with as many tokens as one call
of the embedder takes. A document that fails becomes a part with an error and runs through to
the end, where it is counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import groupby
from typing import TypeVar

import numpy as np
import structlog

from actors.work import Part, Rows, SourceSpec, Work, row
from actors.worker_logs import configure_worker_logs
from smartypants import accounting, ingest_wiring, wiring
from smartypants.attributes import Attributes, attributes
from smartypants.embedding_cache import cache_key
from smartypants.errors import DocumentError, SmartyPantsError, Unavailable
from smartypants.ledger.commits import Failed
from smartypants.metering.meter import Meter
from smartypants.protocols import Connector, TokenEmbedder, Vectors
from smartypants.reading import ReadDocument, read, reread
from smartypants.settings import Settings
from smartypants.types import DocumentRef

log = structlog.get_logger(__name__)

T = TypeVar("T")
CONNECTORS = 64
"""Sources whose connectors a reading actor keeps open."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 10.0


class ReadDocuments:
    """Work → parts with chunks: fetch, keep raw, parse, clean, chunk."""

    def __init__(self, settings: Settings) -> None:
        configure_worker_logs(settings)
        self._settings = settings
        self._blobs = wiring.open_blobs(settings)
        self._extractor = ingest_wiring.make_extractor(settings)
        self._tokenizer = ingest_wiring.make_tokenizer(settings)
        self._connector = lru_cache(CONNECTORS)(self._open)

    def __call__(self, rows: Rows) -> Iterator[Rows]:
        ready: list[Part] = []
        for work in rows["batch"][0]:
            started = time.perf_counter()
            found = self._read(work)
            seconds = {"read": time.perf_counter() - started}
            for part in [replace(found[0], seconds=seconds), *found[1:]]:
                ready.append(self._tokenized(part))
                if sum(len(part.chunks) for part in ready) >= self._settings.ingest.batch_chunks:
                    yield row(ready)
                    ready = []
        if ready:
            yield row(ready)

    def _tokenized(self, part: Part) -> Part:
        if self._tokenizer is None or not part.chunks:
            return part
        texts = [chunk.searched_text for chunk in part.chunks]
        return replace(part, tokens=tuple(self._tokenizer.tokenize(texts)))

    def _open(self, source: SourceSpec) -> Connector:
        return ingest_wiring.open_connector(
            self._settings,
            kind=source.kind,
            collection=source.collection,
            uri=source.uri,
            blobs=self._blobs,
        )

    def _read(self, work: Work) -> list[Part]:
        try:
            document = self._reread(work, work.stored) if work.stored else self._fetch(work)
        except Exception as exc:  # noqa: BLE001 - the boundary: one document, a row in the ledger
            return [Part(work, failed=failure(work.ref, exc))]
        if document is None:
            return [Part(work, version=work.indexed_version or "", unchanged=True)]
        size = self._settings.ingest.batch_chunks
        chunks = document.chunks
        starts = range(0, len(chunks), size)
        return [
            Part(
                work,
                document.version,
                document.title,
                document.parsed,
                document.contents,
                part=number,
                parts=len(starts),
                chunks=chunks[start : start + size],
                chunk_count=len(chunks),
            )
            for number, start in enumerate(starts)
        ]

    def _fetch(self, work: Work) -> ReadDocument | None:
        return read(
            work.ref,
            connector=self._connector(work.source),
            blobs=self._blobs,
            extractor=self._extractor,
            max_bytes=self._settings.parsing.max_document_bytes,
            indexed_version=work.indexed_version,
            limits=self._settings.parsing.attachments,
        )

    def _reread(self, work: Work, version: str) -> ReadDocument:
        return reread(work.ref, version, blobs=self._blobs, extractor=self._extractor)


class EmbedChunks:
    """Parts → the same with vectors; a text that was embedded before is not embedded again."""

    def __init__(self, settings: Settings, workers: int) -> None:
        configure_worker_logs(settings)
        meter = Meter(settings.metering, wiring.open_ledger(settings))
        self._embedder = accounting.make_metered_embedder(settings, meter, workers=workers)
        self._cache = ingest_wiring.open_embedding_cache(settings)
        self._patience_s = settings.ingest.patience_s

    def __call__(self, rows: Rows) -> Rows:
        parts: list[Part] = rows["batch"][0]
        started = time.perf_counter()
        texts = [chunk.searched_text for part in parts for chunk in part.chunks]
        keys = [cache_key(self._embedder.plugin.model, text) for text in texts]
        known = self._cache.get(keys) if self._cache is not None else {}
        missing = {key: row for row, key in enumerate(keys) if key not in known}
        if missing:
            log.info("embedding_chunks", chunks=len(missing))
            embed = partial(self._embed, parts, texts, list(missing.values()))
            vectors = patiently(embed, self._patience_s)
            if self._cache is not None:  # before anything else can go wrong
                self._cache.put(list(missing), vectors)
            known |= dict(zip(missing, vectors, strict=True))
        share = (time.perf_counter() - started) / max(len(texts), 1)
        out, place = [], iter(keys)
        for part in parts:
            mine = [next(place) for _ in part.chunks]
            computed = sum(missing.pop(key, None) is not None for key in mine)
            out.append(
                replace(
                    part,
                    tokens=(),
                    vectors=np.stack([known[key] for key in mine]) if mine else None,
                    embedded=computed,
                    seconds=part.seconds | {"embed": share * len(mine)},
                )
            )
        return row(out)

    def _embed(self, parts: list[Part], texts: list[str], rows: list[int]) -> Vectors:
        embedder = self._embedder
        payers = [part.work.payer for part in parts for _ in part.chunks]
        mine = [payers[row] for row in rows]
        tokens = [ids for part in parts for ids in part.tokens]
        if len(tokens) == len(texts) and isinstance(embedder.plugin, TokenEmbedder):
            chosen = [tokens[row] for row in rows]
            vectors = embedder.plugin.embed_tokens(chosen)
            embedder.account(mine, [len(ids) for ids in chosen])
            return vectors
        return embedder.embed([texts[row] for row in rows], mine)


class WriteChunks:
    """Parts with vectors → receipts: the same without chunks, which are in the vector store."""

    def __init__(self, settings: Settings) -> None:
        configure_worker_logs(settings)
        self._vectors = wiring.open_vectors(settings)
        self._patience_s = settings.ingest.patience_s

    def __call__(self, rows: Rows) -> Rows:
        parts: list[Part] = rows["batch"][0]
        full = [part for part in parts if part.chunks]
        started = time.perf_counter()
        for physical, group in groupby(sorted(full, key=_physical), key=_physical):
            patiently(partial(self._upsert, physical, list(group)), self._patience_s)
        share = (time.perf_counter() - started) / max(sum(len(part.chunks) for part in full), 1)
        return row(
            replace(
                part,
                chunks=(),
                vectors=None,
                seconds=part.seconds | {"write": share * len(part.chunks)},
            )
            for part in parts
        )

    def _upsert(self, physical: str, parts: Sequence[Part]) -> None:
        self._vectors.upsert(
            physical,
            [chunk for part in parts for chunk in part.chunks],
            np.concatenate([part.vectors for part in parts if part.vectors is not None]),
            acl_ids=[part.work.acl_id for part in parts for _ in part.chunks],
            source_ids=[part.work.ref.source_id for part in parts for _ in part.chunks],
            attributes=[known for part in parts for known in _attributes(part)],
        )


def patiently(call: Callable[[], T], patience_s: float) -> T:
    """Call until it works: a part of the system that is down for a while costs nothing but time.

    Raises the last `Unavailable` when `patience_s` seconds have passed.
    """
    wait, deadline = FIRST_WAIT_S, time.monotonic() + patience_s
    while True:
        try:
            return call()
        except Unavailable as exc:
            if time.monotonic() + wait > deadline:
                raise
            log.warning("waiting_for_a_part", error=str(exc), seconds=wait)
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_S)


def failure(ref: DocumentRef, exc: Exception) -> Failed:
    """What the ledger keeps of a document's error. Only an error of the document is final."""
    if isinstance(exc, SmartyPantsError):
        passing = exc.retryable or not isinstance(exc, DocumentError)
        return Failed(ref.document_id, exc.code, str(exc), retryable=passing, etag=ref.etag)
    message = f"{type(exc).__name__}: {exc}"
    return Failed(ref.document_id, "internal_error", message, retryable=True, etag=ref.etag)


def _attributes(part: Part) -> list[Attributes]:
    ref = part.work.ref
    known = attributes(
        media_type=ref.media_type, name=ref.name, metadata=ref.metadata, parsed=part.parsed
    )
    return [known] * len(part.chunks)


def _physical(part: Part) -> str:
    return part.work.physical
