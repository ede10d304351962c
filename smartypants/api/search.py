"""`POST /v1/search`: the passages that fit a query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from smartypants.api import context
from smartypants.api.bodies import json_body
from smartypants.api.fields import (
    CollectionName,
    Identifier,
    NoParams,
    Question,
    RequestBody,
    TopK,
)
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.api.streaming import while_connected
from smartypants.errors import (
    CollectionNotFound,
    DeadlineExceeded,
    EmbeddingModelMismatch,
    Overloaded,
    Unavailable,
    VectorStoreUnavailable,
)
from smartypants.settings import Settings
from smartypants.types import Filters, Query, SearchHit, SearchResult

RETRIEVAL_ERRORS = (
    CollectionNotFound,
    EmbeddingModelMismatch,
    Overloaded,
    Unavailable,
    VectorStoreUnavailable,
    DeadlineExceeded,
)


Identifiers = Annotated[list[Identifier], Field(max_length=1000)]


class SearchFilters(RequestBody):
    """Only passages of these documents and sources; an empty list restricts nothing."""

    document_ids: Identifiers = Field(default_factory=list)
    source_ids: Identifiers = Field(default_factory=list)


UseCache = Annotated[
    bool, Field(description="Whether a result made before may be given, and this one kept.")
]


class SearchRequest(RequestBody):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"query": "notice period for tenants", "top_k": 5}]}
    )

    query: Question
    collection: CollectionName | None = None
    top_k: TopK = 10
    rerank: bool | None = Field(None, description="Default: where a reranker is configured.")
    per_document: bool = Field(False, description="One hit a document, its best passage.")
    filters: SearchFilters | None = None
    cache: UseCache = True


class Hit(BaseModel):
    """A passage: `text` is the document's text from `start` to `end`."""

    document_id: str
    chunk_id: str
    title: str
    uri: str
    source_id: str
    section: str = Field(description="The headings above it, outermost first.")
    page: str | None
    text: str
    start: int
    end: int
    score: float
    scores: dict[str, float] = Field(description="By step: what ranked it.")
    metadata: dict[str, str]


class SearchResponse(BaseModel):
    """Hits, best first; `skipped` names steps that were left out, and why."""

    hits: list[Hit]
    skipped: dict[str, str]
    timings_ms: dict[str, float]
    cached: bool = Field(description="Whether it was made for an earlier request.")
    request_id: str


def section(headings: tuple[str, ...]) -> str:
    return " > ".join(headings)


def hit(found: SearchHit) -> Hit:
    chunk = found.chunk
    return Hit(
        document_id=chunk.document_id,
        chunk_id=chunk.chunk_id,
        title=found.title,
        uri=found.uri,
        source_id=found.source_id,
        section=section(chunk.headings),
        page=chunk.page,
        text=chunk.text,
        start=chunk.start,
        end=chunk.end,
        score=found.score,
        scores=dict(found.scores),
        metadata=dict(found.metadata),
    )


def response(result: SearchResult, request_id: str) -> SearchResponse:
    return SearchResponse(
        hits=[hit(found) for found in result.hits],
        skipped=dict(result.skipped),
        timings_ms=rounded(result.timings_ms),
        cached=result.cached,
        request_id=request_id,
    )


def rounded(timings: Mapping[str, float]) -> dict[str, float]:
    return {step: round(value, 2) for step, value in timings.items()}


def to_query(
    request: Request,
    settings: Settings,
    *,
    text: str,
    collection: str | None,
    top_k: int,
    rerank: bool | None,
    filters: SearchFilters | None,
    per_document: bool = False,
    cache: bool = True,
) -> Query:
    """A query, with what the request's headers say."""
    chosen = filters or SearchFilters()
    return Query(
        text=text,
        collection=collection or settings.default_collection,
        top_k=top_k,
        filters=Filters(tuple(chosen.document_ids), tuple(chosen.source_ids)),
        rerank=rerank,
        per_document=per_document,
        cache=cache,
        principals=context.principals(request),
        request_id=context.request_id(request),
        deadline=context.deadline(request),
    )


async def _search(call: Call[SearchRequest, NoParams]) -> SearchResponse:
    body = call.body
    query = to_query(
        call.request,
        call.services.settings,
        text=body.query,
        collection=body.collection,
        top_k=body.top_k,
        rerank=body.rerank,
        per_document=body.per_document,
        filters=body.filters,
        cache=body.cache,
    )

    async def work() -> SearchResult:
        return await call.services.search(query)

    result = await while_connected(call.request.receive, work())
    return response(result, call.request_id)


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="POST",
        path="/v1/search",
        tag="Search",
        summary="Find passages",
        handler=_search,
        body=json_body(SearchRequest),
        params=NoParams,
        response=SearchResponse,
        errors=RETRIEVAL_ERRORS,
    ),
)
