"""`smartypants jobs`: list them, look at one, and tell one what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from sqlalchemy import Engine

from smartypants import wiring
from smartypants.cli.output import Json, out, print_json, reporting
from smartypants.errors import InvalidRequest
from smartypants.ledger import acls, documents, waiting
from smartypants.ledger import jobs as ledger
from smartypants.ledger.database import migrate
from smartypants.ledger.jobs import Job
from smartypants.settings import Settings

ACTIONS: dict[str, Callable[[Engine, str], Job]] = {
    "cancel": ledger.cancel,
    "pause": ledger.pause,
    "resume": ledger.resume,
    "retry": ledger.retry,
}
SHOWN = 50


def jobs(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[JOB | ACTION JOB | dead]",
            help="A job, with its failed documents; or cancel, pause, resume or retry one; "
            "or the dead letters: jobs and documents that are not tried again.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """List jobs, newest first; show one; cancel, pause, resume or retry one."""
    with reporting(json) as settings:
        engine = wiring.open_ledger(settings)
        migrate(engine)
        match words or []:
            case []:
                _list(engine, ledger.page(engine, limit=SHOWN), as_json=json)
            case ["dead"]:
                _dead(engine, settings, as_json=json)
            case [job_id] if job_id not in ACTIONS:
                _show(engine, ledger.get(engine, job_id), as_json=json)
            case [action, job_id] if action in ACTIONS:
                _show(engine, ACTIONS[action](engine, job_id), as_json=json)
            case _:
                raise InvalidRequest(
                    f"`jobs {' '.join(words or [])}` is not known.",
                    f"Use `jobs`, `jobs JOB`, `jobs dead`, or `jobs {'|'.join(ACTIONS)} JOB`.",
                )


def _list(engine: Engine, rows: list[Job], *, as_json: bool) -> None:
    if as_json:
        return print_json({"jobs": [_with_reason(engine, row) for row in rows]})
    table = Table("job", "state", "collection", "source", "done", "failed", "chunks", "created")
    for row in rows:
        progress = row.progress
        table.add_row(
            row.id,
            row.state,
            row.collection,
            str(row.params.get("uri", "")),
            f"{progress.get('done', 0)}/{progress.get('documents', 0)}",
            str(progress.get("failed", 0)),
            str(progress.get("chunks", 0)),
            datetime.fromtimestamp(row.created_at, UTC).isoformat(" ", "seconds"),
        )
    out.print(table)
    for row in rows:
        _explain(engine, row)


def _show(engine: Engine, row: Job, *, as_json: bool) -> None:
    if as_json:
        return print_json(_with_reason(engine, row))
    _list(engine, [row], as_json=False)
    for document in documents.failed_in(engine, row.id, limit=100):
        out.print(f"  {document.name}: {document.error}", markup=False)


def _dead(engine: Engine, settings: Settings, *, as_json: bool) -> None:
    failed = ledger.page(engine, limit=SHOWN, state=ledger.JobState.FAILED)
    letters = documents.page(
        engine,
        state=documents.DEAD,
        max_attempts=settings.ingest.max_attempts,
        acl_ids=acls.every_id(engine),
        limit=SHOWN,
    )
    if as_json:
        return print_json(
            {"jobs": [asdict(row) for row in failed], "documents": [asdict(row) for row in letters]}
        )
    for row in failed:
        out.print(f"job {row.id}: {row.error}", markup=False)
    for letter in letters:
        out.print(f"document {letter.name} (job {letter.job_id}): {letter.error}", markup=False)
    if not failed and not letters:
        out.print("There are no dead letters.")
    else:
        out.print("`smartypants jobs retry JOB` tries a job and its failed documents again.")


def _explain(engine: Engine, row: Job) -> None:
    why = waiting.reason(engine, row)
    if why is not None:
        out.print(f"{row.id}: {why}", style="yellow", markup=False)
    elif row.error:
        out.print(f"{row.id}: {row.error}", style="red", markup=False)


def _with_reason(engine: Engine, row: Job) -> dict[str, Any]:
    return asdict(row) | {"waiting": waiting.reason(engine, row)}
