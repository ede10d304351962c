"""`smartypants safety`: what answers from a collection have to keep beyond the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import yaml
from pydantic import ValidationError
from sqlalchemy import Engine

from smartypants.cli.ledgers import open_for
from smartypants.cli.output import Json, out, print_json, reporting
from smartypants.errors import InvalidRequest
from smartypants.ledger import safety
from smartypants.safety.overrides import SafetyOverrides, readable
from smartypants.settings import Settings

app = typer.Typer(
    name="safety", help="What answers from a collection have to keep.", no_args_is_help=True
)


@app.command()
def show(collection: str, json: Json = False) -> None:
    """Show the overrides of a collection, and what holds with them."""
    with reporting(json) as settings:
        _show(open_for(settings, collection), settings, collection, as_json=json)


@app.command("set")
def set_(
    collection: str,
    overrides: Annotated[
        Path, typer.Argument(help="A YAML file, as below `safety` in the settings.")
    ],
    json: Json = False,
) -> None:
    """Set all overrides of a collection; they can make answers stricter only."""
    with reporting(json) as settings:
        engine = open_for(settings, collection)
        kept = _read(overrides).model_dump(mode="json", exclude_defaults=True)
        safety.put(engine, collection, kept, changed_by="operator")
        _show(engine, settings, collection, as_json=json)


@app.command()
def reset(collection: str, json: Json = False) -> None:
    """Ask no more of its answers than the settings do."""
    with reporting(json) as settings:
        engine = open_for(settings, collection)
        safety.reset(engine, collection)
        _show(engine, settings, collection, as_json=json)


def _read(path: Path) -> SafetyOverrides:
    """Raises `InvalidRequest`."""
    try:
        return SafetyOverrides.model_validate(yaml.safe_load(path.read_text()) or {})
    except (OSError, yaml.YAMLError) as exc:
        raise InvalidRequest(f"{path} can't be read: {exc}", "Check it.") from exc
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(
            f"{where}: {first['msg']}.", "docs/safety.md says what a collection may ask for."
        ) from exc


def _show(engine: Engine, settings: Settings, collection: str, *, as_json: bool) -> None:
    stored = safety.get(engine, collection)
    own = None if stored is None else readable(collection, stored.overrides)
    effective = settings.safety if own is None else own.applied(settings.safety)
    shown = {
        "collection": collection,
        "overrides": None if own is None else own.model_dump(mode="json", exclude_defaults=True),
        "effective": effective.model_dump(mode="json"),
    }
    if as_json:
        return print_json(shown)
    out.print("The settings' (`safety`)." if own is None else "Stricter than the settings.")
    out.print(yaml.safe_dump(shown["effective"], sort_keys=False), markup=False)
