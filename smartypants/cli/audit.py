"""`smartypants audit`: read, export and verify the audit log, for whoever operates the machine."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from smartypants import credentials
from smartypants.auditing import events, lines
from smartypants.auditing.chain import GENESIS, Anchor, Link, Report, verify
from smartypants.cli.ledgers import open_ledger
from smartypants.cli.output import FAILED, Json, err, moment, out, print_json, reporting
from smartypants.errors import ValidationFailed
from smartypants.ledger import audit, users
from smartypants.ledger.audit import Wanted
from smartypants.settings import Settings

app = typer.Typer(
    name="audit", help="The audit log: who did what, and saw what.", no_args_is_help=True
)

Since = Annotated[datetime | None, typer.Option("--from", help="Recorded then (UTC), or later.")]
Until = Annotated[datetime | None, typer.Option("--to", help="Recorded earlier.")]
UserName = Annotated[str | None, typer.Option("--user", help="Whose doing it was.")]


@app.command("list")
def list_(
    since: Since = None,
    until: Until = None,
    user: UserName = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    json: Json = False,
) -> None:
    """List records, newest first."""
    with reporting(json) as settings:
        engine = open_ledger(settings)
        found = audit.page(engine, _wanted(settings, since, until, user), before=None, limit=limit)
        if json:
            shown = [lines.with_link(each.event, each.link, each.former) for each in found]
            return print_json({"records": shown})
        table = Table("number", "time", "who", "what", "of", "")
        for each in found:
            table.add_row(str(each.link.id), *_row(each.event))
        out.print(table)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="A file, for one OCSF event a line.")],
    since: Since = None,
    until: Until = None,
    user: UserName = None,
    json: Json = False,
) -> None:
    """Write records to a file, oldest first. It can be verified by itself."""
    with reporting(json) as settings:
        engine, count, last = open_ledger(settings), 0, GENESIS
        wanted = _wanted(settings, since, until, user)
        audit.record(engine, events.exported("audit log"))
        with file.open("w", encoding="ascii") as output:
            for each in audit.every(engine, wanted):
                output.write(lines.dumped(each.event, each.link, each.former))
                count, last = count + 1, Anchor(each.link.id, each.link.hash)
        if json:
            return print_json({"records": count, "anchor": last.text})
        out.print(f"{count} records. Anchor: {last.text}", markup=False, soft_wrap=True)


@app.command("verify")
def verify_(
    anchor: Annotated[
        list[str] | None,
        typer.Option(help="NUMBER:HASH of a record, as kept elsewhere: it must be there."),
    ] = None,
    after: Annotated[
        str | None, typer.Option(help="NUMBER:HASH of what the first record follows.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="An exported file instead.")] = None,
    json: Json = False,
) -> None:
    """Find records that were changed, removed, moved or made up; and print a new anchor.

    Records cut off at the end are only noticed with --anchor: keep what this prints elsewhere.
    """
    with reporting(json) as settings:
        anchors = [_anchor(each) for each in anchor or []]
        chosen = settings.audit
        keys = [*([chosen.key] if chosen.key else []), *chosen.former_keys]
        secrets = [credentials.resolve(key) for key in keys]
        if file is None:
            start = GENESIS if after is None else _anchor(after)
            links = audit.links(open_ledger(settings))
            report = verify(links, secrets=secrets, after=start, anchors=anchors)
        else:
            with file.open(encoding="utf-8") as given:
                found = list(lines.read(given))
            start = _anchor(after) if after else found[0][1] if found else GENESIS
            kept: list[Link] = [link for link, _ in found]
            report = verify(kept, secrets=secrets, after=start, anchors=anchors)
        _report(report, as_json=json)


def _report(report: Report, *, as_json: bool) -> None:
    if as_json:
        faults = [asdict(fault) for fault in report.faults]
        print_json({"records": report.records, "anchor": report.anchor.text, "faults": faults})
    else:
        for fault in report.faults:
            err.print(f"[red]Record {fault.id}[/red] {fault.what}.", soft_wrap=True)
        verdict = f"{len(report.faults)} faults" if report.faults else "intact"
        out.print(
            f"{report.records} records, {verdict}. Anchor: {report.anchor.text}",
            markup=False,
            soft_wrap=True,
        )
    if report.faults:
        raise typer.Exit(FAILED)


def _anchor(text: str) -> Anchor:
    """Raises `ValidationFailed`."""
    found = Anchor.parse(text)
    if found is None:
        raise ValidationFailed(f"{text!r} is no anchor.", "`smartypants audit verify` prints one.")
    return found


def _wanted(
    settings: Settings, since: datetime | None, until: datetime | None, user: str | None
) -> Wanted:
    user_id = None if user is None else users.named(open_ledger(settings), user).id
    return Wanted(since=_seconds(since), until=_seconds(until), user_id=user_id)


def _seconds(given: datetime | None) -> float | None:
    """Typer reads times without a zone: they are UTC, as all that we print."""
    return None if given is None else given.replace(tzinfo=UTC).timestamp()


def _row(event: dict[str, Any]) -> tuple[str, ...]:
    entity, user = event.get("entity", {}), event.get("user", {})
    resources = [each["uid"] for each in event.get("resources", [])]
    named = entity.get("uid") or user.get("name") or user.get("uid") or ", ".join(resources[:3])
    more = f" and {len(resources) - 3} more" if len(resources) > 3 else ""
    kind = entity.get("type") or event["class_name"]
    return (
        moment(event["time"] / 1000) or "",
        event["actor"]["user"]["name"],
        f"{event['activity_name']} ({kind})",
        f"{named}{more}",
        event.get("status_code", ""),
    )
