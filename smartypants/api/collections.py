"""`/v1/collections`: sets of documents that are searched together."""

from __future__ import annotations

from typing import Annotated

import anyio.to_thread
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from smartypants import reindexing, wiring
from smartypants.api.bodies import NO_BODY, json_body
from smartypants.api.fields import Identifier, NoParams, Params, RequestBody, Time, at
from smartypants.api.routing import AnyRoute, Call, Route, json_response
from smartypants.api.services import Services
from smartypants.deleting import drop_collection
from smartypants.errors import (
    CollectionNotFound,
    EmbeddingModelMismatch,
    Unavailable,
    VectorStoreUnavailable,
)
from smartypants.ledger import collections, documents


class CollectionRequest(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "contracts"}]})

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class CollectionPath(Params):
    name: Identifier


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


async def _list(call: Call[None, NoParams]) -> CollectionList:
    def read() -> CollectionList:
        engine = call.services.engine
        counts = documents.counts(engine)
        every = collections.every(engine)
        return CollectionList(collections=[_describe(found, counts) for found in every])

    return await anyio.to_thread.run_sync(read)


async def _get(call: Call[None, CollectionPath]) -> Collection:
    def read() -> Collection:
        found = collections.get(call.services.engine, call.params.name)
        return _describe(found, documents.counts(call.services.engine))

    return await anyio.to_thread.run_sync(read)


async def _create(call: Call[CollectionRequest, NoParams]) -> Response:
    def write() -> tuple[Collection, bool]:
        engine, name = call.services.engine, call.body.name
        new = all(item.name != name for item in collections.every(engine))
        return _describe(ensure(call.services, name), documents.counts(engine)), new

    collection, new = await anyio.to_thread.run_sync(write)
    location = {"Location": f"/v1/collections/{collection.name}"}
    return json_response(collection, status=201 if new else 200, headers=location)


async def _delete(call: Call[None, CollectionPath]) -> Response:
    services = call.services
    await anyio.to_thread.run_sync(
        drop_collection, services.engine, call.params.name, services.vectors, services.blobs
    )
    return Response(status_code=204)


class AcceptedReindex(BaseModel):
    """The job that does it; `GET /v1/jobs/{id}` says how far it is."""

    job_id: str


async def _reindex(call: Call[None, CollectionPath]) -> Response:
    services = call.services
    job = await anyio.to_thread.run_sync(
        reindexing.submit, services.engine, services.settings, call.params.name
    )
    headers = {"Location": f"/v1/jobs/{job.id}"}
    return json_response(AcceptedReindex(job_id=job.id), status=202, headers=headers)


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/v1/collections",
        tag="Collections",
        summary="List collections",
        handler=_list,
        body=NO_BODY,
        params=NoParams,
        response=CollectionList,
    ),
    Route(
        method="POST",
        path="/v1/collections",
        tag="Collections",
        summary="Create a collection, or find it as it is",
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
        handler=_reindex,
        body=NO_BODY,
        params=CollectionPath,
        response=AcceptedReindex,
        status=202,
        errors=(CollectionNotFound,),
    ),
    Route(
        method="DELETE",
        path="/v1/collections/{name}",
        tag="Collections",
        summary="Delete a collection with all its documents",
        handler=_delete,
        body=NO_BODY,
        params=CollectionPath,
        response=None,
        status=204,
        errors=(CollectionNotFound, Unavailable, VectorStoreUnavailable),
    ),
)
