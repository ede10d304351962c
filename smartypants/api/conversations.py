"""`/v1/conversations`: what was asked and answered in chats; for whoever asked."""

from __future__ import annotations

from typing import Annotated

import anyio.to_thread
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from smartypants.api import access
from smartypants.api.bodies import NO_BODY, json_body
from smartypants.api.conversation_views import (
    Conversation,
    ConversationWithTurns,
    describe,
    turn_views,
)
from smartypants.api.fields import Identifier, Limit, Params, RequestBody, no_controls
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.auditing import events
from smartypants.auth.roles import Permission
from smartypants.errors import ConversationNotFound
from smartypants.ledger import conversations, turns


class ConversationsQuery(Params):
    limit: Limit = 50
    cursor: (
        Annotated[
            str,
            StringConstraints(pattern=r"^[0-9]{1,12}(\.[0-9]{1,9})?_[0-9a-f]{32}$"),
            Field(description="`next_cursor` of the page before."),
        ]
        | None
    ) = None


class ConversationPath(Params):
    conversation_id: Identifier


class ConversationChange(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"title": "Leases"}]})

    title: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=conversations.MAX_TITLE),
        AfterValidator(no_controls),
    ]


class ConversationList(BaseModel):
    conversations: list[Conversation]
    next_cursor: str | None = Field(description="Null on the last page.")


async def _list(call: Call[None, ConversationsQuery]) -> ConversationList:
    wanted, before = call.params, None
    if wanted.cursor is not None:
        updated_at, _, conversation_id = wanted.cursor.partition("_")
        before = (float(updated_at), conversation_id)

    def read() -> ConversationList:
        rows = conversations.page(
            call.services.engine, call.caller.id, limit=wanted.limit + 1, before=before
        )
        page = rows[: wanted.limit]
        more = len(rows) > len(page)
        return ConversationList(
            conversations=[describe(row) for row in page],
            next_cursor=f"{page[-1].updated_at!r}_{page[-1].id}" if more else None,
        )

    return await anyio.to_thread.run_sync(read)


async def _get(call: Call[None, ConversationPath]) -> ConversationWithTurns:
    def read() -> tuple[ConversationWithTurns, set[str]]:
        engine = call.services.engine
        row = access.conversation(engine, call.params.conversation_id, call.caller)
        found = turns.of_conversation(engine, row.id)
        views = turn_views(engine, found, call.caller)
        shown = (turn.sources for turn, view in zip(found, views, strict=True) if not view.withheld)
        sources = {document_id for each in shown for document_id in each}
        return ConversationWithTurns(**describe(row).model_dump(), turns=views), sources

    found, sources = await anyio.to_thread.run_sync(read)
    if sources:
        collection = found.collection or call.services.settings.default_collection
        shown = events.documents_shown(collection, sorted(sources), "conversation")
        await call.services.audit(shown)
    return found


async def _rename(call: Call[ConversationChange, ConversationPath]) -> Conversation:
    def write() -> Conversation:
        engine, conversation_id = call.services.engine, call.params.conversation_id
        access.conversation(engine, conversation_id, call.caller)
        conversations.rename(engine, conversation_id, call.body.title)
        return describe(access.conversation(engine, conversation_id, call.caller))

    return await anyio.to_thread.run_sync(write)


async def _remove(call: Call[None, ConversationPath]) -> Response:
    def remove() -> None:
        engine, conversation_id = call.services.engine, call.params.conversation_id
        access.conversation(engine, conversation_id, call.caller, removing=True)
        conversations.remove(engine, conversation_id)

    await anyio.to_thread.run_sync(remove)
    return Response(status_code=204)


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/v1/conversations",
        tag="Chat",
        summary="List one's conversations, the one used last first",
        permission=Permission.DOCUMENTS_READ,
        handler=_list,
        body=NO_BODY,
        params=ConversationsQuery,
        response=ConversationList,
    ),
    Route(
        method="GET",
        path="/v1/conversations/{conversation_id}",
        tag="Chat",
        summary="Get a conversation with its turns",
        permission=Permission.DOCUMENTS_READ,
        handler=_get,
        body=NO_BODY,
        params=ConversationPath,
        response=ConversationWithTurns,
        errors=(ConversationNotFound,),
    ),
    Route(
        method="PUT",
        path="/v1/conversations/{conversation_id}",
        tag="Chat",
        summary="Rename a conversation",
        permission=Permission.DOCUMENTS_READ,
        handler=_rename,
        body=json_body(ConversationChange),
        params=ConversationPath,
        response=Conversation,
        errors=(ConversationNotFound,),
    ),
    Route(
        method="DELETE",
        path="/v1/conversations/{conversation_id}",
        tag="Chat",
        summary="Delete a conversation with its turns; who manages access may delete others'",
        permission=Permission.DOCUMENTS_READ,
        handler=_remove,
        body=NO_BODY,
        params=ConversationPath,
        response=None,
        status=204,
        errors=(ConversationNotFound,),
    ),
)
