"""`/v1/grants`: roles in single collections; for admins."""

from __future__ import annotations

from typing import Literal

import anyio.to_thread
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from smartypants.api.bodies import NO_BODY, json_body
from smartypants.api.fields import (
    CollectionName,
    Identifier,
    NoParams,
    Params,
    RequestBody,
    Time,
    at,
)
from smartypants.api.paging import Paged, page_of
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.auth.roles import Permission, Role
from smartypants.errors import NotFound
from smartypants.ledger import grants


class GrantsQuery(Paged):
    collection: CollectionName | None = None


class GrantRequest(RequestBody):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"collection": "contracts", "principal": "group:legal", "role": "editor"}]
        }
    )

    collection: CollectionName
    principal: Identifier = Field(description="`user:NAME`, `group:NAME`, or `public` for all.")
    role: Literal["reader", "editor"]


class GrantPath(Params):
    collection: CollectionName
    principal: Identifier


class Grant(BaseModel):
    collection: str
    principal: str
    role: str
    created_at: Time


class GrantList(BaseModel):
    grants: list[Grant]
    next_cursor: str | None = Field(description="Null on the last page.")


def _grant(row: grants.Grant) -> Grant:
    return Grant(
        collection=row.collection,
        principal=row.principal,
        role=row.role,
        created_at=at(row.created_at),
    )


async def _grants(call: Call[None, GrantsQuery]) -> GrantList:
    rows = await anyio.to_thread.run_sync(
        grants.every, call.services.engine, call.params.collection
    )
    page, cursor = page_of(rows, call.params, lambda row: f"{row.collection} {row.principal}")
    return GrantList(grants=[_grant(row) for row in page], next_cursor=cursor)


async def _give(call: Call[GrantRequest, NoParams]) -> Grant:
    body = call.body
    row = await anyio.to_thread.run_sync(
        grants.give, call.services.engine, body.collection, body.principal, Role(body.role)
    )
    return _grant(row)


async def _take(call: Call[None, GrantPath]) -> Response:
    await anyio.to_thread.run_sync(
        grants.take, call.services.engine, call.params.collection, call.params.principal
    )
    return Response(status_code=204)


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/v1/grants",
        tag="Access",
        summary="List roles in single collections",
        permission=Permission.ACCESS_MANAGE,
        handler=_grants,
        body=NO_BODY,
        params=GrantsQuery,
        response=GrantList,
    ),
    Route(
        method="PUT",
        path="/v1/grants",
        tag="Access",
        summary="Give a role in a collection, which from then on is only for those who have one",
        permission=Permission.ACCESS_MANAGE,
        handler=_give,
        body=json_body(GrantRequest),
        params=NoParams,
        response=Grant,
    ),
    Route(
        method="DELETE",
        path="/v1/grants",
        tag="Access",
        summary="Take a role in a collection back",
        permission=Permission.ACCESS_MANAGE,
        handler=_take,
        body=NO_BODY,
        params=GrantPath,
        response=None,
        status=204,
        errors=(NotFound,),
    ),
)
