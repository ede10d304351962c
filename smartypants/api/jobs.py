"""`/v1/jobs`: how far the work on uploaded and listed documents is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated

import anyio.to_thread
from pydantic import BaseModel, Field, JsonValue
from starlette.responses import Response

from smartypants.api.bodies import NO_BODY
from smartypants.api.documents import Document, describe
from smartypants.api.fields import Identifier, Limit, Params, Time, at, maybe_at
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.api.services import Services
from smartypants.api.streaming import EventStream, event
from smartypants.errors import JobNotFound
from smartypants.ledger import acls, documents, jobs
from smartypants.types import DocumentState

POLL_S = 0.5
MAX_FAILED = 100


class JobsQuery(Params):
    limit: Limit = 50
    cursor: (
        Annotated[
            float,
            Field(ge=0, allow_inf_nan=False, description="`next_cursor` of the page before."),
        ]
        | None
    ) = None


class JobPath(Params):
    job_id: Identifier


class JobFailure(BaseModel):
    code: str
    message: str


class Job(BaseModel):
    """`state` is queued, running, succeeded or failed; `progress` has counts, rate and ETA."""

    id: str
    kind: str
    collection: str
    state: str
    progress: dict[str, JsonValue]
    error: JobFailure | None
    attempts: int
    created_at: Time
    started_at: Time | None
    finished_at: Time | None


class JobWithFailures(Job):
    failed_documents: list[Document] = Field(description=f"The first {MAX_FAILED} of them.")


class JobList(BaseModel):
    jobs: list[Job]
    next_cursor: str | None = Field(description="Null on the last page.")


def _describe(row: jobs.Job) -> Job:
    failure = None
    if row.error_code is not None:
        failure = JobFailure(code=row.error_code, message=row.error or "")
    return Job(
        id=row.id,
        kind=row.kind,
        collection=row.collection,
        state=row.state,
        progress=dict(row.progress),
        error=failure,
        attempts=row.attempts,
        created_at=at(row.created_at),
        started_at=maybe_at(row.started_at),
        finished_at=maybe_at(row.finished_at),
    )


async def _list(call: Call[None, JobsQuery]) -> JobList:
    limit = call.params.limit

    def read() -> list[jobs.Job]:
        return jobs.page(call.services.engine, limit=limit + 1, before=call.params.cursor)

    rows = await anyio.to_thread.run_sync(read)
    page = rows[:limit]
    return JobList(
        jobs=[_describe(row) for row in page],
        next_cursor=repr(page[-1].created_at) if len(rows) > len(page) else None,
    )


async def _get(call: Call[None, JobPath]) -> JobWithFailures:
    def read() -> JobWithFailures:
        engine, job_id = call.services.engine, call.params.job_id
        job = _describe(jobs.get(engine, job_id))
        failed = documents.page(
            engine,
            job_id=job_id,
            state=DocumentState.FAILED,
            acl_ids=acls.allowed_acl_ids(engine, call.principals),
            limit=MAX_FAILED,
        )
        return JobWithFailures(
            **job.model_dump(), failed_documents=[describe(row) for row in failed]
        )

    return await anyio.to_thread.run_sync(read)


async def _events(call: Call[None, JobPath]) -> Response:
    return EventStream(call.request, _changes(call.services, call.params.job_id))


async def _changes(services: Services, job_id: str) -> AsyncGenerator[str, None]:
    shown: Job | None = None
    while True:
        row = await anyio.to_thread.run_sync(jobs.get, services.engine, job_id)
        job = _describe(row)
        if job != shown:
            yield event("progress", job)
            shown = job
        if row.ended:
            yield event("end", job)
            return
        await asyncio.sleep(POLL_S)


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/v1/jobs",
        tag="Jobs",
        summary="List jobs, newest first",
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
        handler=_events,
        body=NO_BODY,
        params=JobPath,
        response=None,
        streams="The event `progress` (Job) at once and with each change, then `end` (Job).",
        errors=(JobNotFound,),
    ),
)
