"""`smartypants ingest`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from sqlalchemy import Engine

from smartypants import runtime, storage, wiring
from smartypants.cli.output import FAILED, CollectionName, Json, err, out, print_json, reporting
from smartypants.errors import InvalidRequest
from smartypants.ledger import documents, jobs
from smartypants.ledger.database import migrate
from smartypants.ledger.jobs import Job
from smartypants.settings import Settings
from smartypants.telemetry import configure_logs

POLL_S = 0.3

Source = tuple[str, str]
"""A connector's kind, and what it reads: a path or a URI."""


def ingest(
    paths: Annotated[
        list[str], typer.Argument(help="Folders, files, or URIs such as s3://bucket/prefix.")
    ],
    collection: CollectionName = None,
    wait: Annotated[bool, typer.Option("--wait", help="Return when all is indexed.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Allow a large share of the source to be deleted.")
    ] = False,
    json: Json = False,
) -> None:
    """Index folders, files or buckets: what is new or changed; what has gone is deleted.

    Where the system is up it does the work. Elsewhere the work is done here and now. Ends with
    1 if a job failed; documents that failed are listed, and do not count as that.
    """
    with reporting(json) as settings:
        name = collection or settings.default_collection
        sources = [_source(path) for path in paths]
        if runtime.running(settings) is not None:
            ended = _hand_over(settings, sources, name, prune=prune, wait=wait)
        else:
            configure_logs(settings.log.model_copy(update={"level": "warning"}))
            ended = run_here(
                settings,
                lambda engine: [_submit(engine, item, name, prune=prune) for item in sources],
            )
        report(wiring.open_ledger(settings), ended, as_json=json)


def _source(text: str) -> Source:
    kind, uri = storage.source(text)
    if kind != "filesystem":
        return kind, uri
    absolute = Path(uri).expanduser().absolute()
    if not absolute.exists():
        raise InvalidRequest(f"{text} does not exist.", "Check the path.")
    return kind, str(absolute)


def _hand_over(
    settings: Settings, sources: list[Source], collection: str, *, prune: bool, wait: bool
) -> list[Job]:
    engine = wiring.open_ledger(settings)
    submitted = [_submit(engine, source, collection, prune=prune) for source in sources]
    return [follow(engine, job.id) for job in submitted] if wait else submitted


def run_here(settings: Settings, submit: Callable[[Engine], list[Job]]) -> list[Job]:
    """Start what jobs need, submit some, and show their progress until they have ended."""
    from actors.jobs import run_jobs
    from deployments.local import stores

    with err.status("Starting Ray and the vector store …") as spinner, stores(settings, "ingest"):
        spinner.stop()
        engine = wiring.open_ledger(settings)
        migrate(engine)
        submitted = [job.id for job in submit(engine)]
        stop = threading.Event()
        runner = threading.Thread(
            target=run_jobs, args=(settings, stop), kwargs={"only": tuple(submitted)}
        )
        runner.start()
        try:
            return [follow(engine, job_id) for job_id in submitted]
        finally:
            stop.set()
            runner.join()


def _submit(engine: Engine, source: Source, collection: str, *, prune: bool) -> Job:
    migrate(engine)
    kind, uri = source
    params = {"connector": kind, "uri": uri, "allow_prune": prune}
    return jobs.submit(engine, "ingest", collection, params)


def follow(engine: Engine, job_id: str) -> Job:
    """Show a job's progress until it has ended."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("documents  {task.fields[rate]}"),
        console=err,
        transient=True,
    ) as bar:
        task = bar.add_task("queued", total=None, rate="")
        while not (job := jobs.get(engine, job_id)).ended:
            _show(bar, task, job)
            time.sleep(POLL_S)
    return job


def _show(bar: Progress, task: TaskID, job: Job) -> None:
    done: dict[str, Any] = dict(job.progress)
    eta = f"  ETA {done['eta_s']:.0f} s" if done.get("eta_s") is not None else ""
    bar.update(
        task,
        description=done.get("phase", job.state),
        completed=done.get("done", 0),
        total=done.get("documents") or None,
        rate=f"{done.get('chunks', 0)} chunks  {done.get('chunks_per_s', 0)} chunks/s{eta}",
    )


def report(engine: Engine, ended: list[Job], *, as_json: bool) -> None:
    """Print what jobs did. Ends the command with 1 if one of them failed."""
    if as_json:
        print_json({"jobs": [asdict(job) for job in ended]})
    for job in ended if not as_json else []:
        done = job.progress
        if not job.ended:
            out.print(f"Job {job.id} is {job.state}. Follow it with `smartypants jobs {job.id}`.")
            continue
        out.print(
            f"{job.params['uri']}: {done.get('indexed', 0)} indexed, "
            f"{done.get('unchanged', 0)} unchanged, {done.get('failed', 0)} failed, "
            f"{done.get('deleted', 0)} deleted; {done.get('chunks', 0)} chunks "
            f"in {done.get('elapsed_s', 0)} s",
            markup=False,
        )
        stages = ", ".join(f"{name} {value} s" for name, value in done.get("seconds", {}).items())
        if stages:
            out.print(f"  {stages}", style="dim")
        for document in documents.failed_in(engine, job.id, limit=20):
            out.print(f"  failed: {document.error}", style="yellow", markup=False)
        if job.error:
            out.print(f"  {job.error}", style="red", markup=False)
    if any(job.ended and job.error for job in ended):
        raise typer.Exit(FAILED)
