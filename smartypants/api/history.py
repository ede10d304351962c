"""`/v1/documents/{id}/versions` and `/related`: a document over time, and beside others.

Both answer for deleted documents too, as long as the caller may read them.
"""

from __future__ import annotations

import anyio.to_thread
from pydantic import BaseModel, Field

from smartypants.api import access
from smartypants.api.bodies import NO_BODY
from smartypants.api.documents import Document, DocumentPath, describe
from smartypants.api.fields import Time, at, maybe_at
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.auditing import events
from smartypants.auth.roles import Permission
from smartypants.errors import DocumentNotFound
from smartypants.ledger import documents, relations, versions


class DocumentVersion(BaseModel):
    """A version that searches showed, from `indexed_at` until `replaced_at`."""

    version: str = Field(description="A hash of the content.")
    etag: str = Field(description="The source's mark of the version.")
    size: int = Field(description="Bytes.")
    chunks: int
    indexed_at: Time
    replaced_at: Time | None = Field(description="Null: searches show it now.")


class DocumentVersions(BaseModel):
    document_id: str
    versions: list[DocumentVersion] = Field(
        description=f"Newest first, the last {versions.MAX_VERSIONS}."
    )


class RelatedDocument(BaseModel):
    relation: str = Field(
        description="What the document asked for is to this one: `attachment_of`, `reply_to`, "
        "`part_of`, `moved_from`; `has_attachment`, `has_reply`, `has_part`, `moved_to`; or "
        "`duplicate_of`, which has the same content."
    )
    document: Document


class RelatedDocuments(BaseModel):
    document_id: str
    related: list[RelatedDocument] = Field(
        description=f"The first {relations.MAX_RELATED} of each relation, by name."
    )


async def _versions(call: Call[None, DocumentPath]) -> DocumentVersions:
    def read() -> tuple[str, DocumentVersions]:
        row = access.document(
            call.services.engine, call.params.document_id, call.caller, get=documents.known
        )
        found = versions.history(call.services.engine, row.id)
        return row.collection, DocumentVersions(
            document_id=row.id,
            versions=[
                DocumentVersion(
                    version=item.version,
                    etag=item.etag,
                    size=item.size,
                    chunks=item.chunk_count,
                    indexed_at=at(item.indexed_at),
                    replaced_at=maybe_at(item.replaced_at),
                )
                for item in found
            ],
        )

    collection, history = await anyio.to_thread.run_sync(read)
    await call.services.audit(events.documents_shown(collection, [history.document_id], "history"))
    return history


async def _related(call: Call[None, DocumentPath]) -> RelatedDocuments:
    def read() -> tuple[str, RelatedDocuments]:
        engine = call.services.engine
        caller = call.caller
        row = access.document(engine, call.params.document_id, caller, get=documents.known)
        allowed = access.acl_ids(engine, caller)
        return row.collection, RelatedDocuments(
            document_id=row.id,
            related=[
                RelatedDocument(relation=item.relation, document=describe(item.document))
                for item in relations.related(engine, row, acl_ids=allowed, reach=caller.reach)
            ],
        )

    collection, found = await anyio.to_thread.run_sync(read)
    ids = [found.document_id, *(item.document.id for item in found.related)]
    await call.services.audit(events.documents_shown(collection, ids, "related"))
    return found


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/v1/documents/{document_id}/versions",
        tag="Documents",
        summary="List what was searchable of a document, and when",
        permission=Permission.DOCUMENTS_READ,
        handler=_versions,
        body=NO_BODY,
        params=DocumentPath,
        response=DocumentVersions,
        errors=(DocumentNotFound,),
    ),
    Route(
        method="GET",
        path="/v1/documents/{document_id}/related",
        tag="Documents",
        summary="List attachments, replies, parts, moves and duplicates of a document",
        permission=Permission.DOCUMENTS_READ,
        handler=_related,
        body=NO_BODY,
        params=DocumentPath,
        response=RelatedDocuments,
        errors=(DocumentNotFound,),
    ),
)
