"""`smartypants status` and `doctor`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import httpx
import typer

from smartypants import doctor as checks
from smartypants import runtime, verifying, wiring
from smartypants.cli import client
from smartypants.cli.output import FAILED, Json, err, out, print_json, reporting
from smartypants.errors import NotRunning
from smartypants.ledger import collections
from smartypants.settings import Settings
from smartypants.verifying import Verification


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
        found = _collections(settings) if response.is_success else []
        if json:
            print_json(
                {
                    "url": url,
                    "pid": here.pid if here else None,
                    "readiness": parts,
                    "collections": found,
                }
            )
        else:
            out.print(f"{url}  (process {here.pid if here else 'elsewhere'})")
            for name, part in parts.get("parts", {}).items():
                mark = "[green]ready[/green]" if part["ready"] else "[red]not ready[/red]"
                out.print(f"  {name:14} {mark}  ", end="")
                out.print(part["detail"], markup=False)
            for item in found:
                out.print(f"  collection {item['name']}: {item['documents']}", markup=False)
        if not response.is_success:
            raise typer.Exit(FAILED)


def _collections(settings: Settings) -> list[dict[str, Any]]:
    """All of them, page by page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        params = {} if cursor is None else {"cursor": cursor}
        page = client.request(settings, "GET", "/v1/collections", params=params)
        found += page["collections"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def doctor(
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare the ledger with the vector store.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="And mend what differs; implies --verify.")
    ] = False,
    json: Json = False,
) -> None:
    """Check everything that the system needs. Ends with 1 if something is wrong."""
    with reporting(json) as settings:
        found = checks.examine(settings)
        compared = _verify(settings, repair=repair) if verify or repair else []
        if json:
            print_json(
                {
                    "checks": [asdict(check) for check in found],
                    "collections": [asdict(item) | {"ok": item.ok} for item in compared],
                }
            )
        else:
            for check in found:
                out.print("[green]✓[/green]" if check.ok else "[red]✗[/red]", end=" ")
                out.print(f"{check.name}: {check.detail}", markup=False)
                if check.hint:
                    out.print(f"    {check.hint}", markup=False, style="yellow")
            for item in compared:
                _print_verification(item)
        if not all(check.ok for check in found) or not all(item.ok for item in compared):
            raise typer.Exit(FAILED)


def _verify(settings: Settings, *, repair: bool) -> list[Verification]:
    """Of every collection; with `repair`, what it is like before the repairs."""
    if settings.embedded_vectors:
        runtime.require_running(settings)
    engine, vectors = wiring.open_ledger(settings), wiring.open_vectors(settings)
    found = [verifying.verify(engine, vectors, item.name) for item in collections.every(engine)]
    for item in found if repair else []:
        for job in verifying.repair(engine, vectors, item):
            err.print(f"Job {job.id} indexes documents of {item.collection} anew.")
    return found


def _print_verification(found: Verification) -> None:
    out.print("[green]✓[/green]" if found.ok else "[red]✗[/red]", end=" ")
    out.print(
        f"collection {found.collection}: {found.documents} documents, {found.chunks} chunks; "
        f"{len(found.incomplete)} incomplete, {len(found.stale)} stale, "
        f"{len(found.orphans)} orphaned, {len(found.misplaced)} misplaced; "
        f"{found.pending} documents pending, {found.failed} failed",
        markup=False,
    )
    if not found.ok:
        out.print("    `smartypants doctor --repair` mends it.", style="yellow", markup=False)
