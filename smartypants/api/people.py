"""`/v1/users` and `/v1/groups`: who there is; for admins."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import anyio.to_thread
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from smartypants.api.bodies import NO_BODY, json_body
from smartypants.api.fields import (
    Identifier,
    Limit,
    NoParams,
    Params,
    RequestBody,
    Time,
    at,
    maybe_at,
    no_controls,
)
from smartypants.api.paging import Paged, page_of
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.auth.roles import Permission, Role
from smartypants.errors import Conflict, NotFound, UserNotFound
from smartypants.ledger import groups, users

UserName = Annotated[str, StringConstraints(min_length=1, max_length=users.MAX_NAME)]
RoleName = Literal["none", "reader", "editor", "service", "admin"]


class UsersQuery(Params):
    limit: Limit = 50
    cursor: Annotated[str, StringConstraints(max_length=users.MAX_NAME)] | None = Field(
        None, description="`next_cursor` of the page before."
    )


class UserPath(Params):
    name: Identifier


class UserRequest(RequestBody):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "crawler", "kind": "service", "role": "service"}]}
    )

    name: UserName = Field(description="`user:NAME` is what ACLs call it.")
    kind: Literal["person", "service"] = "person"
    role: RoleName = "reader"


class UserChange(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "editor"}]})

    role: RoleName | None = None
    disabled: bool | None = Field(None, description="Shut out, with all keys and sessions.")


class UserDescription(BaseModel):
    name: str
    kind: str
    role: str
    display_name: str
    email: str | None
    disabled: bool
    groups: list[str]
    created_at: Time
    seen_at: Time | None = Field(description="To the hour.")


class UserList(BaseModel):
    users: list[UserDescription]
    next_cursor: str | None = Field(description="Null on the last page.")


def _describe(call: Call[Any, Any], user: users.User) -> UserDescription:
    return UserDescription(
        name=user.name,
        kind=user.kind,
        role=user.role,
        display_name=user.display_name,
        email=user.email,
        disabled=bool(user.disabled),
        groups=list(groups.of_user(call.services.engine, user.id)),
        created_at=at(user.created_at),
        seen_at=maybe_at(user.seen_at),
    )


async def _users(call: Call[None, UsersQuery]) -> UserList:
    def read() -> UserList:
        wanted = call.params
        rows = users.page(call.services.engine, after=wanted.cursor or "", limit=wanted.limit + 1)
        page = rows[: wanted.limit]
        return UserList(
            users=[_describe(call, row) for row in page],
            next_cursor=page[-1].name if len(rows) > len(page) else None,
        )

    return await anyio.to_thread.run_sync(read)


async def _create(call: Call[UserRequest, NoParams]) -> UserDescription:
    def write() -> UserDescription:
        body = call.body
        user = users.create(call.services.engine, body.name, role=Role(body.role), kind=body.kind)
        return _describe(call, user)

    return await anyio.to_thread.run_sync(write)


async def _change(call: Call[UserChange, UserPath]) -> UserDescription:
    def write() -> UserDescription:
        body = call.body
        role = None if body.role is None else Role(body.role)
        user = users.change(
            call.services.engine, call.params.name, role=role, disabled=body.disabled
        )
        return _describe(call, user)

    return await anyio.to_thread.run_sync(write)


class GroupPath(Params):
    group: Annotated[str, StringConstraints(min_length=1, max_length=groups.MAX_NAME)]


class GroupRequest(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"members": []}]})

    members: Annotated[list[UserName], Field(max_length=10_000)] = Field(
        description="Names of users: all that are given here; what issuers claim stays."
    )


class Member(BaseModel):
    user: str
    origin: str = Field(description="`api`, or the issuer that says so.")


class Group(BaseModel):
    name: str = Field(description="`group:NAME` is what ACLs call it.")
    members: list[Member]


class GroupList(BaseModel):
    groups: list[Group]
    next_cursor: str | None = Field(description="Null on the last page.")


def _group(name: str, members: list[groups.Membership]) -> Group:
    return Group(name=name, members=[Member(user=m.user, origin=m.origin) for m in members])


async def _groups(call: Call[None, Paged]) -> GroupList:
    def read() -> GroupList:
        found = groups.every(call.services.engine)
        page, cursor = page_of(found, call.params, str)
        return GroupList(groups=[_group(name, found[name]) for name in page], next_cursor=cursor)

    return await anyio.to_thread.run_sync(read)


async def _set_group(call: Call[GroupRequest, GroupPath]) -> Group:
    def write() -> Group:
        engine, name = call.services.engine, no_controls(call.params.group)
        ids = [users.named(engine, member).id for member in call.body.members]
        groups.set_members(engine, name, ids)
        return _group(name, groups.every(engine)[name])

    return await anyio.to_thread.run_sync(write)


async def _remove_group(call: Call[None, GroupPath]) -> Response:
    await anyio.to_thread.run_sync(groups.remove, call.services.engine, call.params.group)
    return Response(status_code=204)


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/v1/users",
        tag="Access",
        summary="List users",
        permission=Permission.ACCESS_MANAGE,
        handler=_users,
        body=NO_BODY,
        params=UsersQuery,
        response=UserList,
    ),
    Route(
        method="POST",
        path="/v1/users",
        tag="Access",
        summary="Make a user: a service, or a person before the first login",
        permission=Permission.ACCESS_MANAGE,
        handler=_create,
        body=json_body(UserRequest),
        params=NoParams,
        response=UserDescription,
        status=201,
        errors=(Conflict,),
    ),
    Route(
        method="PUT",
        path="/v1/users/{name:path}",
        tag="Access",
        summary="Give a user another role, shut it out or let it in; what is left out stays",
        permission=Permission.ACCESS_MANAGE,
        handler=_change,
        body=json_body(UserChange),
        params=UserPath,
        response=UserDescription,
        errors=(UserNotFound,),
    ),
    Route(
        method="GET",
        path="/v1/groups",
        tag="Access",
        summary="List groups with their members",
        permission=Permission.ACCESS_MANAGE,
        handler=_groups,
        body=NO_BODY,
        params=Paged,
        response=GroupList,
    ),
    Route(
        method="PUT",
        path="/v1/groups/{group:path}",
        tag="Access",
        summary="Say who is in a group; a new one is made",
        permission=Permission.ACCESS_MANAGE,
        handler=_set_group,
        body=json_body(GroupRequest),
        params=GroupPath,
        response=Group,
        errors=(UserNotFound,),
    ),
    Route(
        method="DELETE",
        path="/v1/groups/{group:path}",
        tag="Access",
        summary="Remove a group with its memberships",
        permission=Permission.ACCESS_MANAGE,
        handler=_remove_group,
        body=NO_BODY,
        params=GroupPath,
        response=None,
        status=204,
        errors=(NotFound,),
    ),
)
