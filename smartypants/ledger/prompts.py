"""Versions of prompts, and which were active when. Rows are added, and none is changed.

A version belongs to a collection, or (`collection` is None) to all that have none of their own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, func, insert, or_, select

from smartypants.auditing import events
from smartypants.errors import Conflict, PromptNotFound
from smartypants.ledger import audit
from smartypants.ledger.collections import hold
from smartypants.ledger.database import reading, upsert
from smartypants.ledger.schema import prompt_activations as activations
from smartypants.ledger.schema import prompts
from smartypants.prompts.defaults import DEFAULT
from smartypants.prompts.kinds import Kind
from smartypants.prompts.shares import Share, check
from smartypants.prompts.template import Template, readable
from smartypants.types import stable_id

MAX_HISTORY = 100
_MIN_PREFIX = 4


@dataclass(frozen=True, slots=True)
class StoredPrompt:
    """A row of `prompts`."""

    kind: Kind
    version: str
    collection: str | None
    body: Mapping[str, Any]
    created_at: float
    created_by: str
    note: str


@dataclass(frozen=True, slots=True)
class Activation:
    """A row of `prompt_activations`; without shares, what holds is what holds for all.

    `restores` is the number of the activation that a rollback went back to, 0: to before the
    first.
    """

    id: int
    kind: Kind
    collection: str | None
    shares: tuple[Share, ...]
    restores: int | None
    created_at: float
    created_by: str
    note: str

    @property
    def experiment(self) -> str:
        """Names the assignment of callers to versions, the same before and after a rollback."""
        return f"{self.kind}:{self.collection or ''}:{self.restores or self.id}"


def create(
    engine: Engine,
    kind: Kind,
    template: Template,
    *,
    collection: str | None = None,
    created_by: str = "",
    note: str = "",
) -> StoredPrompt:
    """Keep a version, which nothing uses before it is activated. Idempotent.

    The template must be valid; see `validating`. Raises `CollectionNotFound`.
    """
    version = template.version(kind)
    row = {
        "id": _id(kind, collection, version),
        "kind": str(kind),
        "version": version,
        "collection": collection,
        "body": template.model_dump(mode="json"),
        "created_at": time.time(),
        "created_by": created_by,
        "note": note,
    }
    with engine.begin() as connection:
        _hold(connection, collection)
        connection.execute(upsert(engine, prompts, [row]))
        made = events.changed("prompt", "Create", kind, version=version, collection=collection)
        audit.note(connection, made)
    return get(engine, kind, collection, version)


def get(engine: Engine, kind: Kind, collection: str | None, version: str) -> StoredPrompt:
    """By version, or by a beginning of at least 4 characters that one alone has.

    Raises `PromptNotFound`.
    """
    mine = _scope(prompts, kind, collection)
    exact = prompts.c.version == version
    begun = and_(
        func.length(version) >= _MIN_PREFIX, prompts.c.version.startswith(version, autoescape=True)
    )
    with reading(engine) as connection:
        rows = connection.execute(select(prompts).where(mine, or_(exact, begun)).limit(2)).all()
    found = [row for row in rows if row.version == version] or rows
    if len(found) != 1:
        scope = f"collection {collection!r}" if collection else "all collections"
        raise PromptNotFound(
            f"The prompt {kind} of {scope} has {'several' if found else 'no'} versions "
            f"{version!r}.",
            f"`smartypants prompts show {kind}` lists them.",
        )
    return _stored(found[0])


def template(engine: Engine, kind: Kind, collection: str | None, version: str) -> Template:
    """Raises `PromptNotFound`, or `PromptInvalid` for one that this release can't read."""
    return readable(get(engine, kind, collection, version).body)


def versions(engine: Engine, kind: Kind, collection: str | None) -> list[StoredPrompt]:
    """Newest first, the last `MAX_HISTORY`."""
    mine = select(prompts).where(_scope(prompts, kind, collection))
    ordered = mine.order_by(prompts.c.created_at.desc(), prompts.c.version).limit(MAX_HISTORY)
    with reading(engine) as connection:
        return [_stored(row) for row in connection.execute(ordered)]


def history(engine: Engine, kind: Kind, collection: str | None) -> list[Activation]:
    """Newest first, the last `MAX_HISTORY`."""
    mine = select(activations).where(_scope(activations, kind, collection))
    ordered = mine.order_by(activations.c.id.desc()).limit(MAX_HISTORY)
    with reading(engine) as connection:
        return [_activation(row) for row in connection.execute(ordered)]


def in_force(engine: Engine, kind: Kind, collection: str | None) -> Activation | None:
    """The collection's own activation, or else that of all; None: the packaged default's turn."""
    last = [
        select(func.max(activations.c.id)).where(_scope(activations, kind, scope)).scalar_subquery()
        for scope in {collection, None}
    ]
    found = select(activations).where(or_(*(activations.c.id == number for number in last)))
    with reading(engine) as connection:
        rows = [_activation(row) for row in connection.execute(found)]
    rows.sort(key=lambda row: row.collection is None)
    return next((row for row in rows if row.shares), None)


def activate(
    engine: Engine,
    kind: Kind,
    shares: Sequence[Share],
    *,
    collection: str | None = None,
    created_by: str = "",
    note: str = "",
) -> Activation:
    """Let answers use these versions from now on; `default` is the packaged one.

    No shares: the collection has none of its own any more. Raises `ValidationFailed`,
    `PromptNotFound` or `CollectionNotFound`.
    """
    whole = [Share(_whole(engine, kind, collection, item.version), item.share) for item in shares]
    if whole:
        check(whole)
    with engine.begin() as connection:
        _hold(connection, collection)
        return _add(connection, kind, collection, whole, None, created_by, note)


def roll_back(
    engine: Engine,
    kind: Kind,
    *,
    collection: str | None = None,
    created_by: str = "",
    note: str = "",
) -> Activation:
    """Activate what was active before; again and again, one step further back each time.

    Raises `Conflict` where nothing was, or `CollectionNotFound`.
    """
    mine = _scope(activations, kind, collection)
    newest = select(activations).where(mine).order_by(activations.c.id.desc()).limit(1)
    with engine.begin() as connection:
        _hold(connection, collection)
        now = connection.execute(newest).first()
        standing = 0 if now is None else _restored(now)
        if standing == 0:
            raise Conflict(
                f"Nothing was active before for the prompt {kind}.", "Activate a version."
            )
        former = connection.execute(newest.where(activations.c.id < standing)).first()
        shares = () if former is None else _activation(former).shares
        restores = 0 if former is None else _restored(former)
        return _add(connection, kind, collection, shares, restores, created_by, note)


def _restored(row: Any) -> int:
    """The activation that a row stands for: itself, or the one that it went back to."""
    number: int = row.id if row.restores is None else row.restores
    return number


def _whole(engine: Engine, kind: Kind, collection: str | None, version: str) -> str:
    return version if version == DEFAULT else get(engine, kind, collection, version).version


def _add(
    connection: Connection,
    kind: Kind,
    collection: str | None,
    shares: Sequence[Share],
    restores: int | None,
    created_by: str,
    note: str,
) -> Activation:
    row = {
        "kind": str(kind),
        "collection": collection,
        "shares": [[item.version, item.share] for item in shares],
        "restores": restores,
        "created_at": time.time(),
        "created_by": created_by,
        "note": note,
    }
    added = connection.execute(insert(activations).values(row).returning(activations)).one()
    what = {"collection": collection, "versions": [item.version for item in shares]}
    audit.note(connection, events.changed("prompt", "Activate", kind, **what))
    return _activation(added)


def _hold(connection: Connection, collection: str | None) -> None:
    if collection is not None:
        hold(connection, collection)


def _scope(table: Any, kind: Kind, collection: str | None) -> ColumnElement[bool]:
    theirs = table.c.collection
    own = theirs.is_(None) if collection is None else theirs == collection
    return and_(table.c.kind == str(kind), own)


def _id(kind: Kind, collection: str | None, version: str) -> str:
    return stable_id(kind, collection or "", version)


def _stored(row: Any) -> StoredPrompt:
    values = dict(row._mapping)
    del values["id"]
    return StoredPrompt(**values | {"kind": Kind(values["kind"])})


def _activation(row: Any) -> Activation:
    values = dict(row._mapping)
    shares = tuple(Share(version, share) for version, share in values["shares"])
    return Activation(**values | {"kind": Kind(values["kind"]), "shares": shares})
