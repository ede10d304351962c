"""An app over a real ledger and blob store, with plain functions where models would be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from smartypants.api.app import create_app
from smartypants.api.services import AnswerRequest, Readiness, Services
from smartypants.blobstores.arrow import ArrowBlobStore
from smartypants.ledger.database import connect
from smartypants.options.answering import LLMSettings
from smartypants.options.ingestion import EmbedderSettings
from smartypants.options.serving import HttpSettings
from smartypants.options.stores import LedgerSettings
from smartypants.protocols import Vectors
from smartypants.settings import Settings
from smartypants.types import (
    Answer,
    AnswerEvent,
    Chunk,
    Citation,
    Delta,
    Message,
    Query,
    SamplingParams,
    SearchHit,
    SearchResult,
)

LLM = "org/small-llm"
WORDS = ("The", " notice", " period", " is", " three", " months.")
CHUNK = Chunk("d" * 32, "v1", 0, "Three months.", 10, 23, ("Lease", "Notice"), "3")
HIT = SearchHit(
    chunk=CHUNK,
    score=0.9,
    scores={"dense": 0.9},
    title="Lease",
    uri="upload:lease.md",
    source_id="s" * 32,
    metadata={"author": "Ann"},
)
RESULT = SearchResult((HIT,), {"rerank": "deadline"}, {"embed": 1.234})
CITATION = Citation(
    1, "d" * 32, CHUNK.chunk_id, "Lease", "upload:lease.md", "Lease > Notice", "3",
    "Three months.", 10, 23, 0.8,
)  # fmt: skip
ANSWER = Answer(
    text="Three months. [1]",
    found=True,
    citations=(CITATION,),
    hits=(HIT,),
    prompt_tokens=7,
    completion_tokens=6,
    supported_sentences=1,
    sentences=1,
)


class RecordingVectors:
    """The vector store as far as the HTTP layer uses it."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.error: Exception | None = None

    def create(self, physical: str, *, dimension: int) -> None:
        self.calls.append(("create", physical, dimension))

    def delete_versions(self, physical: str, keep: dict[str, tuple[str, int] | None]) -> None:
        if self.error:
            raise self.error
        self.calls.append(("delete_versions", physical, dict(keep)))

    def drop(self, physical: str) -> None:
        self.calls.append(("drop", physical))


@dataclass
class Backend:
    """What stands behind the app; tests set errors and read what was asked."""

    queries: list[Query] = field(default_factory=list)
    answers: list[AnswerRequest] = field(default_factory=list)
    chats: list[tuple[list[Message], SamplingParams, str]] = field(default_factory=list)
    deadlines: list[float | None] = field(default_factory=list)
    """Of the models' own routes."""
    error: Exception | None = None
    error_after: int = 0
    endless: bool = False
    closed: int = 0
    parts: dict[str, Readiness] = field(default_factory=lambda: {"llm": Readiness(True, "up")})

    async def search(self, query: Query) -> SearchResult:
        self.queries.append(query)
        if self.error:
            raise self.error
        return RESULT

    async def answer(self, request: AnswerRequest) -> AsyncIterator[AnswerEvent]:
        self.answers.append(request)
        if self.error and not self.error_after:
            raise self.error
        yield RESULT
        async for delta in self._words():
            yield delta
        yield CITATION
        yield ANSWER

    async def generate(
        self,
        messages: Sequence[Message],
        params: SamplingParams,
        request_id: str,
        deadline: float | None,
    ) -> AsyncIterator[Delta]:
        self.deadlines.append(deadline)
        self.chats.append((list(messages), params, request_id))
        async for delta in self._words():
            yield delta
        yield Delta("", "stop", 9, len(WORDS))

    async def _words(self) -> AsyncIterator[Delta]:
        try:
            for number, word in enumerate(WORDS):
                if self.error and number == self.error_after:
                    raise self.error
                yield Delta(word)
            while self.endless:
                await asyncio.sleep(0.01)
                yield Delta(" more")
        finally:
            self.closed += 1

    async def embed(self, texts: Sequence[str], deadline: float | None) -> Vectors:
        self.deadlines.append(deadline)
        if self.error:
            raise self.error
        return np.array([[len(text), 0.5, -1] for text in texts], dtype=np.float32)

    async def rerank(self, query: str, texts: Sequence[str], deadline: float | None) -> list[float]:
        """The longer, the better."""
        self.deadlines.append(deadline)
        if self.error:
            raise self.error
        return [float(len(text) - len(query)) for text in texts]

    async def readiness(self) -> dict[str, Readiness]:
        return self.parts


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "embedder"
    folder.mkdir()
    config = {"hidden_size": 3, "max_position_embeddings": 512}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "modules.json").write_text("[]")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 256}')
    return folder


@pytest.fixture
def ledger_url(sqlite_ledger: str) -> str:
    """Most of these tests hardly touch the ledger; modules that do name `either_ledger` here."""
    return sqlite_ledger


@pytest.fixture
def services(
    tmp_path: Path, backend: Backend, model_folder: Path, ledger_url: str
) -> Iterator[Services]:
    settings = Settings(
        data_dir=tmp_path,
        http=HttpSettings(max_body_bytes=200_000, max_query_chars=100, max_top_k=50),
        embedder=EmbedderSettings(model=str(model_folder)),
        llm=LLMSettings(served_name=LLM, max_model_len=1000),
        ledger=LedgerSettings(url=ledger_url),
    )
    engine = connect(settings.ledger_url)
    yield Services(
        settings=settings,
        engine=engine,
        blobs=ArrowBlobStore(uri=settings.blob_uri),
        vectors=RecordingVectors(),  # type: ignore[arg-type]
        search=backend.search,
        answer=backend.answer,
        generate=backend.generate,
        embed=backend.embed,
        readiness=backend.readiness,
        rerank=backend.rerank,
    )
    engine.dispose()


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(services)) as client:
        yield client


@pytest.fixture
def remade(services: Services) -> Callable[..., TestClient]:
    """A client of an app over other services."""

    def make(**changes: object) -> TestClient:
        return TestClient(create_app(replace(services, **changes)))  # type: ignore[arg-type]

    return make


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
