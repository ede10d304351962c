"""The ingest program on a real local Ray, with a real Milvus Lite server and the real model."""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine

from actors.ingest import IngestRequest, ingest
from actors.jobs import run_jobs
from actors.sharing import SharedPipeline
from actors.stages import SourceSpec
from deployments.local import stores
from smartypants import wiring
from smartypants.errors import EmbeddingModelMismatch, PruneRefused
from smartypants.ledger import acls, collections, documents, jobs
from smartypants.ledger.documents import Document
from smartypants.progress import Progress
from smartypants.settings import Settings
from smartypants.types import Filters
from tests.conftest import free_port

pytestmark = [pytest.mark.ray, pytest.mark.integration]

HANDBOOK = Path(__file__).parents[2] / "examples" / "handbook"


class Watcher:
    """Somebody who runs a job, and lets it run."""

    def report(self, progress: Progress) -> None:
        pass

    def advanced(self) -> None:
        pass

    def listed(self) -> None:
        pass


@dataclass(frozen=True)
class Site:
    """An installation, a folder of documents, and what its collection holds."""

    settings: Settings
    engine: Engine
    pipeline: SharedPipeline
    folder: Path
    collection: str

    def ingest(self, *, allow_prune: bool = False) -> Progress:
        source = SourceSpec("filesystem", self.collection, str(self.folder))
        request = IngestRequest(uuid.uuid4().hex, source, allow_prune)
        progress = Progress()
        ingest(request, self.settings, self.engine, self.pipeline, Watcher(), progress)
        return progress

    def document(self, name: str) -> Document:
        return next(row for row in self.rows() if row.name == name)

    def rows(self) -> list[Document]:
        everybody = acls.allowed_acl_ids(self.engine, [])
        return documents.page(self.engine, collection=self.collection, acl_ids=everybody, limit=500)

    def chunks(self) -> int:
        physical = collections.get(self.engine, self.collection).physical
        return wiring.open_vectors(self.settings).count(physical)

    def texts(self, query: str) -> list[str]:
        found = wiring.open_vectors(self.settings).lexical(
            collections.get(self.engine, self.collection).physical,
            query,
            limit=50,
            acl_ids=acls.allowed_acl_ids(self.engine, []),
            filters=Filters(),
        )
        return [candidate.chunk.text for candidate in found]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("site"),
        vectors={"embedded_port": free_port()},  # type: ignore[arg-type]
        ingest={"batch_chunks": 4},  # type: ignore[arg-type]
    )
    with stores(settings, "test"):
        yield settings


@pytest.fixture(scope="module")
def pipeline(installed: Settings) -> Iterator[SharedPipeline]:
    with SharedPipeline(installed) as pipeline:
        yield pipeline


@pytest.fixture
def site(installed: Settings, pipeline: SharedPipeline, tmp_path: Path) -> Site:
    folder = tmp_path / "documents"
    folder.mkdir()
    engine = wiring.open_ledger(installed)
    return Site(installed, engine, pipeline, folder, f"c{uuid.uuid4().hex[:8]}")


def test_every_format_and_a_second_run_that_embeds_nothing(site: Site) -> None:
    for file in HANDBOOK.iterdir():
        shutil.copy(file, site.folder)
    first = site.ingest()
    names = {file.name for file in HANDBOOK.iterdir()}
    assert {row.name for row in site.rows() if row.state == "indexed"} == names
    assert (first.indexed, first.failed) == (len(names), 0)
    assert first.chunks == site.chunks() == sum(row.chunk_count for row in site.rows())
    assert any(row.chunk_count > 4 for row in site.rows()), "no document travelled in parts"
    assert {"discover", "read", "embed", "write", "commit"} <= set(first.seconds)

    for file in site.folder.iterdir():  # newer, but the same inside
        os.utime(file, (1, 1))
    again = site.ingest()
    assert (again.indexed, again.chunks, again.unchanged) == (0, 0, len(names))
    assert "embed" not in again.seconds or again.seconds["embed"] < 0.01
    assert site.chunks() == first.chunks


def test_changed_broken_and_vanished_files(site: Site) -> None:
    (site.folder / "stays.md").write_text("# Stays\n\nThe lighthouse is white.")
    (site.folder / "changes.md").write_text("# Changes\n\nThe ferry leaves at nine.")
    (site.folder / "goes.txt").write_text("The windmill is old.")
    (site.folder / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    (site.folder / "empty.md").write_bytes(b"")
    (site.folder / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    first = site.ingest()
    assert (first.indexed, first.failed) == (3, 2)
    broken = site.document("broken.pdf")
    assert (broken.state, broken.error_code) == ("failed", "document_unreadable")
    assert "broken.pdf" in (broken.error or "")
    assert site.texts("ferry leaves") == ["# Changes\n\nThe ferry leaves at nine."]

    (site.folder / "changes.md").write_text("# Changes\n\nThe ferry leaves at ten.")
    (site.folder / "goes.txt").unlink()
    (site.folder / "broken.pdf").write_text("Now it is a text about gulls.")
    second = site.ingest()
    assert (second.indexed, second.failed, second.deleted) == (2, 0, 1)
    assert second.unchanged == 2  # the one that stays, and the empty one that failed
    assert site.texts("ferry leaves") == ["# Changes\n\nThe ferry leaves at ten."]
    assert site.texts("windmill") == []
    assert site.texts("gulls") == ["Now it is a text about gulls."]
    assert site.chunks() == 3


def test_too_many_vanished_files_stop_and_ask(site: Site) -> None:
    for number in range(12):
        (site.folder / f"{number}.txt").write_text(f"Note number {number} about the harbour.")
    site.ingest()
    for number in range(8):
        (site.folder / f"{number}.txt").unlink()
    with pytest.raises(PruneRefused, match="8 of 12"):
        site.ingest()
    assert len(site.texts("harbour")) == 12
    allowed = site.ingest(allow_prune=True)
    assert allowed.deleted == 8
    assert len(site.texts("harbour")) == 4


def test_another_embedding_model_is_refused(site: Site) -> None:
    collections.ensure(site.engine, site.collection, embedding_model="another/model", dimension=384)
    with pytest.raises(EmbeddingModelMismatch, match="another/model"):
        site.ingest()


def test_job_that_fails_says_why(site: Site) -> None:
    params = {"connector": "filesystem", "uri": str(site.folder / "nowhere")}
    job = jobs.submit(site.engine, "ingest", site.collection, params)
    run_jobs(site.settings, threading.Event(), only=(job.id,))
    ended = jobs.get(site.engine, job.id)
    assert (ended.state, ended.error_code) == ("failed", "invalid_request")
    assert "nowhere" in (ended.error or "")
