"""`/v1/collections`: sets of documents that are searched together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import anyio.to_thread
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Engine
from starlette.responses import Response

from smartypants import reindexing, wiring
from smartypants.api import access
from smartypants.api.bodies import NO_BODY, json_body
from smartypants.api.fields import Identifier, NoParams, Params, RequestBody, Time, at
from smartypants.api.jobs import AcceptedJob, accepted
from smartypants.api.paging import Paged, page_of
from smartypants.api.routing import AnyRoute, Call, Route, json_response
from smartypants.api.services import Services
from smartypants.auth.callers import Caller
from smartypants.auth.roles import Permission
from smartypants.deleting import drop_collection
from smartypants.errors import (
    CollectionNotFound,
    EmbeddingModelMismatch,
    Unavailable,
    VectorStoreUnavailable,
)
from smartypants.ledger import collections, documents, jobs


class CollectionRequest(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "contracts"}]})

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class CollectionPath(Params):
    name: Identifier


def named(call: Call[Any, CollectionPath]) -> str:
    """The collection of the path."""
    return call.params.name


class DocumentCounts(BaseModel):
    pending: int
    indexed: int
    failed: int
    deleted: int = Field(description="Already hidden; their chunks may still be removed.")


class Collection(BaseModel):
    name: str
    embedding_model: str
    dimension: int
    documents: DocumentCounts
    chunks: int
    created_at: Time


class CollectionList(BaseModel):
    collections: list[Collection]
    next_cursor: str | None = Field(description="Null on the last page.")


def ensure(services: Services, name: str) -> collections.Collection:
    """The collection in the ledger and in the vector store, made where it is new."""
    dimension, _ = wiring.embedding_shape(services.settings)
    found = collections.ensure(
        services.engine,
        name,
        embedding_model=services.settings.embedder.model,
        dimension=dimension,
    )
    services.vectors.create(found.physical, dimension=found.dimension)
    return found


def _describe(found: collections.Collection, counts: dict[str, dict[str, int]]) -> Collection:
    mine = counts.get(found.name, {})
    return Collection(
        name=found.name,
        embedding_model=found.embedding_model,
        dimension=found.dimension,
        documents=DocumentCounts(
            pending=mine.get("pending", 0),
            indexed=mine.get("indexed", 0),
            failed=mine.get("failed", 0),
            deleted=mine.get("deleted", 0),
        ),
        chunks=mine.get("chunks", 0),
        created_at=at(found.created_at),
    )


def _describer(engine: Engine, caller: Caller) -> Callable[[collections.Collection], Collection]:
    """Editors see how many documents there are, others how many they may read."""
    whole = documents.counts(engine)
    readable: dict[str, dict[str, int]] | None = None

    def describe(found: collections.Collection) -> Collection:
        nonlocal readable
        if caller.edits.has(found.name):
            return _describe(found, whole)
        if readable is None:
            readable = documents.counts(engine, acl_ids=access.acl_ids(engine, caller))
        return _describe(found, readable)

    return describe


async def _list(call: Call[None, Paged]) -> CollectionList:
    def read() -> CollectionList:
        describe = _describer(call.services.engine, call.caller)
        every = collections.every(call.services.engine)
        mine = [found for found in every if call.caller.sees(found.name)]
        page, cursor = page_of(mine, call.params, lambda found: found.name)
        return CollectionList(collections=[describe(found) for found in page], next_cursor=cursor)

    return await anyio.to_thread.run_sync(read)


async def _get(call: Call[None, CollectionPath]) -> Collection:
    def read() -> Collection:
        engine, caller = call.services.engine, call.caller
        found = collections.get(engine, call.params.name, caller.reach)
        return _describer(engine, caller)(found)

    return await anyio.to_thread.run_sync(read)


async def _create(call: Call[CollectionRequest, NoParams]) -> Response:
    def write() -> tuple[Collection, bool]:
        engine, name = call.services.engine, call.body.name
        new = all(item.name != name for item in collections.every(engine))
        return _describer(engine, call.caller)(ensure(call.services, name)), new

    collection, new = await anyio.to_thread.run_sync(write)
    location = {"Location": f"/v1/collections/{collection.name}"}
    return json_response(collection, status=201 if new else 200, headers=location)


async def _delete(call: Call[None, CollectionPath]) -> Response:
    services = call.services

    def drop() -> None:
        collections.get(services.engine, call.params.name, call.caller.reach)
        drop_collection(services.engine, call.params.name, services.vectors, services.blobs)

    await anyio.to_thread.run_sync(drop)
    return Response(status_code=204)


async def _reindex(call: Call[None, CollectionPath]) -> Response:
    services, caller = call.services, call.caller

    def submit() -> jobs.Job:
        collections.get(services.engine, call.params.name, caller.reach)
        return reindexing.submit(
            services.engine, services.settings, call.params.name, submitted_by=caller.id
        )

    return accepted(await anyio.to_thread.run_sync(submit))


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/v1/collections",
        tag="Collections",
        summary="List collections",
        permission=Permission.DOCUMENTS_READ,
        handler=_list,
        body=NO_BODY,
        params=Paged,
        response=CollectionList,
    ),
    Route(
        method="POST",
        path="/v1/collections",
        tag="Collections",
        summary="Create a collection, or find it as it is",
        permission=Permission.COLLECTIONS_WRITE,
        collection=lambda call: call.body.name,
        handler=_create,
        body=json_body(CollectionRequest),
        params=NoParams,
        response=Collection,
        status=201,
        other_statuses=(200,),
        errors=(EmbeddingModelMismatch, Unavailable, VectorStoreUnavailable),
    ),
    Route(
        method="GET",
        path="/v1/collections/{name}",
        tag="Collections",
        summary="Get a collection",
        permission=Permission.DOCUMENTS_READ,
        collection=named,
        handler=_get,
        body=NO_BODY,
        params=CollectionPath,
        response=Collection,
        errors=(CollectionNotFound,),
    ),
    Route(
        method="POST",
        path="/v1/collections/{name}/reindex",
        tag="Collections",
        summary="Cut and embed a collection anew, from the texts that were kept",
        permission=Permission.COLLECTIONS_WRITE,
        collection=named,
        handler=_reindex,
        body=NO_BODY,
        params=CollectionPath,
        response=AcceptedJob,
        status=202,
        errors=(CollectionNotFound,),
    ),
    Route(
        method="DELETE",
        path="/v1/collections/{name}",
        tag="Collections",
        summary="Delete a collection with all its documents",
        permission=Permission.COLLECTIONS_WRITE,
        collection=named,
        handler=_delete,
        body=NO_BODY,
        params=CollectionPath,
        response=None,
        status=204,
        errors=(CollectionNotFound, Unavailable, VectorStoreUnavailable),
    ),
)
