"""`/v1/me` and `/v1/keys`: who one is, and the API keys of people and services."""

from __future__ import annotations

import time
from typing import Annotated, Any

import anyio.to_thread
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from smartypants.api.bodies import NO_BODY, json_body
from smartypants.api.fields import Identifier, NoParams, Params, RequestBody, Time, at, maybe_at
from smartypants.api.paging import Paged, page_of
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.auth.callers import Caller
from smartypants.auth.roles import PERMISSIONS, SCOPES, Permission
from smartypants.auth.secrets import KeySecret
from smartypants.errors import ApiKeyNotFound, Conflict, Forbidden, UserNotFound
from smartypants.ledger import api_keys, users
from smartypants.ledger.users import User

MAX_DAYS = 3650
FAR = 1e12  # Unix seconds that no key is made at


class Me(BaseModel):
    """The caller, as it is known here."""

    id: str
    name: str
    kind: str = Field(description="`person`, `service`, or `local` where authentication is off.")
    role: str
    authenticated_by: str = Field(description="`key`, `token`, `session` or `open`.")
    principals: list[str] = Field(description="What ACLs of documents may name.")
    groups: list[str]
    permissions: list[str] = Field(description="Where no grant of a collection says otherwise.")
    collections: dict[str, str] = Field(description="The collections with a role of their own.")
    expires_at: Time | None = Field(description="When the key, token or session ends.")
    csrf_token: str | None = Field(
        description="Of a session: unsafe requests carry it in `X-CSRF-Token`."
    )


async def _me(call: Call[None, NoParams]) -> Me:
    caller = call.caller
    own = [each for each in PERMISSIONS[caller.role] if caller.may(each)]
    return Me(
        id=caller.id,
        name=caller.name,
        kind=caller.kind,
        role=caller.role,
        authenticated_by=caller.how,
        principals=list(caller.principals),
        groups=list(caller.groups),
        permissions=sorted(own),
        collections={
            name: role for name, role in sorted(caller.grants.items()) if role is not None
        },
        expires_at=maybe_at(caller.expires_at),
        csrf_token=caller.csrf_token,
    )


Scope = Annotated[str, StringConstraints(max_length=40), Field(examples=[SCOPES[0]])]


class KeyRequest(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "notebook"}]})

    name: Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
    user: Identifier | None = Field(None, description="Whose it is. Default: yours.")
    scopes: list[Scope] | None = Field(
        None, description=f"What it may do, of {', '.join(SCOPES)}. Default: all that its user may."
    )
    expires_in_days: Annotated[float, Field(gt=0, le=MAX_DAYS)] | None = None


class RotationRequest(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_hours": 24}]})

    overlap_hours: Annotated[float, Field(ge=0, le=24 * 90)] = Field(
        24, description="How long the former key goes on working."
    )
    expires_in_days: Annotated[float, Field(gt=0, le=MAX_DAYS)] | None = None


class KeyPath(Params):
    key_id: Identifier


class ApiKey(BaseModel):
    id: str = Field(description="Between the first two underscores of the key.")
    user: str
    name: str
    scopes: list[str] | None
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None = Field(description="To the hour.")
    revoked_at: Time | None
    replaced_by: str | None


class NewApiKey(ApiKey):
    key: str = Field(description="The key itself. Nobody can see it again.")


class ApiKeyList(BaseModel):
    keys: list[ApiKey]
    next_cursor: str | None = Field(description="Null on the last page.")


def _fields(key: api_keys.ApiKey, user: str) -> dict[str, object]:
    return {
        "id": key.id,
        "user": user,
        "name": key.name,
        "scopes": None if key.scopes is None else list(key.scopes),
        "created_at": at(key.created_at),
        "expires_at": maybe_at(key.expires_at),
        "last_used_at": maybe_at(key.last_used_at),
        "revoked_at": maybe_at(key.revoked_at),
        "replaced_by": key.replaced_by,
    }


def _new(key: api_keys.ApiKey, secret: KeySecret, user: str) -> NewApiKey:
    return NewApiKey.model_validate({**_fields(key, user), "key": secret.text})


async def _list(call: Call[None, Paged]) -> ApiKeyList:
    """One's own; an admin's are all."""

    def read() -> ApiKeyList:
        engine, caller = call.services.engine, call.caller
        everybody = caller.may(Permission.ACCESS_MANAGE)
        found = api_keys.every(engine, None if everybody else caller.id)
        page, cursor = page_of(found, call.params, _newest_first)
        names = users.names(engine, [key.user_id for key in page])
        return ApiKeyList(
            keys=[ApiKey.model_validate(_fields(key, names[key.user_id])) for key in page],
            next_cursor=cursor,
        )

    return await anyio.to_thread.run_sync(read)


def _newest_first(key: api_keys.ApiKey) -> str:
    return f"{FAR - key.created_at:020.6f}_{key.id}"


async def _create(call: Call[KeyRequest, NoParams]) -> NewApiKey:
    body = call.body

    def write() -> NewApiKey:
        engine = call.services.engine
        user = _owner(call, body.user)
        scopes = body.scopes
        if call.caller.scopes is not None:
            scopes = _narrowed(call.caller, scopes)
        key, secret = api_keys.create(
            engine,
            user,
            name=body.name,
            scopes=scopes,
            expires_at=_ends(call.caller, body.expires_in_days),
        )
        return _new(key, secret, user.name)

    return await anyio.to_thread.run_sync(write)


def _owner(call: Call[KeyRequest, NoParams], name: str | None) -> User:
    """Raises `Forbidden` for another's, `Conflict` where nobody is known."""
    engine, caller = call.services.engine, call.caller
    if name is None or name == caller.name:
        user = users.by_id(engine, caller.id)
        if user is None:
            raise Conflict(
                "Authentication is off: there is no user to own a key.",
                "Name one in `user`, and see `smartypants keys bootstrap`.",
            )
        return user
    if not caller.may(Permission.ACCESS_MANAGE):
        raise Forbidden("Only an admin makes keys of others.", "Leave `user` out.")
    return users.named(engine, name)


def _narrowed(caller: Caller, scopes: list[str] | None) -> list[str]:
    """A key makes no key that may do more. Raises `Forbidden`."""
    own = [str(scope) for scope in sorted(caller.scopes or ())]
    if scopes is not None and not set(scopes) <= set(own):
        raise Forbidden("A key can't make a key with more scopes than its own.", "Use fewer.")
    return own if scopes is None else scopes


def _ends(caller: Caller, days: float | None) -> float | None:
    """A key makes no key that lasts longer."""
    limit = caller.expires_at if caller.how == "key" else None
    wanted = None if days is None else time.time() + days * 86_400
    return min((end for end in (limit, wanted) if end is not None), default=None)


def _mine(call: Call[Any, KeyPath]) -> api_keys.ApiKey:
    """The key; of others for admins. Raises `ApiKeyNotFound`."""
    key = api_keys.get(call.services.engine, call.params.key_id)
    if key.user_id != call.caller.id and not call.caller.may(Permission.ACCESS_MANAGE):
        raise api_keys.unknown(call.params.key_id)
    if call.caller.scopes is not None:
        _narrowed(call.caller, sorted(SCOPES) if key.scopes is None else list(key.scopes))
    return key


async def _rotate(call: Call[RotationRequest, KeyPath]) -> NewApiKey:
    def write() -> NewApiKey:
        engine, old = call.services.engine, _mine(call)
        key, secret = api_keys.rotate(
            engine,
            old.id,
            overlap_s=call.body.overlap_hours * 3600,
            expires_at=_ends(call.caller, call.body.expires_in_days),
        )
        return _new(key, secret, users.names(engine, [key.user_id])[key.user_id])

    return await anyio.to_thread.run_sync(write)


async def _revoke(call: Call[None, KeyPath]) -> ApiKey:
    def write() -> ApiKey:
        engine = call.services.engine
        key = api_keys.revoke(engine, _mine(call).id)
        user = users.names(engine, [key.user_id])[key.user_id]
        return ApiKey.model_validate(_fields(key, user))

    return await anyio.to_thread.run_sync(write)


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/v1/me",
        tag="Access",
        summary="Say who the caller is, and what it may do",
        permission=Permission.ACCOUNT,
        handler=_me,
        body=NO_BODY,
        params=NoParams,
        response=Me,
    ),
    Route(
        method="GET",
        path="/v1/keys",
        tag="Access",
        summary="List one's API keys; an admin's are everybody's",
        permission=Permission.ACCOUNT,
        handler=_list,
        body=NO_BODY,
        params=Paged,
        response=ApiKeyList,
    ),
    Route(
        method="POST",
        path="/v1/keys",
        secret=True,
        tag="Access",
        summary="Make an API key",
        permission=Permission.ACCOUNT,
        handler=_create,
        body=json_body(KeyRequest),
        params=NoParams,
        response=NewApiKey,
        status=201,
        errors=(UserNotFound, Conflict),
    ),
    Route(
        method="POST",
        path="/v1/keys/{key_id}/rotate",
        secret=True,
        tag="Access",
        summary="Put a new API key in the place of one",
        permission=Permission.ACCOUNT,
        handler=_rotate,
        body=json_body(RotationRequest),
        params=KeyPath,
        response=NewApiKey,
        status=201,
        errors=(ApiKeyNotFound, Conflict),
    ),
    Route(
        method="DELETE",
        path="/v1/keys/{key_id}",
        tag="Access",
        summary="Revoke an API key, from the next request on",
        permission=Permission.ACCOUNT,
        handler=_revoke,
        body=NO_BODY,
        params=KeyPath,
        response=ApiKey,
        errors=(ApiKeyNotFound,),
    ),
)
