"""What a collection has besides its documents: recipe, prompts and safety overrides.

An import gives them to a collection that has none of the kind yet, and changes no others.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Engine

from smartypants.errors import ExportInvalid, SmartyPantsError
from smartypants.ledger import prompts, recipes, safety
from smartypants.prompts import shares
from smartypants.prompts.defaults import DEFAULT
from smartypants.prompts.kinds import Kind
from smartypants.prompts.shares import Share
from smartypants.prompts.template import readable
from smartypants.safety import overrides

NOTE = "imported"


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RecipeRow(_Row):
    """The recipe that searches of the collection use, where it has one of its own."""

    recipe: dict[str, Any]
    evidence: dict[str, Any] | None = None


class ActiveVersion(_Row):
    """A version that is in use, and its share; without a body it is the packaged one."""

    share: float
    body: dict[str, Any] | None = None
    note: str = ""


class PromptRow(_Row):
    """The versions of one prompt that the collection uses, where it has some of its own."""

    kind: Kind
    active: list[ActiveVersion] = Field(min_length=1)


class Belongings(_Row):
    """What a manifest says of them."""

    recipe: RecipeRow | None = None
    prompts: list[PromptRow] | None = None
    safety: dict[str, Any] | None = None

    def check(self) -> None:
        """Raises `ExportInvalid` for what could not be taken, before anything is written."""
        try:
            if self.recipe is not None:
                recipes.readable(self.recipe.recipe)
            for row in self.prompts or ():
                for item in row.active:
                    if item.body is not None:
                        readable(item.body).used(row.kind)
                shares.check([Share(str(n), item.share) for n, item in enumerate(row.active)])
            if self.safety is not None:
                overrides.readable("of the export", self.safety)
        except (SmartyPantsError, ValueError) as exc:
            raise ExportInvalid(f"What belongs to the collection is damaged: {exc}") from exc


def of(engine: Engine, collection: str) -> Belongings:
    own = safety.get(engine, collection)
    return Belongings(
        recipe=_recipe(engine, collection),
        prompts=_prompts(engine, collection) or None,
        safety=None if own is None else dict(own.overrides),
    )


def _recipe(engine: Engine, collection: str) -> RecipeRow | None:
    own = recipes.active(engine, collection)
    if own is None:
        return None
    evidence = None if own.evidence is None else dict(own.evidence)
    return RecipeRow(recipe=own.recipe.model_dump(mode="json"), evidence=evidence)


def _prompts(engine: Engine, collection: str) -> list[PromptRow]:
    rows = []
    for kind in Kind:
        now = prompts.in_force(engine, kind, collection)
        if now is None or now.collection is None:
            continue
        active = []
        for item in now.shares:
            if item.version == DEFAULT:
                active.append(ActiveVersion(share=item.share))
                continue
            stored = prompts.get(engine, kind, collection, item.version)
            body = dict(stored.body)
            active.append(ActiveVersion(share=item.share, body=body, note=stored.note))
        rows.append(PromptRow(kind=kind, active=active))
    return rows


def give(engine: Engine, collection: str, found: Belongings) -> None:
    """To the imported collection. Raises `CollectionNotFound`."""
    if found.recipe is not None and not recipes.history(engine, collection):
        recipe = recipes.readable(found.recipe.recipe)
        recipes.activate(engine, collection, recipe, evidence=found.recipe.evidence)
    for row in found.prompts or ():
        if not prompts.history(engine, row.kind, collection):
            _give_prompt(engine, collection, row)
    if found.safety is not None and safety.get(engine, collection) is None:
        safety.put(engine, collection, found.safety, changed_by=NOTE)


def _give_prompt(engine: Engine, collection: str, row: PromptRow) -> None:
    chosen = []
    for item in row.active:
        version = DEFAULT
        if item.body is not None:
            made = prompts.create(
                engine,
                row.kind,
                readable(item.body),
                collection=collection,
                created_by=NOTE,
                note=item.note,
            )
            version = made.version
        chosen.append(Share(version, item.share))
    prompts.activate(engine, row.kind, chosen, collection=collection, created_by=NOTE, note=NOTE)
