"""The job `reindex`: kept texts → pipeline → a new generation → searches change over.

Searches use the former generation until the new one is whole, and never a mix. A crash at any
point costs what was on its way: the next run of the job, or another such job, goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Engine

from actors.committing import Committer
from actors.ingest import PAGE, Watch
from actors.sharing import SharedPipeline
from actors.work import SourceSpec, Work
from smartypants import reindexing, wiring
from smartypants.errors import Conflict, Unavailable, VectorStoreUnavailable
from smartypants.ledger import collections, generations, jobs
from smartypants.ledger.commits import Failed, Indexed
from smartypants.ledger.generations import Generation, GenerationState, Staged
from smartypants.ledger.jobs import Job
from smartypants.metering.counts import payer_of
from smartypants.metering.payer import NOBODY, Payer
from smartypants.progress import Progress
from smartypants.protocols import VectorStore
from smartypants.settings import Settings

RETIRE_AFTER_S = 10.0
"""Longer than a search takes that began before searches changed over."""
TICK_S = 0.25
NAMED = 5


@dataclass(frozen=True, slots=True)
class ReindexRequest:
    """What a job of the kind `reindex` asks for.

    With another `model` than the configured one the new generation is filled and left ready:
    searches change over when that model is configured and the collection is reindexed again,
    which then has little to do. `switched`: an earlier run of the job got so far.
    """

    job_id: str
    collection: str
    model: str | None = None
    switched: bool = False
    share: float = 1.0
    payer: Payer = NOBODY

    @classmethod
    def of(cls, job: Job) -> ReindexRequest:
        return cls(
            job.id,
            job.collection,
            job.params.get("model"),
            switched=bool(job.listed),
            share=2.0 ** (job.priority - 5),
            payer=payer_of(job),
        )


def reindex(
    request: ReindexRequest,
    settings: Settings,
    engine: Engine,
    pipeline: SharedPipeline,
    watch: Watch,
    progress: Progress,
) -> None:
    """Fill a new generation of a collection from the kept texts, and let searches use it.

    Raises `Conflict` if documents can't be cut anew (searches then stay as they are),
    `Unavailable` if that may pass, and what `watch` raises.
    """
    watch.report(progress)
    vectors = wiring.open_vectors(settings)
    if not request.switched:
        chosen = reindexing.with_model(settings, request.model)
        dimension, _ = wiring.embedding_shape(chosen)
        generation, new = generations.begin(
            engine,
            request.collection,
            embedding_model=chosen.embedder.model,
            dimension=dimension,
            recipe=reindexing.recipe(chosen),
        )
        vectors.create(generation.physical, dimension=dimension)
        filling = _Filling(request, settings, engine, vectors, generation, new, watch, progress)
        if chosen is settings:
            filling.run(pipeline)
        else:  # the shared pipeline embeds with the configured model
            with SharedPipeline(chosen) as own:
                filling.run(own)
        if chosen is settings:
            while not generations.switch(engine, generation):
                filling.run(pipeline)  # of what was ingested in the meantime
            watch.listed()
    live = collections.get(engine, request.collection).physical
    vectors.expose(live)
    _drop_retired(request, engine, vectors, watch, progress)
    progress.enter("done")
    watch.report(progress)


class _Filling:
    """Brings a generation up to date; what it holds whole is noted in the ledger."""

    def __init__(
        self,
        request: ReindexRequest,
        settings: Settings,
        engine: Engine,
        vectors: VectorStore,
        generation: Generation,
        new: bool,
        watch: Watch,
        progress: Progress,
    ) -> None:
        self._request = request
        self._settings = settings
        self._engine = engine
        self._vectors = vectors
        self._generation = generation
        self._new = new
        self._watch = watch
        self._progress = progress
        self._acl_ids: dict[str, int] = {}
        self._failed: dict[str, Failed] = {}
        self._staged = 0

    def run(self, pipeline: SharedPipeline) -> None:
        """Raises what `reindex` raises."""
        self._progress.begin_indexing()
        pipeline.warm_up()
        while left := generations.count_left(self._engine, self._generation):
            self._progress.documents = self._progress.done + left
            self._watch.report(self._progress)
            self._staged = 0
            self._failed = {}
            self._pass(pipeline)
            if self._failed:
                raise self._incomplete()
            if not self._staged and generations.count_left(self._engine, self._generation):
                raise VectorStoreUnavailable(
                    "The vector store lost chunks that it had taken.", "See its log."
                )
        gone = generations.stale(self._engine, self._generation)
        if gone:
            self._vectors.delete_versions(self._generation.physical, dict.fromkeys(gone))
            generations.unstage(self._engine, self._generation, gone)

    def _pass(self, pipeline: SharedPipeline) -> None:
        collection = collections.get(self._engine, self._request.collection)
        committer = Committer(
            self._engine,
            self._vectors,
            replace(collection, physical=self._generation.physical),
            self._settings.ingest,
            self._progress,
            self._record,
        )
        try:
            for finished in pipeline.run(self._works(), weight=self._request.share):
                if committer.add(finished):
                    self._watch.advanced()
                self._watch.report(self._progress)
        finally:  # also of a job that stops: what is whole is kept
            if committer.commit():
                self._watch.advanced()

    def _works(self) -> Iterator[Work]:
        source = SourceSpec("kept", self._request.collection, "")
        after = ""
        while page := generations.left(self._engine, self._generation, after=after, limit=PAGE):
            for row, held in page:
                self._acl_ids[row.id] = row.acl_id
                yield Work(
                    source,
                    self._generation.physical,
                    row.ref,
                    row.acl_id,
                    None,
                    fresh=self._new and not held,
                    stored=row.indexed_version,
                    payer=self._request.payer,
                )
            after = page[-1][0].id

    def _record(self, whole: Sequence[Indexed], failed: Sequence[Failed]) -> None:
        """The documents' own rows stay as they are until searches change over."""
        staged = [
            Staged(
                item.document_id,
                item.version,
                self._acl_ids.pop(item.document_id),
                item.chunk_count,
            )
            for item in whole
        ]
        generations.stage(self._engine, self._generation, staged)
        self._staged += len(staged)
        self._failed |= {item.document_id: item for item in failed}

    def _incomplete(self) -> Conflict | Unavailable:
        failed = list(self._failed.values())
        named = " ".join(item.message for item in failed[:NAMED])
        message = f"{len(failed)} documents could not be cut or embedded anew: {named}"
        if any(item.retryable for item in failed):
            return Unavailable(message, "It is tried again.")
        return Conflict(message, "Ingest or delete them; then reindex again, which goes on here.")


def _drop_retired(
    request: ReindexRequest,
    engine: Engine,
    vectors: VectorStore,
    watch: Watch,
    progress: Progress,
) -> None:
    """Drop what searches no longer use, when nobody reads or writes it any more."""
    for generation in generations.every(engine, request.collection):
        if generation.state != GenerationState.RETIRED:
            continue
        progress.enter("deleting")
        since = generation.changed_at
        while time.time() < since + RETIRE_AFTER_S or jobs.running_since(
            engine, request.collection, before=since, besides=request.job_id
        ):
            watch.report(progress)
            time.sleep(TICK_S)
        vectors.drop(generation.physical)
        generations.forget(engine, generation.physical)
