"""`smartypants recipe`: how searches of a collection are made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import yaml
from pydantic import ValidationError
from rich.table import Table
from sqlalchemy import Engine

from smartypants.cli.ledgers import open_for
from smartypants.cli.output import Json, out, print_json, reporting
from smartypants.cli.tune import print_evidence
from smartypants.errors import InvalidRequest
from smartypants.ledger import recipes
from smartypants.recipes import Recipe
from smartypants.settings import Settings
from smartypants.tuning.evidence import Evidence

app = typer.Typer(
    name="recipe", help="How searches of a collection are made.", no_args_is_help=True
)


@app.command()
def show(collection: str, json: Json = False) -> None:
    """Show the recipe in use, what speaks for it, and those that were in use before."""
    with reporting(json) as settings:
        engine = open_for(settings, collection)
        _show(engine, settings, collection, as_json=json)


@app.command("set")
def set_(
    collection: str,
    changes: Annotated[
        list[str],
        typer.Argument(help="NAME=VALUE …, as below `retrieval` in the settings; or a YAML file."),
    ],
    json: Json = False,
) -> None:
    """Change the recipe in use; what is not named stays as it is."""
    with reporting(json) as settings:
        engine = open_for(settings, collection)
        now = recipes.active(engine, collection)
        base = now.recipe if now else settings.retrieval
        recipes.activate(engine, collection, changed(base, changes))
        _show(engine, settings, collection, as_json=json)


@app.command()
def reset(collection: str, json: Json = False) -> None:
    """Use the recipe of the settings again."""
    with reporting(json) as settings:
        engine = open_for(settings, collection)
        recipes.reset(engine, collection)
        _show(engine, settings, collection, as_json=json)


def changed(base: Recipe, changes: list[str]) -> Recipe:
    """The recipe with other values. Raises `InvalidRequest` for a name or value it can't have."""
    values: dict[str, object] = {}
    for change in changes:
        name, parted, text = change.partition("=")
        try:
            found = {name: yaml.safe_load(text)} if parted else _file(Path(change))
        except yaml.YAMLError as exc:
            raise InvalidRequest(f"{change!r} is no value: {exc}", "Write NAME=VALUE.") from exc
        values |= found
    try:
        return Recipe.model_validate(base.model_dump() | values)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(
            f"{where}: {first['msg']}.", f"A recipe has {', '.join(Recipe.model_fields)}."
        ) from exc


def _file(path: Path) -> dict[str, object]:
    try:
        found = yaml.safe_load(path.read_text())
    except OSError as exc:
        raise InvalidRequest(f"{path} is neither NAME=VALUE nor a file.", "Check it.") from exc
    if not isinstance(found, dict):
        raise InvalidRequest(f"{path} holds no names and values.", "Write NAME: VALUE lines.")
    return found


def _show(engine: Engine, settings: Settings, collection: str, *, as_json: bool) -> None:
    now = recipes.active(engine, collection)
    recipe = now.recipe if now else settings.retrieval
    history = recipes.history(engine, collection)
    if as_json:
        return print_json(
            {
                "collection": collection,
                "own": now is not None,
                "version": recipe.version,
                "recipe": recipe.model_dump(mode="json"),
                "evidence": now.evidence if now else None,
                "history": [
                    {"version": item.version, "created_at": item.created_at, "active": item.active}
                    for item in history
                ],
            }
        )
    out.print("The collection's own." if now else "The settings' (`retrieval`).")
    table = Table("", "", show_header=False)
    for name, value in recipe.model_dump(mode="json").items():
        table.add_row(name, str(value))
    out.print(table)
    if now and now.evidence:
        print_evidence(Evidence.model_validate(now.evidence))
    elif now:
        out.print("Set by hand: nothing was measured.", style="yellow")
    if history:
        out.print(f"{len(history)} recipes so far: {', '.join(item.version for item in history)}")
