"""The ingest program: discover → read → embed → write → commit, as one Ray Data pipeline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import ray.data
from ray.data import ActorPoolStrategy, DataContext
from sqlalchemy import Engine

from actors.cluster import hosts, refuse_several_machines
from actors.committing import Committer
from actors.stages import EmbedChunks, Part, ReadDocuments, SourceSpec, Work, WriteChunks
from smartypants import wiring
from smartypants.accelerator import has_gpu
from smartypants.deleting import remove_documents
from smartypants.errors import InvalidRequest, PruneRefused, SmartyPantsError
from smartypants.ledger import collections, documents, listing
from smartypants.progress import Progress
from smartypants.settings import Settings
from smartypants.types import DocumentRef

LISTING_BATCH = 500
MAX_BLOCKS = 1_000
GPU_SHARE = 0.2
"""An embedding actor's part of a GPU that the query program's models live on too."""


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """What a job of the kind `ingest` asks for.

    `allow_prune` lets more documents go than `ingest.prune_max_share`.
    """

    job_id: str
    source: SourceSpec
    allow_prune: bool = False


def ingest(
    request: IngestRequest,
    settings: Settings,
    engine: Engine,
    report: Callable[[Progress], None],
) -> Progress:
    """Bring the index in line with a source. `report` is called at least at every batch.

    Running it again, also after a crash at any point, finishes what is left and changes
    nothing else. Raises `PruneRefused` when all is indexed but too much would be deleted, and
    other `SmartyPantsError`s when a part of the system fails; documents that fail do not raise.
    """
    refuse_several_machines(settings, hosts())
    progress = Progress()
    dimension, _ = wiring.embedding_shape(settings)
    collection = collections.ensure(
        engine,
        request.source.collection,
        embedding_model=settings.embedder.model,
        dimension=dimension,
    )
    vectors = wiring.open_vectors(settings)
    vectors.create(collection.physical, dimension=dimension)

    report(progress)
    source_id, incomplete = _discover(request, settings, engine, progress)
    work = [_work(row) for row in documents.pending(engine, source_id)]
    progress.documents = len(work)
    progress.working_since = time.monotonic()
    progress.enter("indexing")
    report(progress)
    if work:
        committer = Committer(engine, vectors, collection, settings, progress)
        for receipts in pipeline(work, request.source, collection.physical, settings):
            committer.add(receipts)
            report(progress)
        committer.commit()
    if incomplete is not None:
        raise incomplete
    _prune(request, settings, engine, source_id, progress)
    progress.enter("done")
    report(progress)
    return progress


def pipeline(
    work: list[Work], source: SourceSpec, physical: str, settings: Settings
) -> Iterator[list[Part]]:
    """Run the stages over the work; receipts come as soon as their chunks are written."""
    chosen = settings.ingest
    workers = chosen.max_embed_workers or chosen.embed_workers
    gpus = chosen.embed_gpus
    if gpus is None:
        gpus = GPU_SHARE if has_gpu(settings) else 0.0
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = False
    blocks = min(max(len(work) // chosen.read_batch, 1), MAX_BLOCKS)
    receipts = (
        ray.data.from_items([{"work": item} for item in work], override_num_blocks=blocks)
        .map_batches(
            ReadDocuments,
            fn_constructor_args=(settings, source),
            batch_size=chosen.read_batch,
            compute=ActorPoolStrategy(size=min(chosen.read_workers, blocks)),
            num_cpus=0.5,
        )
        .map_batches(
            EmbedChunks,
            fn_constructor_args=(settings, workers),
            batch_size=chosen.embed_batch,
            compute=ActorPoolStrategy(min_size=chosen.embed_workers, max_size=workers),
            num_cpus=chosen.embed_cpus,
            num_gpus=gpus,
        )
        .map_batches(
            WriteChunks,
            fn_constructor_args=(settings, physical),
            batch_size=chosen.write_batch,
            compute=ActorPoolStrategy(size=1),
            num_cpus=0.25,
        )
    )
    for batch in receipts.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=0):
        yield list(batch["receipt"])


def _discover(
    request: IngestRequest, settings: Settings, engine: Engine, progress: Progress
) -> tuple[str, SmartyPantsError | None]:
    """Note the source's listing in the ledger: the source's id, and what cut the listing short."""
    source = request.source
    connector = wiring.open_connector(
        settings,
        kind=source.kind,
        collection=source.collection,
        uri=source.uri,
        blobs=wiring.open_blobs(settings),
    )
    listing.register_source(
        engine,
        source_id=connector.source_id,
        collection=source.collection,
        kind=source.kind,
        uri=connector.uri,
    )
    started = time.perf_counter()
    refs: list[DocumentRef] = []
    incomplete: SmartyPantsError | None = None

    def note() -> None:
        listed = listing.list_documents(
            engine,
            refs,
            collection=source.collection,
            job_id=request.job_id,
            max_attempts=settings.ingest.max_attempts,
        )
        progress.unchanged += listed.unchanged
        refs.clear()

    try:
        for ref in connector.discover():
            refs.append(ref)
            if len(refs) >= LISTING_BATCH:
                note()
    except InvalidRequest as exc:
        incomplete = exc
    note()
    progress.add_seconds({"discover": time.perf_counter() - started})
    return connector.source_id, incomplete


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
    few = len(gone) <= settings.ingest.prune_min_documents
    if not request.allow_prune and not few and len(gone) > settings.ingest.prune_max_share * total:
        raise PruneRefused(
            f"{len(gone)} of {total} documents of {request.source.uri} have gone; "
            "they are still indexed.",
            "If that is right, ingest again with --prune.",
        )
    if gone:
        progress.enter("deleting")
        remove_documents(settings, engine, request.source.collection, [row.id for row in gone])
        progress.deleted = len(gone)


def _work(row: documents.Document) -> Work:
    ref = DocumentRef(
        source_id=row.source_id,
        uri=row.uri,
        name=row.name,
        etag=row.etag,
        size=row.size,
        media_type=row.media_type,
        metadata=row.metadata,
    )
    return Work(ref, row.acl_id, row.indexed_version)
