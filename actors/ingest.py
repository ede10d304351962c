"""The ingest program, one job of it: discover → pipeline → commit → prune."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import Engine

from actors.cluster import hosts, refuse_several_machines
from actors.committing import Committer
from actors.sharing import SharedPipeline
from actors.work import SourceSpec, Work
from smartypants import ingest_wiring, wiring
from smartypants.attachments import container
from smartypants.deleting import remove_documents
from smartypants.errors import (
    InvalidRequest,
    PruneRefused,
    SmartyPantsError,
    VectorStoreUnavailable,
)
from smartypants.ledger import collections, documents, listing, moves
from smartypants.ledger.jobs import Job
from smartypants.metering.counts import payer_of
from smartypants.metering.payer import NOBODY, Payer
from smartypants.permitting import permit
from smartypants.progress import Progress
from smartypants.settings import Settings
from smartypants.types import DocumentRef

LISTING_BATCH = 500
PAGE = 500
MAX_PASSES = 3
"""How often documents that came back unfinished are begun again in one run."""


class Watch(Protocol):
    """Who runs a job: hears how far it is, and says when to stop."""

    def report(self, progress: Progress) -> None:
        """Called at least twice a second while documents are on their way. May raise to stop."""
        ...

    def advanced(self) -> None:
        """Documents were committed."""
        ...

    def listed(self) -> None:
        """The source's listing is complete."""
        ...


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """What a job of the kind `ingest` asks for.

    `allow_prune` lets more documents go than `ingest.prune_max_share`; `listed` says that an
    earlier run of the job has listed the source; `share` is the job's weight in the pipeline;
    `since` (Unix time) is when the job was submitted.
    """

    job_id: str
    source: SourceSpec
    allow_prune: bool = False
    listed: bool = False
    share: float = 1.0
    since: float = field(default_factory=time.time)
    payer: Payer = NOBODY

    @classmethod
    def of(cls, job: Job) -> IngestRequest:
        source = SourceSpec(job.params["connector"], job.collection, job.params["uri"])
        return cls(
            job.id,
            source,
            allow_prune=bool(job.params.get("allow_prune")),
            listed=bool(job.listed),
            share=2.0 ** (job.priority - 5),
            since=job.created_at,
            payer=payer_of(job),
        )


def ingest(
    request: IngestRequest,
    settings: Settings,
    engine: Engine,
    pipeline: SharedPipeline,
    watch: Watch,
    progress: Progress,
) -> float | None:
    """Bring the index in line with a source. Returns when failed documents are due again
    (Unix time), None where none will be.

    Running it again, also after a crash at any point, finishes what is left and changes
    nothing else. Raises `PruneRefused` when all is indexed but too much would be deleted,
    other `SmartyPantsError`s when a part of the system fails, and what `watch` raises;
    documents that fail do not raise.
    """
    began = time.time()
    watch.report(progress)
    refuse_several_machines(settings, hosts())
    dimension, _ = wiring.embedding_shape(settings)
    collection = collections.ensure(
        engine,
        request.source.collection,
        embedding_model=settings.embedder.model,
        dimension=dimension,
    )
    vectors = wiring.open_vectors(settings)
    vectors.create(collection.physical, dimension=dimension)
    pipeline.warm_up()
    connector = ingest_wiring.open_connector(
        settings,
        kind=request.source.kind,
        collection=request.source.collection,
        uri=request.source.uri,
        blobs=wiring.open_blobs(settings),
    )
    listing.register_source(
        engine,
        source_id=connector.source_id,
        collection=request.source.collection,
        kind=request.source.kind,
        uri=connector.uri,
    )
    incomplete: SmartyPantsError | None = None
    if not request.listed:
        progress.enter("discovering")
        incomplete = _discover(request, connector.discover(), settings, engine, watch, progress)
        if incomplete is None:
            listing.note_listed(engine, connector.source_id)
            watch.listed()

    permit(engine, vectors, collection.name)
    progress.begin_indexing()
    documents.retry_due(engine, connector.source_id, max_attempts=settings.ingest.max_attempts)
    committer = Committer(
        engine,
        vectors,
        collection,
        settings.ingest,
        progress,
        payer=request.payer,
        job_id=request.job_id,
    )
    # What came inside a document is pending once that is committed: a pass for each level.
    for _ in range(MAX_PASSES + settings.parsing.attachments.max_depth):
        left = documents.count_pending(engine, connector.source_id)
        if not left:
            break
        progress.documents = progress.done + left
        watch.report(progress)
        works = _works(request, engine, connector.source_id, collection.physical, since=began)
        try:
            for finished in pipeline.run(works, weight=request.share):
                if committer.add(finished):
                    watch.advanced()
                watch.report(progress)
        finally:  # also of a job that stops: what is whole is kept
            if committer.commit():
                watch.advanced()
    else:
        if documents.count_pending(engine, connector.source_id):
            raise VectorStoreUnavailable(
                "The vector store lost chunks that it had taken.", "See its log."
            )
    permit(engine, vectors, collection.name)  # of those that turned out to be as they were
    if incomplete is not None:
        raise incomplete
    due = documents.retry_due(
        engine, connector.source_id, max_attempts=settings.ingest.max_attempts
    )
    if due is None:
        _prune(request, settings, engine, connector.source_id, progress)
        progress.enter("done")
    watch.report(progress)
    return due


def _works(
    request: IngestRequest, engine: Engine, source_id: str, physical: str, *, since: float
) -> Iterator[Work]:
    """What is pending, page by page: memory does not grow with the source."""
    after = ""
    while page := documents.pending(engine, source_id, after=after, limit=PAGE):
        for row in page:
            yield Work(
                request.source,
                physical,
                row.ref,
                row.acl_id,
                row.indexed_version,
                fresh=row.created_at >= since,
                payer=request.payer,
            )
        after = page[-1].id


def _discover(
    request: IngestRequest,
    refs: Iterator[DocumentRef],
    settings: Settings,
    engine: Engine,
    watch: Watch,
    progress: Progress,
) -> SmartyPantsError | None:
    """Note the source's listing in the ledger; what cut it short, if anything did."""
    started = time.perf_counter()
    batch: list[DocumentRef] = []

    def note() -> None:
        found = listing.list_documents(
            engine,
            batch,
            collection=request.source.collection,
            job_id=request.job_id,
            max_attempts=settings.ingest.max_attempts,
        )
        progress.unchanged += found.unchanged
        progress.documents += found.pending
        watch.report(progress)
        batch.clear()

    incomplete: SmartyPantsError | None = None
    try:
        for ref in refs:
            batch.append(ref)
            if len(batch) >= LISTING_BATCH:
                note()
    except InvalidRequest as exc:
        incomplete = exc
    note()
    progress.add_seconds({"discover": time.perf_counter() - started})
    return incomplete


def _prune(
    request: IngestRequest,
    settings: Settings,
    engine: Engine,
    source_id: str,
    progress: Progress,
) -> None:
    """Delete what the complete listing no longer had, unless that is suspiciously much."""
    if request.source.kind == "uploads":
        return  # nobody lists uploads: they end only when somebody deletes them
    gone, total = documents.vanished(engine, source_id, request.job_id)
    moved = moves.note_moves(engine, gone, job_id=request.job_id, since=request.since)
    # What came inside a document goes with it, and counts no more than it did.
    lost = sum(1 for row in gone if row.id not in moved and container(row.uri) is None)
    few = lost <= settings.ingest.prune_min_documents
    if not request.allow_prune and not few and lost > settings.ingest.prune_max_share * total:
        raise PruneRefused(
            f"{lost} of {total} documents of {request.source.uri} have gone; "
            "they are still indexed.",
            "If that is right, ingest again with --prune.",
        )
    if gone:
        progress.enter("deleting")
        remove_documents(settings, engine, request.source.collection, [row.id for row in gone])
        progress.deleted += len(gone)
