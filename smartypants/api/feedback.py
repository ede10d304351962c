"""`POST /v1/feedback`: whether a hit answers a query, as somebody saw it."""

from __future__ import annotations

import anyio.to_thread
from pydantic import BaseModel, ConfigDict, Field

from smartypants.api import access
from smartypants.api.bodies import json_body
from smartypants.api.fields import CollectionName, Identifier, NoParams, Question, RequestBody
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.auth.roles import Permission
from smartypants.errors import DocumentNotFound
from smartypants.ledger import feedback


class FeedbackRequest(RequestBody):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"query": "notice period", "document_id": "0" * 32, "relevant": True},
            ]
        }
    )

    query: Question
    collection: CollectionName | None = None
    document_id: Identifier
    chunk_id: Identifier | None = Field(None, description="The hit itself, where it is known.")
    relevant: bool
    prompt_version: Identifier | None = Field(
        None, description="Where an answer showed the hit: its `prompt.version`."
    )


class Feedback(BaseModel):
    """What was kept."""

    id: str


async def _record(call: Call[FeedbackRequest, NoParams]) -> Feedback:
    body = call.body
    collection = body.collection or call.services.settings.default_collection

    def write() -> Feedback:
        document = access.document(
            call.services.engine,
            body.document_id,
            call.caller,
            permission=Permission.FEEDBACK_WRITE,
        )
        if document.collection != collection:
            raise DocumentNotFound(
                f"There is no document {body.document_id!r} in {collection!r}.",
                "Name the collection that was searched.",
            )
        kept = feedback.record(
            call.services.engine,
            collection,
            query=body.query,
            document_id=document.id,
            chunk_id=body.chunk_id,
            relevant=body.relevant,
            prompt_version=body.prompt_version,
        )
        return Feedback(id=kept.id)

    return await anyio.to_thread.run_sync(write)


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="POST",
        path="/v1/feedback",
        tag="Search",
        summary="Say whether a hit answers a query",
        permission=Permission.FEEDBACK_WRITE,
        handler=_record,
        body=json_body(FeedbackRequest),
        params=NoParams,
        response=Feedback,
        status=201,
        errors=(DocumentNotFound,),
    ),
)
