"""`/v1/collections/{name}/export`: the documents that the caller may read, one a line."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio.to_thread
from starlette.responses import Response, StreamingResponse

from smartypants.api import access
from smartypants.api.bodies import NO_BODY
from smartypants.api.collections import CollectionPath, named
from smartypants.api.documents import DocumentWithText, describe, text_of
from smartypants.api.examples import instance
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.auditing import events
from smartypants.auth.roles import Permission
from smartypants.errors import CollectionNotFound
from smartypants.ledger import collections, documents

MEDIA_TYPE = "application/x-ndjson"
PAGE = 100


async def _export(call: Call[None, CollectionPath]) -> Response:
    engine, caller, name = call.services.engine, call.caller, call.params.name
    await anyio.to_thread.run_sync(collections.get, engine, name, caller.reach)
    return StreamingResponse(_lines(call), media_type=MEDIA_TYPE)


async def _lines(call: Call[None, CollectionPath]) -> AsyncGenerator[str, None]:
    after: str | None = ""
    while after is not None:
        page, after = await anyio.to_thread.run_sync(_page, call, after)
        if page:
            ids = [found.id for found in page]
            await call.services.audit(events.documents_shown(call.params.name, ids, "export"))
        for found in page:
            yield _line(found)


def _line(found: DocumentWithText) -> str:
    return f"{found.model_dump_json()}\n"


def _page(
    call: Call[None, CollectionPath], after: str
) -> tuple[list[DocumentWithText], str | None]:
    """A page, and where to go on. What may be read is looked up anew: an export takes long."""
    services, caller = call.services, call.caller
    rows = documents.page(
        services.engine,
        collection=call.params.name,
        acl_ids=access.acl_ids(services.engine, caller),
        reach=caller.reach,
        after=after,
        limit=PAGE,
    )
    page = [
        DocumentWithText(**describe(row).model_dump(), text=text_of(services.blobs, row))
        for row in rows
        if row.searchable
    ]
    return page, rows[-1].id if len(rows) == PAGE else None


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/v1/collections/{name}/export",
        tag="Collections",
        summary="Export the documents that the caller may read: one JSON object a line",
        permission=Permission.COLLECTIONS_EXPORT,
        collection=named,
        handler=_export,
        body=NO_BODY,
        params=CollectionPath,
        response=None,
        media_type=MEDIA_TYPE,
        sample=lambda: _line(instance(DocumentWithText)),
        errors=(CollectionNotFound,),
    ),
)
