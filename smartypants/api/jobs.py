"""`/v1/jobs`: how far the work on uploaded and listed documents is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Annotated, Literal

import anyio.to_thread
from pydantic import BaseModel, Field, JsonValue, StringConstraints
from sqlalchemy import Engine
from starlette.responses import Response

from smartypants.api import access
from smartypants.api.bodies import NO_BODY
from smartypants.api.documents import Document, describe
from smartypants.api.examples import instance
from smartypants.api.fields import Identifier, Limit, Params, Time, at, maybe_at
from smartypants.api.routing import AnyRoute, Call, Route, json_response
from smartypants.api.services import Services
from smartypants.api.streaming import EventStream, event
from smartypants.auth.callers import Caller
from smartypants.auth.roles import Permission
from smartypants.errors import Conflict, JobNotFound
from smartypants.ledger import documents, jobs, waiting
from smartypants.types import DocumentState

POLL_S = 0.5
MAX_FAILED = 100


class JobsQuery(Params):
    limit: Limit = 50
    state: Literal["queued", "running", "paused", "succeeded", "failed", "cancelled"] | None = None
    cursor: (
        Annotated[
            str,
            StringConstraints(pattern=r"^[0-9]{1,12}(\.[0-9]{1,9})?_[0-9A-Za-z-]{1,32}$"),
            Field(description="`next_cursor` of the page before."),
        ]
        | None
    ) = None


class JobPath(Params):
    job_id: Identifier


class JobFailure(BaseModel):
    code: str
    message: str


class Job(BaseModel):
    """`progress` has counts, rate and ETA; `waiting` says why a job does not move."""

    id: str
    kind: str
    collection: str
    state: str = Field(description="queued, running, paused, succeeded, failed or cancelled")
    waiting: str | None
    priority: int
    progress: dict[str, JsonValue]
    error: JobFailure | None
    attempts: int = Field(description="Runs since it last made progress.")
    not_before: Time | None = Field(description="When a queued job is due.")
    created_at: Time
    started_at: Time | None
    finished_at: Time | None


class JobWithFailures(Job):
    failed_documents: list[Document] = Field(description=f"The first {MAX_FAILED} of them.")


class AcceptedJob(BaseModel):
    """The job that does it."""

    job_id: str


class JobList(BaseModel):
    jobs: list[Job]
    next_cursor: str | None = Field(description="Null on the last page.")


def _describe(engine: Engine, row: jobs.Job) -> Job:
    failure = None
    if row.error_code is not None:
        failure = JobFailure(code=row.error_code, message=row.error or "")
    return Job(
        id=row.id,
        kind=row.kind,
        collection=row.collection,
        state=row.state,
        waiting=waiting.reason(engine, row),
        priority=row.priority,
        progress=dict(row.progress),
        error=failure,
        attempts=row.attempts,
        not_before=maybe_at(row.not_before),
        created_at=at(row.created_at),
        started_at=maybe_at(row.started_at),
        finished_at=maybe_at(row.finished_at),
    )


def accepted(job: jobs.Job) -> Response:
    headers = {"Location": f"/v1/jobs/{job.id}"}
    return json_response(AcceptedJob(job_id=job.id), status=202, headers=headers)


async def _list(call: Call[None, JobsQuery]) -> JobList:
    wanted = call.params

    def read() -> JobList:
        engine, before = call.services.engine, None
        if wanted.cursor is not None:
            created_at, _, job_id = wanted.cursor.partition("_")
            before = (float(created_at), job_id)
        rows = jobs.page(
            engine,
            limit=wanted.limit + 1,
            before=before,
            state=wanted.state,
            reach=call.caller.reach,
            edits=call.caller.edits,
            submitted_by=call.caller.id,
        )
        page = rows[: wanted.limit]
        more = len(rows) > len(page)
        return JobList(
            jobs=[_describe(engine, row) for row in page],
            next_cursor=f"{page[-1].created_at:.9f}_{page[-1].id}" if more else None,
        )

    return await anyio.to_thread.run_sync(read)


async def _get(call: Call[None, JobPath]) -> JobWithFailures:
    def read() -> JobWithFailures:
        engine, job_id = call.services.engine, call.params.job_id
        job = _describe(engine, access.job(engine, job_id, call.caller))
        failed = documents.page(
            engine,
            job_id=job_id,
            state=DocumentState.FAILED,
            acl_ids=access.acl_ids(engine, call.caller),
            reach=call.caller.reach,
            limit=MAX_FAILED,
        )
        return JobWithFailures(
            **job.model_dump(), failed_documents=[describe(row) for row in failed]
        )

    return await anyio.to_thread.run_sync(read)


async def _events(call: Call[None, JobPath]) -> Response:
    return EventStream(call.request, _changes(call.services, call.params.job_id, call.caller))


async def _changes(services: Services, job_id: str, caller: Caller) -> AsyncGenerator[str, None]:
    def read() -> tuple[jobs.Job, Job]:
        row = access.job(services.engine, job_id, caller)
        return row, _describe(services.engine, row)

    shown: Job | None = None
    while True:
        row, job = await anyio.to_thread.run_sync(read)
        if job != shown:
            yield event("progress", job)
            shown = job
        if row.ended:
            yield event("end", job)
            return
        await asyncio.sleep(POLL_S)


def _action(
    verb: str, summary: str, act: Callable[[Engine, str], jobs.Job]
) -> Route[None, JobPath]:
    async def handler(call: Call[None, JobPath]) -> Job:
        def run() -> Job:
            engine, job_id = call.services.engine, call.params.job_id
            access.job(engine, job_id, call.caller, permission=Permission.JOBS_WRITE)
            return _describe(engine, act(engine, job_id))

        return await anyio.to_thread.run_sync(run)

    return Route(
        method="POST",
        path=f"/v1/jobs/{{job_id}}/{verb}",
        tag="Jobs",
        summary=summary,
        permission=Permission.JOBS_WRITE,
        handler=handler,
        body=NO_BODY,
        params=JobPath,
        response=Job,
        errors=(JobNotFound, Conflict),
    )


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/v1/jobs",
        tag="Jobs",
        summary="List jobs, newest first",
        permission=Permission.JOBS_READ,
        handler=_list,
        body=NO_BODY,
        params=JobsQuery,
        response=JobList,
    ),
    Route(
        method="GET",
        path="/v1/jobs/{job_id}",
        tag="Jobs",
        summary="Get a job with the documents that failed in it",
        permission=Permission.JOBS_READ,
        handler=_get,
        body=NO_BODY,
        params=JobPath,
        response=JobWithFailures,
        errors=(JobNotFound,),
    ),
    Route(
        method="GET",
        path="/v1/jobs/{job_id}/events",
        tag="Jobs",
        summary="Watch a job until it ends",
        permission=Permission.JOBS_READ,
        handler=_events,
        body=NO_BODY,
        params=JobPath,
        response=None,
        streams="The event `progress` (Job) at once and with each change, then `end` (Job).",
        sample=lambda: event("progress", instance(Job)) + event("end", instance(Job)),
        errors=(JobNotFound,),
    ),
    _action("cancel", "End a job; what it has indexed stays", jobs.cancel),
    _action("pause", "Hold a job until it is resumed", jobs.pause),
    _action("resume", "Let a paused job go on", jobs.resume),
    _action("retry", "Run an ended job again, with its failed documents", jobs.retry),
)
