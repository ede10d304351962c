"""One installation for all tests here: a local Ray, a Milvus Lite server, the real model."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine

from actors.ingest import IngestRequest, ingest
from actors.sharing import SharedPipeline
from actors.work import SourceSpec
from deployments.local import stores
from smartypants import wiring
from smartypants.ledger import acls, collections, documents
from smartypants.ledger.documents import Document
from smartypants.progress import Progress
from smartypants.settings import Settings
from smartypants.types import Filters
from tests.ports import free_port


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
        [found] = wiring.open_vectors(self.settings).lexical(
            collections.get(self.engine, self.collection).physical,
            [query],
            limit=50,
            acl_ids=acls.allowed_acl_ids(self.engine, []),
            filters=Filters(),
        )
        return [candidate.chunk.text for candidate in found]


@pytest.fixture(scope="package")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Ray and the stores take longer to start than most tests take."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("site"),
        vectors={"embedded_port": free_port()},  # type: ignore[arg-type]
        ingest={"batch_chunks": 4, "read_batch": 4},  # type: ignore[arg-type]
    )
    with stores(settings, "test"):
        yield settings


@pytest.fixture(scope="package")
def pipeline(installed: Settings) -> Iterator[SharedPipeline]:
    with SharedPipeline(installed) as pipeline:
        yield pipeline


@pytest.fixture
def site(installed: Settings, pipeline: SharedPipeline, tmp_path: Path) -> Site:
    folder = tmp_path / "documents"
    folder.mkdir()
    engine = wiring.open_ledger(installed)
    return Site(installed, engine, pipeline, folder, f"c{uuid.uuid4().hex[:8]}")
