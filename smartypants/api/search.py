"""`POST /v1/search`: the passages that fit a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints
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
from smartypants.api.search_results import SearchResponse, response
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
from smartypants.types import Filters, Message, Query, QueryOptions, SearchResult

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
