"""What was used: added up as it comes in, and asked for by whatever one groups it by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Final, Literal, get_args

from sqlalchemy import ColumnElement, Connection, Engine, case, func, literal_column, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from smartypants.ledger.database import BATCH, reading
from smartypants.ledger.usage_schema import usage
from smartypants.metering.counts import COUNTS, Bucket, Sums

Group = Literal["hour", "day", "month", "user", "key", "collection", "route", "provider", "model"]
GROUPS: Final[tuple[Group, ...]] = get_args(Group)
_COLUMNS: Final = {
    "user": usage.c.user_id,
    "key": usage.c.key_id,
    "collection": usage.c.collection,
    "route": usage.c.route,
    "provider": usage.c.provider,
    "model": usage.c.model,
}
_FORMATS: Final = {
    "hour": ("%Y-%m-%dT%H:00Z", 'YYYY-MM-DD"T"HH24:00"Z"'),
    "day": ("%Y-%m-%d", "YYYY-MM-DD"),
    "month": ("%Y-%m", "YYYY-MM"),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows count; None: whichever. Times are Unix seconds, from and until, by the hour."""

    since: float | None = None
    until: float | None = None
    user_id: str | None = None
    key_id: str | None = None
    route: str | None = None
    collection: str | None = None
    provider: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """The values that were grouped by, in that order, and the sums of all that has them."""

    group: tuple[str, ...]
    sums: Sums


def add(engine: Engine, found: Mapping[Bucket, Sums]) -> None:
    """In one transaction of its own."""
    with engine.begin() as connection:
        add_in(connection, found)


def add_in(connection: Connection, found: Mapping[Bucket, Sums]) -> None:
    """In the transaction of what was used. Rows are taken in one order, so that two that add to
    the same ones don't wait for each other in a circle."""
    ordered = sorted(found.items(), key=lambda item: tuple(asdict(item[0]).values()))
    rows = [{**asdict(bucket), **asdict(sums)} for bucket, sums in ordered]
    if rows:
        connection.execute(_addition(connection.dialect.name), rows)


@cache
def _addition(dialect: str) -> Any:
    """One statement for a row, compiled once: this runs all the time."""
    statement = (postgresql if dialect == "postgresql" else sqlite).insert(usage)
    new = statement.excluded
    sums_up: dict[str, Any] = {name: usage.c[name] + new[name] for name in COUNTS}
    sums_up["cost"] = case(
        (new.cost.is_(None), usage.c.cost),
        (usage.c.cost.is_(None), new.cost),
        else_=usage.c.cost + new.cost,
    )
    keys = [column.name for column in usage.primary_key.columns]
    return statement.on_conflict_do_update(index_elements=keys, set_=sums_up)


def totals(
    engine: Engine,
    wanted: Wanted,
    by: Sequence[Group],
    *,
    after: Sequence[str] | None = None,
    limit: int,
) -> list[Total]:
    """In the order of the groups, from just behind `after`."""
    groups = [_expression(engine, name) for name in by]
    sums = [func.sum(usage.c[name]).label(name) for name in (*COUNTS, "cost")]
    query = select(*(item.label(f"group{n}") for n, item in enumerate(groups)), *sums)
    query = query.where(*_conditions(wanted)).limit(limit)
    if groups:
        query = query.group_by(*groups).order_by(*groups)
        if after is not None:
            query = query.where(tuple_(*groups) > tuple_(*after))
    with reading(engine) as connection:
        rows = connection.execute(query).all()
    return [_total(row, len(groups)) for row in rows if row.requests is not None]


def every(engine: Engine, wanted: Wanted, by: Sequence[Group]) -> Iterator[Total]:
    """All of it, page by page."""
    after: tuple[str, ...] | None = None
    while page := totals(engine, wanted, by, after=after, limit=BATCH):
        yield from page
        after = page[-1].group
        if not by:
            return


def _expression(engine: Engine, name: Group) -> ColumnElement[Any]:
    if name in _COLUMNS:
        return _COLUMNS[name]
    for_sqlite, for_postgresql = _FORMATS[name]
    if engine.dialect.name == "postgresql":
        at_utc = func.timezone("UTC", func.to_timestamp(usage.c.hour))
        return func.to_char(at_utc, literal_column(f"'{for_postgresql}'"))
    return func.strftime(
        literal_column(f"'{for_sqlite}'"), usage.c.hour, literal_column("'unixepoch'")
    )


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        found.append(usage.c.hour >= wanted.since)
    if wanted.until is not None:
        found.append(usage.c.hour < wanted.until)
    for name in ("user_id", "key_id", "route", "collection", "provider", "model"):
        value = getattr(wanted, name)
        if value is not None:
            found.append(usage.c[name] == value)
    return found


def _total(row: Any, groups: int) -> Total:
    counts = {name: int(getattr(row, name)) for name in COUNTS}
    cost = None if row.cost is None else float(row.cost)
    return Total(tuple(row[:groups]), Sums(**counts, cost=cost))
