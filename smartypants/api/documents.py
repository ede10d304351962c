"""`/v1/documents`: what is there, what waits, what failed and why."""

from __future__ import annotations

from typing import Annotated, Literal

import anyio.to_thread
import structlog
from pydantic import BaseModel, Field, StringConstraints
from starlette.responses import Response

from smartypants import texts
from smartypants.api import access
from smartypants.api.bodies import NO_BODY
from smartypants.api.fields import (
    CollectionName,
    Identifier,
    Limit,
    Params,
    Time,
    at,
    maybe_at,
)
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.auditing import events
from smartypants.auth.roles import Permission
from smartypants.deleting import purge
from smartypants.errors import DocumentNotFound, NotFound, Unavailable
from smartypants.ledger import commits, documents
from smartypants.protocols import BlobStore

log = structlog.get_logger(__name__)


class DocumentsQuery(Params):
    collection: CollectionName | None = None
    state: Literal["pending", "indexed", "failed", "dead"] | None = Field(
        None, description="`dead`: failed, and not tried again until `retry` or a change."
    )
    job_id: Identifier | None = None
    limit: Limit = 50
    cursor: (
        Annotated[
            str,
            StringConstraints(pattern=r"^[0-9a-f]{32}$"),
            Field(description="`next_cursor` of the page before."),
        ]
        | None
    ) = None


class DocumentPath(Params):
    document_id: Identifier


class DocumentQuery(DocumentPath):
    include: Literal["text"] | None = Field(
        None, description="`text` adds the document as it was parsed, in Markdown."
    )


class DocumentFailure(BaseModel):
    """Why a document is not indexed; `retry_at` says when it is tried again by itself."""

    code: str
    message: str
    retryable: bool
    attempts: int
    retry_at: Time | None


class Document(BaseModel):
    id: str
    collection: str
    source_id: str
    uri: str
    name: str
    title: str
    media_type: str | None
    metadata: dict[str, str]
    size: int
    state: str
    searchable: bool = Field(description="True also while a newer version waits or failed.")
    chunks: int
    error: DocumentFailure | None
    job_id: str | None
    created_at: Time
    updated_at: Time
    indexed_at: Time | None


class DocumentWithText(Document):
    text: str | None = Field(description="Null unless asked for, and until it is indexed.")


class DocumentList(BaseModel):
    documents: list[Document]
    next_cursor: str | None = Field(description="Null on the last page.")


def describe(row: documents.Document) -> Document:
    failure = None
    if row.error_code is not None:
        failure = DocumentFailure(
            code=row.error_code,
            message=row.error or "",
            retryable=bool(row.retryable),
            attempts=row.attempts,
            retry_at=maybe_at(row.retry_at),
        )
    return Document(
        id=row.id,
        collection=row.collection,
        source_id=row.source_id,
        uri=row.uri,
        name=row.name,
        title=row.title,
        media_type=row.media_type,
        metadata={**row.parsed, **row.metadata},
        size=row.size,
        state=row.state,
        searchable=row.searchable,
        chunks=row.chunk_count,
        error=failure,
        job_id=row.job_id,
        created_at=at(row.created_at),
        updated_at=at(row.updated_at),
        indexed_at=maybe_at(row.indexed_at),
    )


async def _list(call: Call[None, DocumentsQuery]) -> DocumentList:
    wanted = call.params

    def read() -> list[documents.Document]:
        engine = call.services.engine
        return documents.page(
            engine,
            collection=wanted.collection,
            state=wanted.state,
            max_attempts=call.services.settings.ingest.max_attempts,
            job_id=wanted.job_id,
            acl_ids=access.acl_ids(engine, call.caller),
            reach=call.caller.reach,
            after=wanted.cursor or "",
            limit=wanted.limit + 1,
        )

    rows = await anyio.to_thread.run_sync(read)
    page = rows[: wanted.limit]
    await call.services.audit(
        events.documents_listed(wanted.collection or "", [row.id for row in page])
    )
    return DocumentList(
        documents=[describe(row) for row in page],
        next_cursor=page[-1].id if len(rows) > len(page) else None,
    )


def text_of(blobs: BlobStore, row: documents.Document) -> str | None:
    if row.indexed_version is None:
        return None
    try:
        return texts.load_text(blobs, row.id, row.indexed_version)
    except NotFound:  # a newer version was indexed, or the document deleted, meanwhile
        return None


async def _get(call: Call[None, DocumentQuery]) -> DocumentWithText:
    def read() -> DocumentWithText:
        row = access.document(call.services.engine, call.params.document_id, call.caller)
        text = text_of(call.services.blobs, row) if call.params.include == "text" else None
        return DocumentWithText(**describe(row).model_dump(), text=text)

    found = await anyio.to_thread.run_sync(read)
    what = "metadata" if found.text is None else "text"
    await call.services.audit(events.documents_shown(found.collection, [found.id], what))
    return found


async def _delete(call: Call[None, DocumentPath]) -> Response:
    def remove() -> None:
        services = call.services
        row = access.document(
            services.engine,
            call.params.document_id,
            call.caller,
            permission=Permission.DOCUMENTS_WRITE,
        )
        commits.mark_deleted(services.engine, row.collection, [row.id])  # hidden from here on
        try:
            purge(services.engine, row.collection, services.vectors, services.blobs)
        except Unavailable as exc:
            # To the caller it is deleted; what is left goes with the next purge.
            log.warning("purge postponed", document_id=row.id, error=str(exc))

    await anyio.to_thread.run_sync(remove)
    return Response(status_code=204)


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/v1/documents",
        tag="Documents",
        summary="List documents",
        permission=Permission.DOCUMENTS_READ,
        handler=_list,
        body=NO_BODY,
        params=DocumentsQuery,
        response=DocumentList,
    ),
    Route(
        method="GET",
        path="/v1/documents/{document_id}",
        tag="Documents",
        summary="Get a document",
        permission=Permission.DOCUMENTS_READ,
        handler=_get,
        body=NO_BODY,
        params=DocumentQuery,
        response=DocumentWithText,
        errors=(DocumentNotFound,),
    ),
    Route(
        method="DELETE",
        path="/v1/documents/{document_id}",
        tag="Documents",
        summary="Delete a document; no search shows it from then on",
        permission=Permission.DOCUMENTS_WRITE,
        handler=_delete,
        body=NO_BODY,
        params=DocumentPath,
        response=None,
        status=204,
        errors=(DocumentNotFound,),
    ),
)
