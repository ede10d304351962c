"""`smartypants users`, `groups` and `grants`: who there is, and who may do what."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table

from smartypants.auth.roles import Role
from smartypants.cli.ledgers import open_ledger
from smartypants.cli.output import Json, moment, out, print_json, reporting
from smartypants.errors import ValidationFailed
from smartypants.ledger import grants as ledger_grants
from smartypants.ledger import groups as ledger_groups
from smartypants.ledger import users as ledger_users
from smartypants.ledger.users import User

PAGE = 500

users = typer.Typer(name="users", help="People and services.", no_args_is_help=True)
groups = typer.Typer(name="groups", help="Groups of users.", no_args_is_help=True)
grants = typer.Typer(name="grants", help="Roles in single collections.", no_args_is_help=True)

RoleName = Annotated[Role, typer.Argument(help="none, reader, editor, service or admin.")]
UserName = Annotated[str, typer.Argument(metavar="USER")]
Collection = Annotated[str, typer.Argument()]
Principal = Annotated[str, typer.Argument(help="user:NAME, group:NAME or public.")]


@users.command("list")
def list_users(json: Json = False) -> None:
    """List users by name."""
    with reporting(json) as settings:
        engine, found = open_ledger(settings), list[User]()
        while page := ledger_users.page(engine, after=found[-1].name if found else "", limit=PAGE):
            found += page
        if json:
            return print_json({"users": [_shown(user) for user in found]})
        table = Table("name", "kind", "role", "email", "seen", "")
        for user in found:
            seen, state = moment(user.seen_at) or "", "disabled" if user.disabled else ""
            table.add_row(user.name, user.kind, user.role, user.email or "", seen, state)
        out.print(table)


@users.command("create")
def create_user(
    name: UserName,
    role: Annotated[Role, typer.Option()] = Role.READER,
    service: Annotated[bool, typer.Option("--service", help="A machine; role service.")] = False,
    json: Json = False,
) -> None:
    """Make a user: a person before the first login, or a service."""
    with reporting(json) as settings:
        kind = "service" if service else "person"
        chosen = Role.SERVICE if service else role
        _show(ledger_users.create(open_ledger(settings), name, role=chosen, kind=kind), json)


@users.command("role")
def change_role(name: UserName, role: RoleName, json: Json = False) -> None:
    """Give a user another role, from the next request on."""
    with reporting(json) as settings:
        _show(ledger_users.change(open_ledger(settings), name, role=role), json)


@users.command("disable")
def disable(name: UserName, json: Json = False) -> None:
    """Shut a user out, with all keys and sessions, from the next request on."""
    with reporting(json) as settings:
        _show(ledger_users.change(open_ledger(settings), name, disabled=True), json)


@users.command("enable")
def enable(name: UserName, json: Json = False) -> None:
    """Let a user in again."""
    with reporting(json) as settings:
        _show(ledger_users.change(open_ledger(settings), name, disabled=False), json)


@users.command("link")
def link(
    name: UserName,
    issuer: Annotated[str, typer.Argument(help="Its name in auth.issuers.")],
    subject: Annotated[str, typer.Argument(help="What the issuer calls the user (`sub`).")],
    json: Json = False,
) -> None:
    """Let a user log in at a further issuer."""
    with reporting(json) as settings:
        chosen = settings.auth.issuers.get(issuer)
        if chosen is None:
            raise ValidationFailed(f"There is no issuer {issuer!r}.", "See auth.issuers.")
        engine = open_ledger(settings)
        user = ledger_users.named(engine, name)
        ledger_users.link(engine, user.id, (chosen.issuer, subject))
        _show(user, json)


@groups.command("list")
def list_groups(json: Json = False) -> None:
    """List groups with their members, and who says so."""
    with reporting(json) as settings:
        found = ledger_groups.every(open_ledger(settings))
        if json:
            rows = {name: [asdict(each) for each in members] for name, members in found.items()}
            return print_json({"groups": rows})
        table = Table("group", "members")
        for name, members in found.items():
            table.add_row(name, ", ".join(f"{each.user} ({each.origin})" for each in members))
        out.print(table)


@groups.command("set")
def set_group(
    group: Annotated[str, typer.Argument()],
    members: Annotated[list[str] | None, typer.Argument(help="Users; none empties it.")] = None,
    json: Json = False,
) -> None:
    """Say who is in a group, besides those whom issuers put there."""
    with reporting(json) as settings:
        engine = open_ledger(settings)
        ids = [ledger_users.named(engine, name).id for name in members or []]
        ledger_groups.set_members(engine, group, ids)
        if json:
            print_json({"group": group, "members": members or []})
        else:
            out.print(f"{group}: {', '.join(members or []) or 'nobody'}", markup=False)


@groups.command("remove")
def remove_group(group: Annotated[str, typer.Argument()], json: Json = False) -> None:
    """Remove a group; issuers may claim it again."""
    with reporting(json) as settings:
        ledger_groups.remove(open_ledger(settings), group)
        if json:
            print_json({"removed": group})


@grants.command("list")
def list_grants(json: Json = False) -> None:
    """List grants; a collection without any is for everybody, by their own roles."""
    with reporting(json) as settings:
        found = ledger_grants.every(open_ledger(settings))
        if json:
            return print_json({"grants": [asdict(grant) for grant in found]})
        table = Table("collection", "principal", "role")
        for grant in found:
            table.add_row(grant.collection, grant.principal, grant.role)
        out.print(table)


@grants.command("give")
def give(collection: Collection, principal: Principal, role: RoleName, json: Json = False) -> None:
    """Give a role in a collection, which from then on is only for those who have one."""
    with reporting(json) as settings:
        grant = ledger_grants.give(open_ledger(settings), collection, principal, role)
        if json:
            print_json(asdict(grant))


@grants.command("take")
def take(collection: Collection, principal: Principal, json: Json = False) -> None:
    """Take a grant back."""
    with reporting(json) as settings:
        ledger_grants.take(open_ledger(settings), collection, principal)
        if json:
            print_json({"taken": {"collection": collection, "principal": principal}})


def _shown(user: User) -> dict[str, Any]:
    times = {"created_at": moment(user.created_at), "seen_at": moment(user.seen_at)}
    return asdict(user) | times | {"disabled": bool(user.disabled)}


def _show(user: User, as_json: bool) -> None:
    if as_json:
        return print_json(_shown(user))
    state = "disabled" if user.disabled else user.role
    out.print(f"{user.principal} ({user.kind}): {state}", markup=False)
