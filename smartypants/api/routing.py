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

from smartypants.api import conditional, context, idempotency
from smartypants.api.bodies import Body, read_params, validate
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
    `sample` makes the example of either: text.
    `changes` is False for a POST that changes nothing; `secret` says that the response must not
    be kept.
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
    sample: Callable[[], str] | None = None
    errors: tuple[type[SmartyPantsError], ...] = ()
    changes: bool = True
    secret: bool = False

    @property
    def reads(self) -> bool:
        return self.method == "GET"

    @property
    def takes_key(self) -> bool:
        """Whether it may be sent again with the same `Idempotency-Key`."""
        return self.changes and not self.reads


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
        route = by_method[method]  # type: ignore[index]
        return await _serve(route, by_method.get("GET"), request, services)

    return endpoint


async def _serve(
    route: AnyRoute, read: AnyRoute | None, request: Request, services: Services
) -> Response:
    """`read` is what gets the thing that the route changes, where there is such a route."""
    payer.settle(route=route.path)
    if route.permission is not Permission.NOTHING:
        context.caller(request).check(route.permission)
    if route.takes_key and idempotency.KEY in request.headers:
        return await idempotency.once(
            request,
            services.engine,
            lambda: _answer(route, read, request, services),
            remember_s=services.settings.http.idempotency_s,
            secret=route.secret,
        )
    return await _answer(route, read, request, services)


async def _answer(
    route: AnyRoute, read: AnyRoute | None, request: Request, services: Services
) -> Response:
    params = read_params(request, route.params, services.settings)
    body = await route.body.read(request, services.settings)
    call = Call(request, services, body, params)
    if route.collection is not None:
        collection = route.collection(call)
        call.caller.check(route.permission, collection)
        payer.settle(collection=collection or services.settings.default_collection)
    if not route.reads and conditional.IF_MATCH in request.headers:
        conditional.check(request, await _current(read, request, services))
    result = await route.handler(call)
    if isinstance(result, Response):
        return result
    if route.reads:
        return conditional.respond(request, result, status=route.status)
    return json_response(result, status=route.status)


async def _current(read: AnyRoute | None, request: Request, services: Services) -> BaseModel | None:
    """What the caller gets at the path now, without parameters; None where nothing is got there."""
    if read is None:
        return None
    params = validate(read.params, dict(request.path_params), services.settings)
    call = Call(request, services, None, params)
    call.caller.check(read.permission, read.collection(call) if read.collection else None)
    found = await read.handler(call)
    return found if isinstance(found, BaseModel) else None


def json_response(
    model: BaseModel, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return Response(model.model_dump_json(), status, headers, media_type="application/json")
