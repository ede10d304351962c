"""`/healthz`, `/readyz` and `/metrics`: for whoever operates this."""

from __future__ import annotations

from typing import Literal

import anyio.to_thread
from pydantic import BaseModel, Field
from starlette.responses import Response

from smartypants.api import context, services
from smartypants.api.bodies import NO_BODY
from smartypants.api.fields import NoParams
from smartypants.api.metrics import CONTENT_TYPE, Metrics
from smartypants.api.routing import AnyRoute, Call, Route, json_response
from smartypants.auth.exposure import WARNING
from smartypants.auth.roles import Permission


class Health(BaseModel):
    status: Literal["ok"]


class PartReadiness(BaseModel):
    ready: bool
    detail: str


class Readiness(BaseModel):
    """`ready` if every part is; a part that is not configured is not waited for."""

    ready: bool
    parts: dict[str, PartReadiness] = Field(
        description="Their details are for those who may see the metrics."
    )
    warnings: list[str]


async def _health(call: Call[None, NoParams]) -> Health:
    return Health(status="ok")


async def _readiness(call: Call[None, NoParams]) -> Response:
    parts = await call.services.readiness()
    if call.services.settings.reranker.model is None:
        parts = {"reranker": services.Readiness(True, "absent: none is configured"), **parts}
    ready = all(part.ready for part in parts.values())
    caller = context.maybe_caller(call.request)
    trusted = caller is not None and caller.may(Permission.OPERATIONS_READ)
    body = Readiness(
        ready=ready,
        parts={
            name: PartReadiness(ready=part.ready, detail=part.detail if trusted else "")
            for name, part in sorted(parts.items())
        },
        warnings=[WARNING] if call.services.settings.auth.mode == "open" else [],
    )
    return json_response(body, status=200 if ready else 503)


async def _metrics(call: Call[None, NoParams]) -> Response:
    metrics: Metrics = call.request.app.state.metrics
    return Response(await anyio.to_thread.run_sync(metrics.text), media_type=CONTENT_TYPE)


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/healthz",
        tag="Operations",
        summary="Whether the process lives",
        permission=Permission.NOTHING,
        handler=_health,
        body=NO_BODY,
        params=NoParams,
        response=Health,
    ),
    Route(
        method="GET",
        path="/readyz",
        tag="Operations",
        summary="Whether every part can serve",
        permission=Permission.NOTHING,
        handler=_readiness,
        body=NO_BODY,
        params=NoParams,
        response=Readiness,
        other_statuses=(503,),
    ),
    Route(
        method="GET",
        path="/metrics",
        tag="Operations",
        summary="Metrics for Prometheus",
        permission=Permission.OPERATIONS_READ,
        handler=_metrics,
        body=NO_BODY,
        params=NoParams,
        response=None,
        media_type="text/plain",
        sample=lambda: 'smartypants_documents{collection="contracts",state="indexed"} 12.0\n',
    ),
)
