"""What travels through the ingest pipeline: documents to do, and parts of them on their way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from smartypants.ledger.commits import Failed
from smartypants.metering.payer import NOBODY, Payer
from smartypants.protocols import TokenIds, Vectors
from smartypants.types import Chunk, DocumentRef

Rows = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """Which connector reads a source; enough to build it in a worker."""

    kind: str
    collection: str
    uri: str


@dataclass(frozen=True, slots=True)
class Work:
    """A document to index; `indexed_version` is what searches show now."""

    source: SourceSpec
    physical: str
    ref: DocumentRef
    acl_id: int
    indexed_version: str | None
    fresh: bool = False
    """The vector store can hold nothing of it yet."""
    stored: str | None = None
    """A version whose kept text is cut anew; its source is not asked."""
    payer: Payer = NOBODY
    """On whose account it is embedded."""
    run: str = ""
    """Who waits for it: one run of a job through the pipeline. The pipeline sets it."""
    ticket: int = 0
    """Tells one way through the pipeline from another of the same document."""
    deaths: int = 0
    """Of the pipeline, with this document in it."""


@dataclass(frozen=True, slots=True)
class Part:
    """Chunks of one document on their way; `parts` of them make the document whole."""

    work: Work
    version: str = ""
    title: str = ""
    parsed: dict[str, str] = field(default_factory=dict)
    contents: tuple[DocumentRef, ...] | None = None
    """What came inside the document; None: as before."""
    part: int = 0
    parts: int = 1
    chunks: tuple[Chunk, ...] = ()
    tokens: tuple[TokenIds, ...] = ()
    """Of each chunk, where they were made off the embedding actor."""
    vectors: Vectors | None = None
    unchanged: bool = False
    failed: Failed | None = None
    chunk_count: int = 0
    embedded: int = 0
    """Chunks whose vectors had to be computed."""
    seconds: dict[str, float] = field(default_factory=dict)


def row(batch: Iterable[Any]) -> Rows:
    """One row that holds a batch: numpy must not look into it for dimensions."""
    column = np.empty(1, dtype=object)
    column[0] = list(batch)
    return {"batch": column}
