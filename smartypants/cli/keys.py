"""`smartypants keys`: API keys, made in the ledger by whoever operates the machine."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from sqlalchemy import Engine

from smartypants.auth.roles import SCOPES, Role
from smartypants.auth.secrets import KeySecret
from smartypants.cli.ledgers import open_ledger
from smartypants.cli.output import Json, err, moment, out, print_json, reporting
from smartypants.errors import Conflict
from smartypants.ledger import api_keys, users
from smartypants.ledger.api_keys import ApiKey
from smartypants.ledger.database import reading
from smartypants.settings import Settings

DAY_S = 86_400.0

app = typer.Typer(name="keys", help="API keys: create, list, rotate, revoke.", no_args_is_help=True)

Days = Annotated[
    float | None, typer.Option("--expires", metavar="DAYS", help="Ends after so many days.", min=0)
]


@app.command()
def bootstrap(json: Json = False) -> None:
    """Make the first admin with a key: once, and only while there is no admin."""
    with reporting(json) as settings:
        made = api_keys.bootstrap(open_ledger(settings))
        if made is None:
            raise Conflict(
                "There is an admin, or was one.",
                "On this machine `smartypants keys create NAME --user USER` makes a key all the "
                "same.",
            )
        user, secret = made
        _hand_out({"id": secret.id, "user": user.name}, secret, as_json=json)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    user: Annotated[str | None, typer.Option(help="Whose it is.")] = None,
    service: Annotated[
        str | None, typer.Option(help="A service, made where it is new; needs --scope.")
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help=f"What it may do, of {', '.join(SCOPES)}.")
    ] = None,
    expires: Days = None,
    json: Json = False,
) -> None:
    """Make a key of a user or of a service. It is shown once."""
    with reporting(json) as settings:
        if (user is None) == (service is None):
            raise typer.BadParameter("Name either --user or --service.")
        engine = open_ledger(settings)
        owner = None if service is None else users.named_or_none(engine, service)
        if owner is None:
            owner = (
                users.named(engine, user)
                if user is not None
                else users.create(engine, service or "", kind="service", role=Role.SERVICE)
            )
        key, secret = api_keys.create(
            engine, owner, name=name, scopes=scope or None, expires_at=_ends(expires)
        )
        _hand_out(_shown(key, owner.name), secret, as_json=json)


@app.command("list")
def list_(json: Json = False) -> None:
    """List all keys, newest first, without what makes them work."""
    with reporting(json) as settings:
        _list(open_ledger(settings), as_json=json)


@app.command()
def rotate(
    key: Annotated[str, typer.Argument(help="Its id.")],
    overlap: Annotated[
        float, typer.Option(metavar="HOURS", help="The former goes on working.", min=0)
    ] = 24.0,
    expires: Days = None,
    json: Json = False,
) -> None:
    """Put a new key in the place of one."""
    with reporting(json) as settings:
        engine = open_ledger(settings)
        new, secret = api_keys.rotate(
            engine, key, overlap_s=overlap * 3600, expires_at=_ends(expires)
        )
        name = users.names(engine, [new.user_id])[new.user_id]
        _hand_out(_shown(new, name) | {"replaces": key}, secret, as_json=json)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Its id.")],
    json: Json = False,
) -> None:
    """End a key, from the next request on."""
    with reporting(json) as settings:
        engine = open_ledger(settings)
        ended = api_keys.revoke(engine, key)
        name = users.names(engine, [ended.user_id])[ended.user_id]
        if json:
            print_json(_shown(ended, name))
        else:
            out.print(f"API key {key} of {name} is revoked.", markup=False)


def lacks_admin(settings: Settings) -> bool:
    """Whether `bootstrap` would make one."""
    with reading(open_ledger(settings)) as connection:
        return not users.has_admin(connection)


def _ends(days: float | None) -> float | None:
    return None if days is None else time.time() + days * DAY_S


def _shown(key: ApiKey, user: str) -> dict[str, Any]:
    return {
        "id": key.id,
        "user": user,
        "name": key.name,
        "scopes": None if key.scopes is None else list(key.scopes),
        "created_at": moment(key.created_at),
        "expires_at": moment(key.expires_at),
        "last_used_at": moment(key.last_used_at),
        "revoked_at": moment(key.revoked_at),
        "replaced_by": key.replaced_by,
    }


def _hand_out(about: dict[str, Any], secret: KeySecret, *, as_json: bool) -> None:
    """The key on standard output alone, for scripts; nobody can see it again."""
    if as_json:
        return print_json(about | {"key": secret.text})
    err.print(f"API key {secret.id} of {about['user']}. Keep it: it is shown once.", markup=False)
    out.print(secret.text, markup=False, soft_wrap=True)


def _list(engine: Engine, *, as_json: bool) -> None:
    found = api_keys.every(engine)
    names = users.names(engine, [key.user_id for key in found])
    rows = [_shown(key, names[key.user_id]) for key in found]
    if as_json:
        return print_json({"keys": rows})
    table = Table(Column("id", no_wrap=True), "user", "name", "scopes", "expires", "used", "state")
    now = time.time()
    for key, row in zip(found, rows, strict=True):
        state = "valid" if key.valid(now) else "revoked" if key.revoked_at else "expired"
        scopes = "all" if key.scopes is None else ", ".join(key.scopes)
        expires, used = row["expires_at"] or "", row["last_used_at"] or ""
        table.add_row(key.id, row["user"], key.name, scopes, expires, used, state)
    out.print(table)
