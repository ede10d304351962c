"""One table of routes: what it says is what is served, and what `/openapi.json` documents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.routing import Route as StarletteRoute

from smartypants.api import context
from smartypants.api.bodies import Body, read_params
from smartypants.api.fields import Params
from smartypants.api.services import Services
from smartypants.auth.callers import Caller
from smartypants.auth.roles import Permission
from smartypants.errors import SmartyPantsError
from smartypants.metering import payer

B = TypeVar("B")
P = TypeVar("P", bound=Params)


@dataclass(frozen=True, slots=True)
class Call(Generic[B, P]):
    """One request to a route, read and validated."""

    request: Request
    services: Services
    body: B
    params: P

    @property
    def request_id(self) -> str:
        return context.request_id(self.request)

    @property
    def caller(self) -> Caller:
        return context.caller(self.request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Generic[B, P]):
    """A method of a path.

    `permission` is what its callers need: in the collection that `collection` reads from the
    call, where there is one; in those of the documents that the handler reads, where not.
    `handler` returns the response's model, or a finished response. `streams` says that the
    route can answer as server-sent events; `media_type` is for a response that has no model.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    tag: str
    summary: str
    permission: Permission
    collection: Callable[[Call[B, P]], str | None] | None = None
    handler: Callable[[Call[B, P]], Awaitable[BaseModel | Response]]
    body: Body[B]
    params: type[P]
    response: type[BaseModel] | None
    status: int = 200
    other_statuses: tuple[int, ...] = ()
    streams: str = ""
    media_type: str | None = None
    errors: tuple[type[SmartyPantsError], ...] = ()


AnyRoute = Route[Any, Any]
"""Rows of the table differ in their bodies; nothing that walks the table cares."""


def starlette_routes(table: Iterable[AnyRoute], services: Services) -> list[BaseRoute]:
    """One Starlette route a path, so that a 405 names all its methods."""
    paths: dict[str, list[AnyRoute]] = {}
    for route in table:
        paths.setdefault(route.path, []).append(route)
    return [
        StarletteRoute(path, _endpoint(routes, services), methods=[r.method for r in routes])
        for path, routes in paths.items()
    ]


def _endpoint(
    routes: Sequence[AnyRoute], services: Services
) -> Callable[[Request], Awaitable[Response]]:
    by_method = {route.method: route for route in routes}

    async def endpoint(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await _serve(by_method[method], request, services)  # type: ignore[index]

    return endpoint


async def _serve(route: AnyRoute, request: Request, services: Services) -> Response:
    payer.settle(route=route.path)
    if route.permission is not Permission.NOTHING:
        context.caller(request).check(route.permission)
    params = read_params(request, route.params, services.settings)
    body = await route.body.read(request, services.settings)
    call = Call(request, services, body, params)
    if route.collection is not None:
        collection = route.collection(call)
        call.caller.check(route.permission, collection)
        payer.settle(collection=collection or services.settings.default_collection)
    result = await route.handler(call)
    if isinstance(result, Response):
        return result
    return json_response(result, status=route.status)


def json_response(
    model: BaseModel, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return Response(model.model_dump_json(), status, headers, media_type="application/json")
