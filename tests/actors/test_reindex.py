"""Reindexing on a real local Ray: from the kept texts alone, and never a mix."""

from __future__ import annotations

import shutil
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Engine

from actors import reindex as program
from actors.ingest import IngestRequest, ingest
from actors.reindex import ReindexRequest, reindex
from actors.sharing import SharedPipeline
from actors.work import SourceSpec
from smartypants import verifying, wiring
from smartypants.deleting import remove_documents
from smartypants.errors import Conflict, NotFound
from smartypants.ledger import acls, collections, documents, generations, relations
from smartypants.options.ingestion import IngestSettings
from smartypants.progress import Progress
from smartypants.protocols import VectorStore
from smartypants.settings import Settings
from smartypants.types import Filters, StoredChunk
from tests.conftest import MINILM
from tests.pdfs import make_pdf

pytestmark = [pytest.mark.ray, pytest.mark.integration, pytest.mark.timeout(900)]

PAGES = [[(12.0, "The ferry leaves at nine.")], [(12.0, "It is never late.")]]
SENTENCES = [f"Lighthouse {n} stands on cliff {n} and has a red door." for n in range(30)]


class Stopped(Exception):
    pass


@dataclass
class Watcher:
    """Lets a job run, or stops it at its first commit."""

    stops: bool = False
    switched: bool = field(default=False, init=False)

    def report(self, progress: Progress) -> None:
        pass

    def advanced(self) -> None:
        if self.stops:
            self.stops = False
            raise Stopped

    def listed(self) -> None:
        self.switched = True


@pytest.fixture
def settings(installed: Settings) -> Settings:
    """Commits that are soon and small."""
    ingest = IngestSettings(commit_interval_s=0.01, read_batch=1)
    return installed.model_copy(update={"ingest": ingest})


@dataclass
class Site:
    settings: Settings
    engine: Engine
    folder: Path
    name: str

    def ingest(self, pipeline: SharedPipeline) -> Progress:
        source = SourceSpec("filesystem", self.name, str(self.folder))
        request = IngestRequest(uuid.uuid4().hex, source, allow_prune=True)
        progress = Progress()
        ingest(request, self.settings, self.engine, pipeline, Watcher(), progress)
        return progress

    def reindex(
        self,
        pipeline: SharedPipeline,
        settings: Settings,
        *,
        model: str | None = None,
        watcher: Watcher | None = None,
    ) -> Progress:
        request = ReindexRequest(uuid.uuid4().hex, self.name, model)
        progress = Progress()
        reindex(request, settings, self.engine, pipeline, watcher or Watcher(), progress)
        return progress

    @property
    def vectors(self) -> VectorStore:
        return wiring.open_vectors(self.settings)

    @property
    def collection(self) -> collections.Collection:
        return collections.get(self.engine, self.name)

    def stored(self, physical: str | None = None) -> list[StoredChunk]:
        batches = self.vectors.scan(physical or self.collection.physical, vectors=True)
        return [stored for batch in batches for stored in batch]

    def found(self, words: str) -> set[str]:
        [hits] = self.vectors.lexical(
            self.collection.physical,
            [words],
            limit=20,
            acl_ids=acls.allowed_acl_ids(self.engine, []),
            filters=Filters(),
        )
        return {hit.chunk.text for hit in hits}


@pytest.fixture
def site(settings: Settings, tmp_path: Path) -> Site:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "lights.md").write_text("# Lights\n\n" + "\n\n".join(SENTENCES))
    (folder / "island.pdf").write_bytes(make_pdf(PAGES))
    for n in range(4):
        (folder / f"note{n}.md").write_text(f"# Note {n}\n\nWindmill {n} is old.")
    return Site(settings, wiring.open_ledger(settings), folder, f"c{uuid.uuid4().hex[:8]}")


def test_life_of_a_collection(
    site: Site,
    pipeline: SharedPipeline,
    tmp_path: Path,
    minilm: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(program, "RETIRE_AFTER_S", 0.2)
    first = site.ingest(pipeline)
    assert (first.indexed, first.failed) == (6, 0)

    # A renamed document whose title does not change is not embedded again.
    (site.folder / "note0.md").rename(site.folder / "renamed.md")
    renamed = site.ingest(pipeline)
    assert (renamed.indexed, renamed.deleted, renamed.embedded) == (1, 1, 0)
    rows = documents.of_collection(site.engine, site.name)
    new = next(row for row in rows if row.name == "renamed.md")
    [move] = relations.related(site.engine, new, acl_ids=[new.acl_id])
    assert (move.relation, move.document.name) == ("moved_from", "note0.md")

    # Same model: what was embedded before is not embedded again, and nothing is fetched.
    shutil.rmtree(site.folder)
    before = {item.chunk_id: item for item in site.stored()}
    was = site.collection.physical
    again = site.reindex(pipeline, site.settings)
    assert (again.indexed, again.embedded) == (6, 0)
    after = {item.chunk_id: item for item in site.stored()}
    assert site.collection.physical != was
    assert after.keys() == before.keys()
    assert all((after[key].vector == before[key].vector).all() for key in after)
    assert all(after[key].chunk == before[key].chunk for key in after)
    assert not site.vectors.client.has_collection(was)  # type: ignore[attr-defined]
    assert verifying.verify(site.engine, site.vectors, site.name).ok

    # Another model is prepared while searches use the present one.
    copied = tmp_path / "other-model"
    shutil.copytree(minilm, copied)
    was = site.collection.physical
    site.reindex(pipeline, site.settings, model=str(copied))
    assert (site.collection.physical, site.collection.embedding_model) == (was, MINILM)
    [prepared] = generations.every(site.engine, site.name)
    assert generations.count_left(site.engine, prepared) == 0

    embedder = site.settings.embedder.model_copy(update={"model": str(copied)})
    other = site.settings.model_copy(update={"embedder": embedder})
    with SharedPipeline(other) as another:
        done = site.reindex(another, other)  # now it is configured: there is nothing left to do
        assert (done.indexed, done.chunks) == (0, 0)
    assert site.collection.physical == prepared.physical
    assert site.collection.embedding_model == str(copied)
    assert verifying.verify(site.engine, site.vectors, site.name).ok


def test_cut_anew_through_a_stop_and_a_deletion(
    site: Site, pipeline: SharedPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "RETIRE_AFTER_S", 0.2)
    site.ingest(pipeline)
    shutil.rmtree(site.folder)
    before = {item.chunk_id: item.chunk for item in site.stored()}
    was = site.collection.physical
    finer = site.settings.model_copy(
        update={"chunker": site.settings.chunker.model_copy(update={"max_tokens": 80})}
    )
    with SharedPipeline(finer) as another:
        with pytest.raises(Stopped):
            site.reindex(another, finer, watcher=Watcher(stops=True))
        assert site.collection.physical == was
        assert {item.chunk_id: item.chunk for item in site.stored()} == before  # no mix
        [half] = generations.every(site.engine, site.name)
        left = generations.count_left(site.engine, half)
        assert 0 < left < 6

        # One that was staged is deleted, the text of one that was not is lost.
        waiting = {row.id for row, _ in generations.left(site.engine, half)}
        rows = documents.of_collection(site.engine, site.name)
        staged = next(row for row in rows if row.id not in waiting)
        lost = next(row for row in rows if row.id in waiting)
        remove_documents(finer, site.engine, site.name, [staged.id])
        blobs = wiring.open_blobs(finer)
        blobs.delete(f"text/{lost.id}")
        blobs.delete(f"raw/{lost.id}")
        with pytest.raises(NotFound):
            blobs.get(f"raw/{lost.id}/{lost.indexed_version}")
        with pytest.raises(Conflict, match="could not be cut"):
            site.reindex(another, finer)
        assert site.collection.physical == was
        remove_documents(finer, site.engine, site.name, [lost.id])

        watcher = Watcher()
        rest = site.reindex(another, finer, watcher=watcher)
        assert rest.indexed <= left - 1
        assert watcher.switched
    verified = verifying.verify(site.engine, site.vectors, site.name)
    assert (verified.ok, verified.documents) == (True, 4)
    assert site.collection.physical == half.physical
    after = {item.chunk_id: item.chunk for item in site.stored()}
    kept = [row for row in rows if row.id not in (staged.id, lost.id)]
    if any(row.name == "lights.md" for row in kept):
        assert len(after) > sum(row.chunk_count for row in kept)
    if any(row.name == "island.pdf" for row in kept):
        assert {chunk.page for chunk in after.values()} >= {"1"}
