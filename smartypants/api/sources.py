"""`/v1/sources`: where the documents of collections come from."""

from __future__ import annotations

import anyio.to_thread
from pydantic import BaseModel, Field
from starlette.responses import Response

from smartypants.addresses import redacted
from smartypants.api import access
from smartypants.api.bodies import NO_BODY
from smartypants.api.fields import CollectionName, Identifier, Params, Time, at, maybe_at
from smartypants.api.jobs import AcceptedJob, accepted
from smartypants.api.paging import Paged, page_of
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.auth.roles import Permission
from smartypants.connectors.uploads import URI as UPLOADS
from smartypants.errors import Conflict, SourceNotFound
from smartypants.ledger import jobs, sources
from smartypants.ledger.sources import SeenSource


class SourcesQuery(Paged):
    collection: CollectionName | None = None


class SourcePath(Params):
    source_id: Identifier


class SourceDocuments(BaseModel):
    """Of those that the caller may read."""

    pending: int
    indexed: int
    failed: int


class Source(BaseModel):
    id: str
    collection: str
    kind: str = Field(description="The connector: filesystem, objects, uploads, or a plugin's.")
    uri: str
    documents: SourceDocuments
    created_at: Time
    listed_at: Time | None = Field(description="When its listing was last complete.")


class SourceList(BaseModel):
    sources: list[Source]
    next_cursor: str | None = Field(description="Null on the last page.")


def _describe(found: SeenSource) -> Source:
    row, counts = found.source, found.counts
    return Source(
        id=row.id,
        collection=row.collection,
        kind=row.kind,
        uri=redacted(row.uri),
        documents=SourceDocuments(
            **{state: counts.get(state, 0) for state in SourceDocuments.model_fields}
        ),
        created_at=at(row.created_at),
        listed_at=maybe_at(row.listed_at),
    )


async def _list(call: Call[None, SourcesQuery]) -> SourceList:
    caller, engine = call.caller, call.services.engine

    def read() -> list[SeenSource]:
        return sources.seen(
            engine,
            acl_ids=access.acl_ids(engine, caller),
            reach=caller.reach,
            edits=caller.edits,
            collection=call.params.collection,
        )

    found = await anyio.to_thread.run_sync(read)
    page, cursor = page_of(found, call.params, lambda item: item.source.id)
    return SourceList(sources=[_describe(item) for item in page], next_cursor=cursor)


async def _get(call: Call[None, SourcePath]) -> Source:
    def read() -> SeenSource:
        return access.source(call.services.engine, call.params.source_id, call.caller)

    return _describe(await anyio.to_thread.run_sync(read))


async def _sync(call: Call[None, SourcePath]) -> Response:
    engine, caller = call.services.engine, call.caller

    def submit() -> jobs.Job:
        row = access.source(
            engine, call.params.source_id, caller, permission=Permission.DOCUMENTS_WRITE
        ).source
        if row.uri == UPLOADS:
            raise Conflict("Uploads are sent, not fetched.", "Send them to POST /v1/documents.")
        params = {"connector": row.kind, "uri": row.given_uri}
        return jobs.submit(engine, "ingest", row.collection, params, submitted_by=caller.id)

    return accepted(await anyio.to_thread.run_sync(submit))


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/v1/sources",
        tag="Sources",
        summary="List sources",
        permission=Permission.DOCUMENTS_READ,
        handler=_list,
        body=NO_BODY,
        params=SourcesQuery,
        response=SourceList,
    ),
    Route(
        method="GET",
        path="/v1/sources/{source_id}",
        tag="Sources",
        summary="Get a source",
        permission=Permission.DOCUMENTS_READ,
        handler=_get,
        body=NO_BODY,
        params=SourcePath,
        response=Source,
        errors=(SourceNotFound,),
    ),
    Route(
        method="POST",
        path="/v1/sources/{source_id}/sync",
        tag="Sources",
        summary="Read what is new or changed in a source",
        permission=Permission.DOCUMENTS_WRITE,
        handler=_sync,
        body=NO_BODY,
        params=SourcePath,
        response=AcceptedJob,
        status=202,
        errors=(SourceNotFound, Conflict),
    ),
)
