"""Takes uploads in: their bytes, who may read them, and the job that indexes them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Engine

from smartypants.api import access
from smartypants.api.collections import ensure
from smartypants.api.services import Services
from smartypants.auth.callers import Caller
from smartypants.auth.roles import Permission
from smartypants.connectors.uploads import URI, UploadsConnector
from smartypants.errors import Conflict
from smartypants.ledger import acls, collections, documents, jobs, listing
from smartypants.types import PUBLIC, DocumentRef, RelationKind


@dataclass(frozen=True, slots=True)
class Upload:
    """A document as it came in, by either way."""

    name: str
    data: bytes = field(repr=False)
    media_type: str | None
    metadata: Mapping[str, str]
    relations: tuple[tuple[RelationKind, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Uploads:
    """`principals` is None where they stay as they were."""

    collection: str
    documents: tuple[Upload, ...]
    principals: tuple[str, ...] | None = None


def accept(services: Services, uploads: Uploads, caller: Caller) -> tuple[str, list[DocumentRef]]:
    """Keep the bytes, note the documents, then queue the job: a crash in between loses nothing
    that was acknowledged, and the next upload's job picks up what was noted.

    Raises `Conflict` for the name of a document that the caller may not read.
    """
    engine, name = services.engine, uploads.collection
    if all(item.name != name for item in collections.every(engine)):
        caller.check(Permission.COLLECTIONS_WRITE, name)
    connector = UploadsConnector(collection=name, blobs=services.blobs)
    principals = _principals(engine, uploads, connector, caller)
    ensure(services, name)
    listing.register_source(
        engine, source_id=connector.source_id, collection=name, kind="uploads", uri=URI
    )
    refs = [
        connector.accept(
            item.data,
            name=item.name,
            media_type=item.media_type,
            metadata=item.metadata,
            principals=principals[item.name],
            relations=item.relations,
        )
        for item in uploads.documents
    ]
    job_id = uuid.uuid4().hex
    listing.list_documents(
        engine,
        refs,
        collection=name,
        job_id=job_id,
        max_attempts=services.settings.ingest.max_attempts,
    )
    params = {"connector": "uploads", "uri": URI}
    jobs.submit(engine, "ingest", name, params, job_id=job_id, submitted_by=caller.id)
    return job_id, refs


def _principals(
    engine: Engine, uploads: Uploads, connector: UploadsConnector, caller: Caller
) -> dict[str, tuple[str, ...]]:
    """Who may read each document from now on, by name.

    Whoever replaces a document decides who reads what is left of it until it is indexed.
    """
    ids = {connector.document_id(item.name): item.name for item in uploads.documents}
    known = documents.by_id(engine, ids)
    allowed = access.acl_ids(engine, caller)
    for row in known.values():
        if row.acl_id not in allowed:
            raise Conflict(f"The name {row.name!r} can't be used.", "Choose another.")
    before = acls.principals(engine, {row.acl_id for row in known.values()})
    return {
        name: uploads.principals
        if uploads.principals is not None
        else (before[known[document_id].acl_id] if document_id in known else (PUBLIC,))
        for document_id, name in ids.items()
    }
