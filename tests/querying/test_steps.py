"""The whole interpretation, over a real ledger, a real index and a real HTTP endpoint."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
import uvicorn
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from smartypants.ledger import acls, collections, commits, listing
from smartypants.ledger.commits import Indexed
from smartypants.llms.openai import OpenAILLM
from smartypants.media_types import PDF
from smartypants.options.ingestion import EmbedderSettings
from smartypants.processing import Helpers, process
from smartypants.querying.asking import Pace, Reply, whole
from smartypants.querying.vocabulary import Vocabularies
from smartypants.recipes import Recipe
from smartypants.settings import Settings
from smartypants.types import (
    Chunk,
    DocumentRef,
    Filters,
    Message,
    Query,
    QueryOptions,
    SamplingParams,
    SearchPlan,
)
from smartypants.vectorstores.milvus import MilvusVectorStore

pytestmark = pytest.mark.integration

COMMON = frozenset({"monty"})
SETTINGS = Settings(embedder=EmbedderSettings(model="m"))
TALK = (
    Message("user", "What were the harbour fees in 2022?"),
    Message("assistant", "They were 40 crowns a metre."),
)


@dataclass
class Endpoint:
    """A language model's server that says what a test tells it to."""

    url: str = ""
    says: str = ""
    status: int = 200
    delay_s: float = 0.0
    seen: list[dict[str, object]] = field(default_factory=list)

    async def complete(self, request: Request) -> Response:
        self.seen.append(await request.json())
        await asyncio.sleep(self.delay_s)
        if self.status != 200:
            return JSONResponse({"error": {"message": "no"}}, status_code=self.status)
        return StreamingResponse(self._pieces(), media_type="text/event-stream")

    async def _pieces(self) -> AsyncIterator[str]:
        base = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        for text in self.says.splitlines(keepends=True):
            choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
            yield f"data: {json.dumps({**base, 'choices': [choice]})}\n\n"
        end = {"index": 0, "delta": {}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 90, "completion_tokens": 11, "total_tokens": 101}
        yield f"data: {json.dumps({**base, 'choices': [end], 'usage': usage})}\n\n"
        yield "data: [DONE]\n\n"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    app = Starlette(routes=[Route("/v1/chat/completions", made.complete, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    made.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    yield made
    server.should_exit = server.force_exit = True  # an answer may be late by design
    thread.join(5)


@dataclass
class Site:
    """A collection with one public and one secret document."""

    engine: Engine
    vectors: MilvusVectorStore
    name: str
    helpers: Helpers

    def plan(self, text: str, **query: object) -> SearchPlan:
        query = {"collection": self.name, **query}
        asked = Query(text, **query)  # type: ignore[arg-type]
        return asyncio.run(
            process(asked, engine=self.engine, settings=SETTINGS, helpers=self.helpers)
        )


@pytest.fixture
def site(engine: Engine, milvus: MilvusVectorStore, endpoint: Endpoint) -> Iterator[Site]:
    name = f"q{uuid.uuid4().hex[:12]}"
    collection = collections.ensure(engine, name, embedding_model="m", dimension=4)
    milvus.create(collection.physical, dimension=4)
    listing.register_source(
        engine,
        source_id="s" * 32,
        collection=name,
        kind="filesystem",
        uri="file:///srv/port%20docs",
    )
    for text, principals in (
        ("The harbour charges a monthly fee.", ("public",)),
        ("The zeppelin is secret.", ("group:board",)),
    ):
        uri = f"file:///srv/{text[:9]}"
        ref = DocumentRef("s" * 32, uri, "a.txt", "v1", 1, principals=principals)
        listing.list_documents(engine, [ref], collection=name, job_id="j", max_attempts=1)
        with engine.begin() as connection:
            acl_id = acls.acl_id(connection, principals)
        chunk = Chunk(ref.document_id, "v1", 0, text, 0, len(text))
        vector = np.full((1, 4), 0.5, dtype=np.float32)
        milvus.upsert(collection.physical, [chunk], vector, acl_ids=[acl_id], source_ids=["s" * 32])
        milvus.flush(collection.physical)
        commits.commit(engine, name, [Indexed(ref.document_id, "v1", "T", 1)], [])
    llm = OpenAILLM("m", api_base=endpoint.url)

    async def ask(messages: Sequence[Message], sampling: SamplingParams, deadline: float) -> Reply:
        try:
            return await whole(llm.generate(messages, sampling, request_id="r"))
        finally:
            await llm.close()  # each test's call has an event loop of its own

    yield Site(engine, milvus, name, Helpers(milvus, Vocabularies(milvus), COMMON, ask))
    milvus.drop(collection.physical)


def ready(site: Site) -> None:
    """Have the vocabulary made."""
    for _ in range(200):
        if "spelling" not in site.plan("harbour").skipped:
            return
        time.sleep(0.02)
    raise AssertionError("the vocabulary was never made")


def test_syntax_with_names_of_the_ledger(site: Site) -> None:
    plan = site.plan('source:"port docs" type:pdf "monthly fee" harbour')
    assert plan.filters == Filters(source_ids=("s" * 32,), media_types=(PDF,))
    assert (plan.text, plan.phrases) == ("monthly fee harbour", ("monthly fee",))
    assert plan.trace[0].detail == 'source:"port docs" type:pdf "monthly fee"'
    assert site.plan("source:filesystem fee").filters.source_ids == ("s" * 32,)
    assert site.plan("source:elsewhere fee").text == "source:elsewhere fee"
    assert site.plan("type:pdf").text == "type:pdf"  # there is nothing else to search for


def test_filters_of_the_caller_are_never_widened(site: Site) -> None:
    mine = Filters(media_types=("text/html",))
    assert site.plan("type:pdf fee", filters=mine).filters.document_ids == ("",)
    assert site.plan("type:html fee", filters=mine).filters == mine
    assert site.plan("PDFs about fees", filters=mine).filters.document_ids == ("",)


def test_in_names_a_collection_where_the_caller_chose_none(site: Site) -> None:
    other = f"{site.name}b"
    collections.ensure(site.engine, other, embedding_model="m", dimension=4)
    chosen = site.plan(f"in:{other} fee")
    assert (chosen.query.collection, chosen.text) == (site.name, f"in:{other} fee")
    free = site.plan(f"in:{other} source:filesystem fee", elsewhere=True)
    assert free.query.collection == other
    assert free.physical_collection.startswith(f"{other}__")
    assert free.text == "source:filesystem fee"  # which is a source of another collection
    assert site.plan("in:nowhere fee", elsewhere=True).text == "in:nowhere fee"


def test_plain_words(site: Site) -> None:
    plan = site.plan("PDFs by Jane Doe about harbour fees")
    assert plan.filters == Filters(media_types=(PDF,), authors=("Jane Doe",))
    assert (plan.text, plan.question) == ("harbour fees", "PDFs by Jane Doe about harbour fees")
    german = site.plan("Wie lange ist die Kündigungsfrist?")
    assert german.language == "de"
    assert "English" in german.skipped["interpret"]


def test_spelling_once_there_is_a_vocabulary(site: Site) -> None:
    first = site.plan("harbuor")
    assert (first.text, first.skipped["spelling"]) == ("harbuor", "the vocabulary is being made")
    ready(site)
    assert site.plan("monty there").text == "monty there"
    plan = site.plan("harbuor zepelin")
    assert plan.text == "harbour zepelin"
    assert [step.detail for step in plan.trace if step.name == "spelling"] == ["harbuor → harbour"]
    assert site.plan("harbuor zepelin", principals=("group:board",)).text == "harbour zeppelin"
    assert site.plan("harbuor", options=QueryOptions(spelling=False)).text == "harbuor"


def test_a_question_is_made_whole(site: Site, endpoint: Endpoint) -> None:
    endpoint.says = "What were the harbour fees in 2023?"
    plan = site.plan("and in 2023?", history=TALK)
    assert plan.text == plan.question == "What were the harbour fees in 2023?"
    [step] = [step for step in plan.trace if step.name == "rewrite"]
    assert step.detail == "90 + 11 tokens"
    assert step.ms > 0
    assert "40 crowns" in json.dumps(endpoint.seen[0]["messages"])


def test_when_no_model_is_asked(site: Site, endpoint: Endpoint) -> None:
    assert site.plan("and in 2023?").skipped["rewrite"] == "no earlier turns"
    whole_one = "Which harbours charge fees by the metre?"
    assert "by itself" in site.plan(whole_one, history=TALK).skipped["rewrite"]
    off = site.plan("and?", history=TALK, options=QueryOptions(rewrite=False))
    assert off.skipped["rewrite"] == off.skipped["expansion"] == "switched off"
    assert endpoint.seen == []


@pytest.mark.parametrize("status", [400, 429, 500])
def test_a_failing_model_costs_the_step_alone(site: Site, endpoint: Endpoint, status: int) -> None:
    endpoint.status = status
    plan = site.plan("and in 2023?", history=TALK, options=QueryOptions(expansion="queries"))
    assert plan.text == "and in 2023?"
    assert "language model failed" in plan.skipped["rewrite"]
    assert "language model failed" in plan.skipped["expansion"]
    assert "left out" in next(step for step in plan.trace if step.name == "rewrite").detail


def test_expansion(site: Site, endpoint: Endpoint) -> None:
    endpoint.says = "1. port charges\n2. costs of berths"
    plan = site.plan("harbour fees", options=QueryOptions(expansion="queries"))
    assert plan.variants == ("port charges", "costs of berths")
    assert plan.text == "harbour fees"
    plan = site.plan("harbour fees", options=QueryOptions(expansion="hypothetical"))
    assert plan.variants == ("1. port charges 2. costs of berths",)


def test_a_deadline_forbids_what_would_take_too_long(site: Site, endpoint: Endpoint) -> None:
    endpoint.says = "port charges"
    options = QueryOptions(expansion="queries")
    tight = site.plan("harbour fees", options=options, deadline=time.time() + 0.6)
    assert "s are left" in tight.skipped["expansion"]
    assert endpoint.seen == []
    assert site.plan("harbour fees", options=options, deadline=time.time() + 9).variants
    # It is quick, which is known now; then it no longer is, and the deadline ends it.
    assert site.plan("harbour fees", options=options, deadline=time.time() + 4).variants
    endpoint.delay_s = 30.0
    started = time.monotonic()
    slow = site.plan("harbour fees", options=options, deadline=time.time() + 4)
    assert "took over" in slow.skipped["expansion"]
    assert time.monotonic() - started < 20.0


def test_what_was_slow_is_tried_again_some_time() -> None:
    pace = Pace()
    pace.took("x", 8.0)
    for _ in range(20):
        pace.skipped("x")
    assert pace.expected("x") < 1.0


def test_requests_override_the_recipe() -> None:
    recipe = Recipe(spelling=False, diversity=0.2)
    made = recipe.but(QueryOptions(spelling=True, expansion="hypothetical", syntax=False))
    assert (made.spelling, made.diversity, made.syntax) == (True, 0.2, False)
    assert made.expansion == "hypothetical"
    assert recipe.but(QueryOptions()) is recipe
