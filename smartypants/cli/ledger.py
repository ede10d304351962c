"""`smartypants ledger`: the revision of the ledger's tables, for operators."""

from __future__ import annotations

from typing import Annotated

import typer

from smartypants import wiring
from smartypants.cli.output import Json, out, print_json, reporting
from smartypants.ledger import migrating
from smartypants.settings import Settings

app = typer.Typer(
    name="ledger", help="Show or change the revision of the ledger's tables.", no_args_is_help=True
)


@app.command()
def current(json: Json = False) -> None:
    """Show the revision that the tables are at, and the newest that this version knows."""
    with reporting(json) as settings:
        _report(settings, as_json=json)


@app.command()
def upgrade(
    revision: Annotated[str, typer.Argument(help="Default: the newest.")] = "head",
    json: Json = False,
) -> None:
    """Bring the tables up to a revision. Starting the system does so too."""
    with reporting(json) as settings:
        migrating.migrate(wiring.open_ledger(settings), revision)
        _report(settings, as_json=json)


@app.command()
def downgrade(
    revision: Annotated[
        str, typer.Argument(help="A revision such as 0001, or `base` for no tables at all.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Take the tables down to a revision, before an older version is used. Stop the system first.

    What the newer tables and columns held is lost.
    """
    with reporting(json) as settings:
        engine = wiring.open_ledger(settings)
        if not yes:
            where = engine.url.render_as_string(hide_password=True)
            typer.confirm(f"Take {where} down to {revision}?", abort=True, err=True)
        migrating.downgrade(engine, revision)
        _report(settings, as_json=json)


def _report(settings: Settings, *, as_json: bool) -> None:
    at, newest = migrating.current(wiring.open_ledger(settings)), migrating.head()
    if as_json:
        print_json({"current": at, "newest": newest})
    elif at == newest:
        out.print(f"The tables are at {at}, the newest.", markup=False)
    else:
        out.print(f"The tables are at {at or 'no revision'}; the newest is {newest}.", markup=False)
