"""`smartypants reindex`."""

from __future__ import annotations

from typing import Annotated

import typer

from deployments.cli_ingest import follow, report, run_here
from smartypants import reindexing, runtime, wiring
from smartypants.cli.output import CollectionName, Json, reporting
from smartypants.telemetry import configure_logs


def reindex(
    collection: CollectionName = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Prepare for another embedding model, while searches go on with the present "
            "one. Then configure it, and reindex once more: searches change over."
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Return when it is done.")] = False,
    json: Json = False,
) -> None:
    """Cut and embed a collection anew, from the texts that were kept; sources are not asked.

    For when `chunker` or `embedder.model` has changed. Searches use what was there before until
    everything is ready. Where the system is up it does the work. Ends with 1 if the job failed.
    """
    with reporting(json) as settings:
        name = collection or settings.default_collection
        if runtime.running(settings) is not None:
            engine = wiring.open_ledger(settings)
            job = reindexing.submit(engine, settings, name, model=model)
            ended = [follow(engine, job.id)] if wait else [job]
        else:
            configure_logs(settings.log.model_copy(update={"level": "warning"}))
            ended = run_here(
                settings, lambda engine: [reindexing.submit(engine, settings, name, model=model)]
            )
        report(wiring.open_ledger(settings), ended, as_json=json)
