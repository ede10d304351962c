"""`smartypants prompts`: what the language model is told, in versions."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.table import Table
from sqlalchemy import Engine

from smartypants import wiring
from smartypants.cli import client
from smartypants.cli.ledgers import open_for
from smartypants.cli.output import Json, out, print_json, reporting
from smartypants.errors import InvalidRequest
from smartypants.ledger import prompts
from smartypants.prompts import previewing
from smartypants.prompts.defaults import DEFAULT, default_prompt
from smartypants.prompts.kinds import Kind
from smartypants.prompts.shares import Share
from smartypants.prompts.template import Template, readable
from smartypants.prompts.validating import validate
from smartypants.settings import Settings

Collection = Annotated[
    str | None, typer.Option("--collection", "-c", help="Default: all that have none of their own.")
]
Note = Annotated[str, typer.Option(help="Why; it is kept.")]
SHORT = 12

app = typer.Typer(
    name="prompts", help="What the language model is told, in versions.", no_args_is_help=True
)


@app.command("list")
def list_(collection: Collection = None, json: Json = False) -> None:
    """List the prompts, and which versions are active."""
    with reporting(json) as settings:
        engine = open_for(settings, collection)
        found = {str(kind): _active(engine, kind, collection) for kind in Kind}
        if json:
            return print_json(found)
        for name, shares in found.items():
            out.print(f"{name}: {_said(shares)}")


@app.command()
def show(name: Kind, collection: Collection = None, json: Json = False) -> None:
    """Show a prompt's versions and when which was active; newest first."""
    with reporting(json) as settings:
        _show(open_for(settings, collection), name, collection, as_json=json)


@app.command()
def create(
    name: Kind,
    file: Annotated[Path, typer.Argument(help="YAML or JSON: `messages` with role and content.")],
    collection: Collection = None,
    note: Note = "",
    json: Json = False,
) -> None:
    """Check a template and keep it as a version, which nothing uses before it is activated."""
    with reporting(json) as settings:
        engine = open_for(settings, collection)
        template = _read(file)
        window, tokens = wiring.prompt_window(settings), settings.answers.max_tokens
        validate(name, template, window=window, answer_tokens=tokens)
        stored = prompts.create(
            engine, name, template, collection=collection, created_by=_me(), note=note
        )
        if json:
            return print_json(asdict(stored))
        out.print(f"Version {stored.version}. To use it:")
        scope = f" --collection {collection}" if collection else ""
        out.print(f"  smartypants prompts activate {name} {stored.version[:SHORT]}{scope}")


@app.command()
def preview(
    name: Kind,
    question: str,
    version: Annotated[str | None, typer.Option(help="Default: what is active.")] = None,
    file: Annotated[Path | None, typer.Option(help="A template that is not kept yet.")] = None,
    search: Annotated[
        bool, typer.Option("--search", help="Search the running system for the passages.")
    ] = False,
    collection: Collection = None,
    json: Json = False,
) -> None:
    """Show what the model would be told, and how many tokens that are, without asking it."""
    with reporting(json) as settings:
        if version is not None and file is not None:
            raise InvalidRequest("Both --version and --file are given.", "Give one of them.")
        template = None if file is None else _read(file)
        if search:
            body: dict[str, Any] = {"question": question, "collection": collection, "search": True}
            body["version"] = version
            if template is not None:
                body["messages"] = template.model_dump(mode="json")["messages"]
            found = client.request(settings, "POST", f"/v1/prompts/{name}/preview", json=body)
        else:
            found = _preview(settings, name, question, collection, version, template)
        if json:
            return print_json(found)
        for message in found["messages"]:
            out.print(f"{message['role']}:", style="bold")
            out.print(message["content"], markup=False, soft_wrap=True)
        out.print(f"({found['tokens']} of {found['room']} tokens)", style="dim")


@app.command()
def activate(
    name: Kind,
    versions: Annotated[
        list[str] | None,
        typer.Argument(help="VERSION, or VERSION=SHARE …; `default` is the packaged one."),
    ] = None,
    collection: Collection = None,
    inherit: Annotated[
        bool, typer.Option("--inherit", help="Let the collection use what holds for all.")
    ] = False,
    note: Note = "",
    json: Json = False,
) -> None:
    """Use a version from now on, or several in shares that sum to 1."""
    with reporting(json) as settings:
        if bool(versions) == inherit:
            raise InvalidRequest("Nothing tells what to use.", "Name versions, or --inherit.")
        engine = open_for(settings, collection)
        shares = [_share(item) for item in versions or []]
        prompts.activate(engine, name, shares, collection=collection, created_by=_me(), note=note)
        _show(engine, name, collection, as_json=json)


@app.command()
def rollback(
    name: Kind, collection: Collection = None, note: Note = "", json: Json = False
) -> None:
    """Use what was active before; again, to go one step further back."""
    with reporting(json) as settings:
        engine = open_for(settings, collection)
        prompts.roll_back(engine, name, collection=collection, created_by=_me(), note=note)
        _show(engine, name, collection, as_json=json)


def _preview(
    settings: Settings,
    kind: Kind,
    question: str,
    collection: str | None,
    version: str | None,
    template: Template | None,
) -> dict[str, Any]:
    engine = open_for(settings, collection)
    prompt = previewing.chosen(
        engine, kind, collection=collection, version=version, template=template
    )
    made = previewing.preview(
        prompt,
        question,
        settings=settings,
        window=wiring.prompt_window(settings),
        hits=previewing.sample_hits(),
        collection=collection or settings.default_collection,
    )
    return {"version": prompt.version, **asdict(made)}


def _read(path: Path) -> Template:
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise InvalidRequest(f"{path} can't be read: {exc}", "Name a YAML or JSON file.") from exc
    if not isinstance(found, dict):
        raise InvalidRequest(f"{path} holds no template.", "Write `messages:` and what they say.")
    return readable(found)


def _share(text: str) -> Share:
    version, parted, share = text.partition("=")
    try:
        return Share(version, float(share) if parted else 1.0)
    except ValueError as exc:
        raise InvalidRequest(f"{text!r} is no VERSION=SHARE.", "Write abcd1234=0.5.") from exc


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""  # a user id without a name, as in some containers


def _active(engine: Engine, kind: Kind, collection: str | None) -> list[dict[str, Any]]:
    now = prompts.in_force(engine, kind, collection)
    shares = now.shares if now else (Share(DEFAULT, 1.0),)
    return [asdict(item) for item in shares]


def _said(shares: list[dict[str, Any]]) -> str:
    if not shares:
        return "what holds for all"
    return ", ".join(f"{item['version'][:SHORT]} ({item['share']:.0%})" for item in shares)


def _show(engine: Engine, kind: Kind, collection: str | None, *, as_json: bool) -> None:
    active = _active(engine, kind, collection)
    versions = prompts.versions(engine, kind, collection)
    activations = [asdict(item) for item in prompts.history(engine, kind, collection)]
    if as_json:
        return print_json(
            {
                "name": str(kind),
                "collection": collection,
                "active": active,
                "default": default_prompt(kind).template.model_dump(mode="json"),
                "versions": [asdict(item) for item in versions],
                "activations": activations,
            }
        )
    out.print(f"{kind}: {_said(active)}")
    if versions:
        table = Table("version", "by", "note")
        for item in versions:
            table.add_row(item.version[:SHORT], item.created_by, item.note)
        out.print(table)
    for past in activations:
        back = "" if past["restores"] is None else "  (rolled back)"
        out.print(f"#{past['id']}: {_said(past['shares'])}{back}", style="dim")
