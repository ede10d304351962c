"""`/v1/collections/{name}/safety`: what its answers have to keep beyond the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio.to_thread
from pydantic import BaseModel, Field
from starlette.responses import Response

from smartypants.api.bodies import NO_BODY, json_body
from smartypants.api.collections import CollectionPath, named
from smartypants.api.fields import Time, maybe_at
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.auth.roles import Permission
from smartypants.errors import CollectionNotFound
from smartypants.ledger import collections, safety
from smartypants.safety.options import SafetySettings
from smartypants.safety.overrides import SafetyOverrides, readable


class CollectionSafety(BaseModel):
    """What is asked of the collection's answers."""

    collection: str
    overrides: SafetyOverrides | None = Field(description="Null: what the settings say is all.")
    effective: SafetySettings = Field(description="The settings with the overrides.")
    changed_at: Time | None
    changed_by: str | None


def _describe(call: Call[Any, CollectionPath]) -> CollectionSafety:
    name, settings = call.params.name, call.services.settings.safety
    stored = safety.get(call.services.engine, name)
    own = None if stored is None else readable(name, stored.overrides)
    return CollectionSafety(
        collection=name,
        overrides=own,
        effective=settings if own is None else own.applied(settings),
        changed_at=maybe_at(None if stored is None else stored.changed_at),
        changed_by=None if stored is None else stored.changed_by,
    )


async def _within(call: Call[Any, CollectionPath], work: Callable[[], None]) -> CollectionSafety:
    def run() -> CollectionSafety:
        collections.get(call.services.engine, call.params.name, call.caller.reach)
        work()
        return _describe(call)

    return await anyio.to_thread.run_sync(run)


async def _get(call: Call[None, CollectionPath]) -> CollectionSafety:
    return await _within(call, lambda: None)


async def _put(call: Call[SafetyOverrides, CollectionPath]) -> CollectionSafety:
    kept = call.body.model_dump(mode="json", exclude_defaults=True)

    def write() -> None:
        safety.put(call.services.engine, call.params.name, kept, changed_by=call.caller.name)

    return await _within(call, write)


async def _reset(call: Call[None, CollectionPath]) -> Response:
    await _within(call, lambda: safety.reset(call.services.engine, call.params.name))
    return Response(status_code=204)


_SHARED: dict[str, Any] = {
    "path": "/v1/collections/{name}/safety",
    "tag": "Collections",
    "permission": Permission.COLLECTIONS_WRITE,
    "collection": named,
    "params": CollectionPath,
    "errors": (CollectionNotFound,),
}
"""Readers are not told: blocked terms may be what must not be known."""

ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        summary="Get what the collection's answers have to keep",
        handler=_get,
        body=NO_BODY,
        response=CollectionSafety,
        **_SHARED,
    ),
    Route(
        method="PUT",
        summary="Set what they have to keep beyond the settings; it can only be stricter",
        handler=_put,
        body=json_body(SafetyOverrides),
        response=CollectionSafety,
        **_SHARED,
    ),
    Route(
        method="DELETE",
        summary="Ask no more than the settings do",
        handler=_reset,
        body=NO_BODY,
        response=None,
        status=204,
        **_SHARED,
    ),
)
