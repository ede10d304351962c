"""`/v1/collections/{name}/recipe`: how searches of a collection are made, and why so."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
from pydantic import BaseModel, Field
from starlette.responses import Response

from smartypants.api.bodies import NO_BODY, json_body
from smartypants.api.collections import CollectionPath, named
from smartypants.api.fields import Time, at
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.api.services import Services
from smartypants.auth.callers import Caller
from smartypants.auth.roles import Permission
from smartypants.errors import CollectionNotFound
from smartypants.ledger import collections, recipes
from smartypants.recipes import Recipe


class FormerRecipe(BaseModel):
    """A recipe that is or was in use."""

    version: str
    active: bool
    created_at: Time
    recipe: Recipe
    evidence: dict[str, Any] | None


class CollectionRecipe(BaseModel):
    """The recipe that searches of the collection use."""

    collection: str
    own: bool = Field(description="False: it is the settings'.")
    version: str
    recipe: Recipe
    evidence: dict[str, Any] | None = Field(
        description="What `smartypants tune` measured, for editors; null where nobody did."
    )
    history: list[FormerRecipe] = Field(description="Newest first.")


def _describe(services: Services, name: str, caller: Caller) -> CollectionRecipe:
    collections.get(services.engine, name, caller.reach)
    evidence = _evidence if caller.edits.has(name) else lambda _: None
    now = recipes.active(services.engine, name)
    recipe = now.recipe if now else services.settings.retrieval
    return CollectionRecipe(
        collection=name,
        own=now is not None,
        version=recipe.version,
        recipe=recipe,
        evidence=evidence(now) if now else None,
        history=[
            FormerRecipe(
                version=item.version,
                active=item.active,
                created_at=at(item.created_at),
                recipe=item.recipe,
                evidence=evidence(item),
            )
            for item in recipes.history(services.engine, name)
        ],
    )


def _evidence(stored: recipes.StoredRecipe) -> dict[str, Any] | None:
    return None if stored.evidence is None else dict(stored.evidence)


async def _get(call: Call[None, CollectionPath]) -> CollectionRecipe:
    return await anyio.to_thread.run_sync(_describe, call.services, call.params.name, call.caller)


async def _put(call: Call[Recipe, CollectionPath]) -> CollectionRecipe:
    def write() -> CollectionRecipe:
        collections.get(call.services.engine, call.params.name, call.caller.reach)
        recipes.activate(call.services.engine, call.params.name, call.body)
        return _describe(call.services, call.params.name, call.caller)

    return await anyio.to_thread.run_sync(write)


async def _reset(call: Call[None, CollectionPath]) -> Response:
    def reset() -> None:
        collections.get(call.services.engine, call.params.name, call.caller.reach)
        recipes.reset(call.services.engine, call.params.name)

    await anyio.to_thread.run_sync(reset)
    return Response(status_code=204)


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/v1/collections/{name}/recipe",
        tag="Collections",
        summary="Get the recipe of searches, the evidence for it, and former ones",
        permission=Permission.DOCUMENTS_READ,
        collection=named,
        handler=_get,
        body=NO_BODY,
        params=CollectionPath,
        response=CollectionRecipe,
        errors=(CollectionNotFound,),
    ),
    Route(
        method="PUT",
        path="/v1/collections/{name}/recipe",
        tag="Collections",
        summary="Set the recipe of searches; a field left out has its default",
        permission=Permission.COLLECTIONS_WRITE,
        collection=named,
        handler=_put,
        body=json_body(Recipe),
        params=CollectionPath,
        response=CollectionRecipe,
        errors=(CollectionNotFound,),
    ),
    Route(
        method="DELETE",
        path="/v1/collections/{name}/recipe",
        tag="Collections",
        summary="Use the settings' recipe again",
        permission=Permission.COLLECTIONS_WRITE,
        collection=named,
        handler=_reset,
        body=NO_BODY,
        params=CollectionPath,
        response=None,
        status=204,
        errors=(CollectionNotFound,),
    ),
)
