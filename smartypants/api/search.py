"""`POST /v1/search`: the passages that fit a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.requests import HTTPConnection

from smartypants.api import context
from smartypants.api.bodies import json_body
from smartypants.api.fields import (
    AuthorName,
    CollectionName,
    Identifier,
    IsoDate,
    MediaTypeName,
    NoParams,
    Question,
    RequestBody,
    TopK,
)
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.api.streaming import while_connected
from smartypants.attributes import instant
from smartypants.auth.roles import Permission
from smartypants.errors import (
    CollectionNotFound,
    DeadlineExceeded,
    EmbeddingModelMismatch,
    FilterNotSupported,
    Overloaded,
    Unavailable,
    VectorStoreUnavailable,
)
from smartypants.settings import Settings
from smartypants.surrounding import joined
from smartypants.types import (
    Chunk,
    Filters,
    Message,
    Query,
    QueryOptions,
    SearchHit,
    SearchResult,
    Step,
    Understanding,
)

RETRIEVAL_ERRORS = (
    CollectionNotFound,
    EmbeddingModelMismatch,
    FilterNotSupported,
    Overloaded,
    Unavailable,
    VectorStoreUnavailable,
    DeadlineExceeded,
)


Identifiers = Annotated[list[Identifier], Field(max_length=1000)]
MAX_TURNS = 100


class SearchFilters(RequestBody):
    """Only passages of documents that fit all of these; an empty list restricts nothing."""

    document_ids: Identifiers = Field(default_factory=list)
    source_ids: Identifiers = Field(default_factory=list)
    media_types: Annotated[list[MediaTypeName], Field(max_length=100)] = Field(
        default_factory=list, description="As `application/pdf`."
    )
    authors: Annotated[list[AuthorName], Field(max_length=100)] = Field(
        default_factory=list, description="Names, or words of names, of which one has to fit."
    )
    after: IsoDate | None = Field(None, description="Dated then, or later.")
    before: IsoDate | None = Field(None, description="Dated earlier.")


class SearchOptions(RequestBody):
    """What this request wants otherwise than its collection's recipe; null: as that says."""

    syntax: bool | None = Field(None, description='`type:pdf`, `after:2023`, "exact phrases".')
    interpret: bool | None = Field(None, description="Filters in plain words.")
    spelling: bool | None = Field(None, description="Correct words that no document has.")
    rewrite: bool | None = Field(None, description="Make a question whole that leans on `history`.")
    expansion: Literal["none", "queries", "hypothetical"] | None = Field(
        None, description="Search for what the LLM writes, too."
    )
    collapse: bool | None = Field(None, description="Show passages that say the same once.")
    diversity: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = Field(
        None, description="Set back hits that resemble better ones (MMR)."
    )
    neighbours: Annotated[int, Field(ge=0, le=5)] = Field(
        0, description="Chunks before and after each hit that come along."
    )
    parents: bool = Field(False, description="The section around each hit comes along.")
    explain: bool = Field(False, description="Every score of every step comes along.")


class Turn(RequestBody):
    """An earlier turn of the conversation."""

    role: Literal["user", "assistant"]
    content: Annotated[str, StringConstraints(min_length=1, max_length=50_000)]


History = Annotated[
    list[Turn], Field(max_length=MAX_TURNS, description="The turns before, oldest first.")
]


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
    options: SearchOptions | None = None
    history: History = Field(default_factory=list)
    cache: UseCache = True


class Passage(BaseModel):
    """Text of the document from `start` to `end`."""

    text: str
    start: int
    end: int
    page: str | None = None


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
    copies: int = Field(0, description="Further passages that say the same.")
    neighbours: list[Passage] | None = Field(None, description="With `options.neighbours`.")
    parent: Passage | None = Field(
        None, description="With `options.parents`: the section; white space may differ."
    )
    explanation: dict[str, float] | None = Field(None, description="With `options.explain`.")
    flags: list[str] | None = Field(
        None,
        description="Of an answer's hits: `injection` where the text seems to hold instructions "
        "for a language model.",
    )


class AppliedFilters(BaseModel):
    """Those of the request and those found in the query; times are Unix seconds."""

    document_ids: list[str]
    source_ids: list[str]
    media_types: list[str]
    authors: list[str]
    after: float | None
    before: float | None


class UnderstoodQuery(BaseModel):
    """What was made of the query."""

    text: str = Field(description="What was searched for.")
    question: str = Field(description="The question, made whole where it leaned on earlier turns.")
    collection: str
    language: str | None = Field(description="ISO 639 code; null where it is not clear.")
    phrases: list[str]
    variants: list[str] = Field(description="What else was searched for, written by the LLM.")
    filters: AppliedFilters


class TraceStep(BaseModel):
    name: str
    ms: float
    detail: str


class SearchResponse(BaseModel):
    """Hits, best first; `skipped` names steps that were left out, and why."""

    hits: list[Hit]
    understood: UnderstoodQuery | None
    trace: list[TraceStep] = Field(description="Each step: what it did, and what it cost.")
    skipped: dict[str, str]
    timings_ms: dict[str, float]
    cached: bool = Field(description="Whether it was made for an earlier request.")
    request_id: str


def section(headings: tuple[str, ...]) -> str:
    return " > ".join(headings)


def _passage(chunk: Chunk) -> Passage:
    return Passage(text=chunk.text, start=chunk.start, end=chunk.end, page=chunk.page)


def hit(found: SearchHit) -> Hit:
    chunk, parent = found.chunk, found.parent
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
        copies=found.copies,
        neighbours=[_passage(near) for near in found.neighbours] or None,
        parent=Passage(text=joined(parent), start=parent[0].start, end=parent[-1].end)
        if parent
        else None,
        explanation=dict(found.explanation) or None,
        flags=list(found.flags) or None,
    )


def understood(found: Understanding) -> UnderstoodQuery:
    return UnderstoodQuery(
        text=found.text,
        question=found.question,
        collection=found.collection,
        language=found.language,
        phrases=list(found.phrases),
        variants=list(found.variants),
        filters=AppliedFilters.model_validate(asdict(found.filters)),
    )


def steps(trace: Sequence[Step]) -> list[TraceStep]:
    return [TraceStep(name=step.name, ms=step.ms, detail=step.detail) for step in trace]


def response(result: SearchResult, request_id: str) -> SearchResponse:
    return SearchResponse(
        hits=[hit(found) for found in result.hits],
        understood=None if result.understood is None else understood(result.understood),
        trace=steps(result.trace),
        skipped=dict(result.skipped),
        timings_ms=rounded(result.timings_ms),
        cached=result.cached,
        request_id=request_id,
    )


def rounded(timings: Mapping[str, float]) -> dict[str, float]:
    return {step: round(value, 2) for step, value in timings.items()}


def to_query(
    request: HTTPConnection,
    settings: Settings,
    *,
    text: str,
    collection: str | None,
    top_k: int,
    rerank: bool | None,
    filters: SearchFilters | None,
    per_document: bool = False,
    options: SearchOptions | None = None,
    history: Sequence[Turn] = (),
    cache: bool = True,
) -> Query:
    """A query, with what the request's headers say."""
    chosen = filters or SearchFilters()
    wanted = options or SearchOptions()
    caller = context.caller(request)
    return Query(
        text=text,
        collection=collection or settings.default_collection,
        top_k=top_k,
        filters=Filters(
            tuple(chosen.document_ids),
            tuple(chosen.source_ids),
            tuple(name.lower() for name in chosen.media_types),
            tuple(chosen.authors),
            None if chosen.after is None else instant(chosen.after),
            None if chosen.before is None else instant(chosen.before),
        ),
        options=QueryOptions(**wanted.model_dump()),
        history=tuple(Message(turn.role, turn.content) for turn in history),
        rerank=rerank,
        per_document=per_document,
        elsewhere=collection is None,
        cache=cache,
        principals=caller.principals,
        reach=caller.reach,
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
        options=body.options,
        history=body.history,
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
        changes=False,
        tag="Search",
        summary="Find passages",
        permission=Permission.DOCUMENTS_READ,
        collection=lambda call: call.body.collection,
        handler=_search,
        body=json_body(SearchRequest),
        params=NoParams,
        response=SearchResponse,
        errors=RETRIEVAL_ERRORS,
    ),
)
