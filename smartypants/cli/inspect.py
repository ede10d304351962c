"""`smartypants jobs`, `status` and `doctor`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import httpx
import typer
from rich.table import Table

from smartypants import doctor as checks
from smartypants import runtime, wiring
from smartypants.cli import client
from smartypants.cli.output import FAILED, Json, out, print_json, reporting
from smartypants.errors import NotRunning
from smartypants.ledger import documents
from smartypants.ledger import jobs as ledger_jobs
from smartypants.ledger.database import migrate


def jobs(
    job_id: Annotated[
        str | None, typer.Argument(help="One job, with its failed documents.")
    ] = None,
    json: Json = False,
) -> None:
    """List jobs, newest first, or show one."""
    with reporting(json) as settings:
        engine = wiring.open_ledger(settings)
        migrate(engine)
        if job_id is None:
            rows = ledger_jobs.page(engine, limit=50)
        else:
            rows = [ledger_jobs.get(engine, job_id)]
        if json:
            values = [asdict(row) for row in rows]
            return print_json({"jobs": values} if job_id is None else values[0])
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
            if row.error:
                out.print(f"{row.id}: {row.error}", style="red", markup=False)
        if job_id is not None:
            for document in documents.failed_in(engine, job_id, limit=100):
                out.print(f"  {document.name}: {document.error}", markup=False)


def status(json: Json = False) -> None:
    """What runs, whether it is ready, and what is indexed. Ends with 1 if it is not ready."""
    with reporting(json) as settings:
        url = client.base_url(settings)
        try:
            response = httpx.get(f"{url}/readyz", timeout=15)
            parts: dict[str, Any] = response.json()
        except (httpx.HTTPError, ValueError) as exc:
            raise NotRunning(f"{url} does not answer yet.", "Wait a little.") from exc
        here = runtime.running(settings)
        counts = client.request(settings, "GET", "/v1/collections") if response.is_success else {}
        if json:
            print_json(
                {"url": url, "pid": here.pid if here else None, "readiness": parts, **counts}
            )
        else:
            out.print(f"{url}  (process {here.pid if here else 'elsewhere'})")
            for name, part in parts.get("parts", {}).items():
                mark = "[green]ready[/green]" if part["ready"] else "[red]not ready[/red]"
                out.print(f"  {name:14} {mark}  ", end="")
                out.print(part["detail"], markup=False)
            for item in counts.get("collections", []):
                out.print(f"  collection {item['name']}: {item['documents']}", markup=False)
        if not response.is_success:
            raise typer.Exit(FAILED)


def doctor(json: Json = False) -> None:
    """Check everything that the system needs. Ends with 1 if something is wrong."""
    with reporting(json) as settings:
        found = checks.examine(settings)
        if json:
            print_json({"checks": [asdict(check) for check in found]})
        else:
            for check in found:
                out.print("[green]✓[/green]" if check.ok else "[red]✗[/red]", end=" ")
                out.print(f"{check.name}: {check.detail}", markup=False)
                if check.hint:
                    out.print(f"    {check.hint}", markup=False, style="yellow")
        if not all(check.ok for check in found):
            raise typer.Exit(FAILED)
