"""`smartypants usage`: what was used, by whom, and what it cost."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from smartypants.auditing import events
from smartypants.cli.ledgers import open_ledger
from smartypants.cli.output import Json, out, print_json, reporting
from smartypants.errors import ValidationFailed
from smartypants.ledger import audit, users
from smartypants.ledger import usage as ledger_usage
from smartypants.ledger.usage import GROUPS, Group, Wanted
from smartypants.metering import forms


def usage(
    since: Annotated[
        datetime | None, typer.Option("--from", help="From that hour on (UTC).")
    ] = None,
    until: Annotated[datetime | None, typer.Option("--to", help="Until that hour.")] = None,
    by: Annotated[
        str, typer.Option(help=f"Some of {', '.join(GROUPS)}, with commas between.")
    ] = "day,user,model",
    user: Annotated[str | None, typer.Option(help="Whose, by name.")] = None,
    key: Annotated[str | None, typer.Option(help="Of an API key, by id.")] = None,
    collection: Annotated[str | None, typer.Option("--collection", "-c")] = None,
    model: Annotated[str | None, typer.Option()] = None,
    export: Annotated[
        Path | None, typer.Option(help="Write a .csv, .jsonl or .parquet file instead.")
    ] = None,
    json: Json = False,
) -> None:
    """Sum up requests, tokens, embeddings, documents and cost."""
    with reporting(json) as settings:
        engine, groups = open_ledger(settings), _groups(by)
        wanted = Wanted(
            since=_seconds(since),
            until=_seconds(until),
            user_id=None if user is None else users.named(engine, user).id,
            key_id=key,
            collection=collection,
            model=model,
        )
        found = list(ledger_usage.every(engine, wanted, groups))
        place = groups.index("user") if "user" in groups else None
        ids = [] if place is None else [each.group[place] for each in found]
        names = users.names(engine, ids)
        rows = [forms.row(each, groups, names) for each in found]
        if export is not None:
            audit.record(engine, events.exported("usage"))
            count = forms.write(export, rows, groups)
            if json:
                return print_json({"rows": count, "file": str(export)})
            return out.print(f"{count} rows in {export}.", markup=False)
        if json:
            return print_json({"usage": rows})
        table = Table(*groups, *forms.SUMS)
        for each in rows:
            table.add_row(*("" if value is None else str(value) for value in each.values()))
        out.print(table)


def _groups(given: str) -> tuple[Group, ...]:
    """Raises `ValidationFailed`."""
    chosen = [name.strip() for name in given.split(",") if name.strip()]
    unknown = sorted(set(chosen) - set(GROUPS))
    if unknown:
        raise ValidationFailed(
            f"Nothing is grouped by {unknown[0]!r}.", f"{', '.join(GROUPS)} are."
        )
    return tuple(name for name in GROUPS if name in chosen)


def _seconds(given: datetime | None) -> float | None:
    return None if given is None else given.replace(tzinfo=UTC).timestamp()
