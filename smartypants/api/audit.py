"""`GET /v1/audit`: who did what, and who saw what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import anyio.to_thread
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.responses import Response, StreamingResponse

from smartypants.api.bodies import NO_BODY
from smartypants.api.examples import instance
from smartypants.api.fields import Identifier, Limit, Params, Time
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.auditing import events, lines
from smartypants.auth.roles import Permission
from smartypants.errors import UserNotFound
from smartypants.ledger import audit, users
from smartypants.ledger.audit import Wanted

JSONL = "application/jsonl"


class AuditQuery(Params):
    since: Time | None = Field(None, description="Recorded then, or later.")
    until: Time | None = Field(None, description="Recorded earlier.")
    user: Identifier | None = Field(None, description="Whose doing it was, by name.")
    class_uid: Annotated[int, Field(ge=0, le=99_999)] | None = Field(
        None, description="An OCSF class, as 6005 for what documents were shown."
    )
    activity_id: Annotated[int, Field(ge=0, le=99)] | None = None
    status_id: Annotated[int, Field(ge=0, le=99)] | None = Field(
        None, description="1: done, 2: refused."
    )
    request: Identifier | None = Field(None, description="The id of a request.")
    limit: Limit = 50
    cursor: Annotated[int, Field(ge=1, lt=2**63)] | None = Field(
        None, description="`next_cursor` of the page before."
    )
    format: Literal["json", "jsonl"] = Field(
        "json", description="`jsonl`: all records that fit, oldest first, one a line."
    )


class AuditRecords(BaseModel):
    """OCSF events, newest first; `unmapped.chain` has the hash of each and of the one before."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "records": [
                        {
                            "class_uid": 6005,
                            "class_name": "Datastore Activity",
                            "activity_id": 4,
                            "time": 1795608000000,
                            "actor": {"user": {"name": "ann", "type_id": 1}},
                            "resources": [{"uid": "0f343b0931126a20", "type": "document"}],
                        }
                    ],
                    "next_cursor": None,
                }
            ]
        }
    )

    records: list[dict[str, JsonValue]]
    next_cursor: int | None = Field(description="Null on the last page.")


def _wanted(call: Call[None, AuditQuery]) -> Wanted:
    """Raises `UserNotFound`."""
    asked, user_id = call.params, None
    if asked.user is not None:
        local = call.caller.id if asked.user == call.caller.name else None
        user_id = local or users.named(call.services.engine, asked.user).id
    return Wanted(
        since=None if asked.since is None else asked.since.timestamp(),
        until=None if asked.until is None else asked.until.timestamp(),
        user_id=user_id,
        class_uid=asked.class_uid,
        activity_id=asked.activity_id,
        status_id=asked.status_id,
        request_id=asked.request,
    )


async def _records(call: Call[None, AuditQuery]) -> AuditRecords | Response:
    asked, engine = call.params, call.services.engine
    wanted = await anyio.to_thread.run_sync(_wanted, call)
    await call.services.audit(events.exported("audit log"))
    if asked.format == "jsonl":
        return StreamingResponse(_lines(call, wanted), media_type=JSONL)

    def read() -> AuditRecords:
        found = audit.page(engine, wanted, before=asked.cursor, limit=asked.limit + 1)
        page = found[: asked.limit]
        return AuditRecords(
            records=[_shown(record) for record in page],
            next_cursor=page[-1].link.id if len(found) > len(page) else None,
        )

    return await anyio.to_thread.run_sync(read)


def _shown(record: audit.Record) -> dict[str, Any]:
    return lines.with_link(record.event, record.link, record.former)


def _lines(call: Call[None, AuditQuery], wanted: Wanted) -> Iterator[str]:
    for record in audit.every(call.services.engine, wanted):
        yield lines.dumped(record.event, record.link, record.former)


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/v1/audit",
        tag="Operations",
        summary="List audit records, newest first; or export them",
        permission=Permission.AUDIT_READ,
        handler=_records,
        body=NO_BODY,
        params=AuditQuery,
        response=AuditRecords,
        media_type=JSONL,
        sample=lambda: f"{json.dumps(instance(AuditRecords).records[0])}\n",
        errors=(UserNotFound,),
    ),
)
