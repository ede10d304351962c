"""`GET /v1/usage`: what was used, of which model, and what it cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import anyio.to_thread
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response, StreamingResponse

from smartypants.api.bodies import NO_BODY
from smartypants.api.examples import instance
from smartypants.api.fields import CollectionName, Identifier, Limit, Params, Time, no_controls
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.auditing import events
from smartypants.auth.roles import Permission
from smartypants.errors import Forbidden, UserNotFound
from smartypants.ledger import usage, users
from smartypants.ledger.usage import GROUPS, Group, Total, Wanted
from smartypants.metering import forms
from smartypants.metering.forms import Row

CSV, JSONL = "text/csv", "application/jsonl"
SEPARATOR = "\x1f"


def _groups(value: str) -> str:
    chosen = [name for name in value.split(",") if name]
    unknown = sorted(set(chosen) - set(GROUPS))
    if unknown or len(set(chosen)) != len(chosen):
        raise ValueError(f"must be some of {', '.join(GROUPS)}, each once, with commas between")
    return value


def _cursor(value: str) -> str:
    no_controls(value.replace(SEPARATOR, " "))
    return value


class UsageQuery(Params):
    since: Time | None = Field(None, description="From the hour that begins then, or later.")
    until: Time | None = Field(None, description="Until the hour that begins then.")
    user: Identifier | None = Field(None, description="By name. Only admins name others.")
    key: Identifier | None = Field(None, description="The id of an API key.")
    collection: CollectionName | None = Field(None, description="Default: all.")
    route: Identifier | None = Field(
        None, description="As `/v1/answers`; of jobs their kind, as `ingest`."
    )
    provider: Identifier | None = None
    model: Identifier | None = None
    group_by: Annotated[str, StringConstraints(max_length=100), AfterValidator(_groups)] = Field(
        "day,model", description=f"Some of {', '.join(GROUPS)}, with commas between."
    )
    limit: Limit = 50
    cursor: Annotated[str, StringConstraints(max_length=2000), AfterValidator(_cursor)] | None = (
        Field(None, description="`next_cursor` of the page before.")
    )
    format: Literal["json", "csv", "jsonl"] | None = Field(
        None, description="All of it as a table. Default: what `Accept` prefers, or `json`."
    )


class UsageRow(BaseModel):
    """What was grouped by, and the sums; what was not grouped by is null."""

    hour: str | None = Field(None, description="Its beginning (UTC), as `2026-11-25T13:00Z`.")
    day: str | None = None
    month: str | None = None
    user: str | None = Field(None, description="By name; by id where it is known no more.")
    key: str | None = Field(None, description="An API key's id; empty for other ways to log in.")
    collection: str | None = None
    route: str | None = None
    provider: str | None = Field(None, description="Empty for requests and documents.")
    model: str | None = Field(None, description="Empty for requests and documents.")
    requests: int
    calls: int = Field(description="Calls of models.")
    prompt_tokens: int = Field(description="Tokens in, of prompts and of embedded texts.")
    completion_tokens: int = Field(description="Tokens out.")
    embeddings: int = Field(description="Texts that were embedded.")
    documents: int = Field(description="Documents that were indexed.")
    unpriced: int = Field(description="Calls whose price is not known: `cost` lacks them.")
    estimated: int = Field(description="Calls whose tokens are an estimate.")
    cost: float | None = Field(description="Null where no price is known.")


class UsageList(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "usage": [
                        {
                            "day": "2026-11-25",
                            "model": "gpt-5-mini",
                            "requests": 0,
                            "calls": 210,
                            "prompt_tokens": 251_000,
                            "completion_tokens": 14_800,
                            "embeddings": 0,
                            "documents": 0,
                            "unpriced": 0,
                            "estimated": 3,
                            "cost": 0.0924,
                        }
                    ],
                    "next_cursor": None,
                }
            ]
        }
    )

    usage: list[UsageRow]
    next_cursor: str | None = Field(description="Null on the last page.")


@dataclass(frozen=True, slots=True)
class _Asked:
    wanted: Wanted
    by: tuple[Group, ...]


def _asked(call: Call[None, UsageQuery]) -> _Asked:
    """Raises `Forbidden` for others' usage, `UserNotFound`."""
    given, caller = call.params, call.caller
    everybody = caller.may(Permission.ACCESS_MANAGE)
    user_id: str | None = None if everybody else caller.id
    if given.user is not None and given.user != caller.name:
        if not everybody:
            raise Forbidden("Only an admin sees what others used.", "Leave `user` out.")
        user_id = users.named(call.services.engine, given.user).id
    elif given.user is not None:
        user_id = caller.id
    wanted = Wanted(
        since=None if given.since is None else given.since.timestamp(),
        until=None if given.until is None else given.until.timestamp(),
        user_id=user_id,
        key_id=given.key,
        route=given.route,
        collection=given.collection,
        provider=given.provider,
        model=given.model,
    )
    chosen = given.group_by.split(",")
    return _Asked(wanted, tuple(name for name in get_args(Group) if name in chosen))


def _rows(call: Call[None, UsageQuery], asked: _Asked, totals: list[Total]) -> list[Row]:
    names: dict[str, str] = {call.caller.id: call.caller.name}
    if "user" in asked.by:
        place = asked.by.index("user")
        names |= users.names(call.services.engine, [each.group[place] for each in totals])
    return [forms.row(each, asked.by, names) for each in totals]


async def _usage(call: Call[None, UsageQuery]) -> UsageList | Response:
    asked = await anyio.to_thread.run_sync(_asked, call)
    form = call.params.format or _preferred(call.request.headers.get("Accept", ""))
    if form != "json":
        await call.services.audit(events.exported("usage"))
        return _table(call, asked, form)
    limit, cursor = call.params.limit, call.params.cursor

    def read() -> UsageList:
        after = None if cursor is None else tuple(cursor.split(SEPARATOR))
        if after is not None and len(after) != len(asked.by):
            after = None
        found = usage.totals(
            call.services.engine, asked.wanted, asked.by, after=after, limit=limit + 1
        )
        page = found[:limit]
        more = len(found) > len(page)
        return UsageList(
            usage=[UsageRow.model_validate(each) for each in _rows(call, asked, page)],
            next_cursor=SEPARATOR.join(page[-1].group) if more else None,
        )

    return await anyio.to_thread.run_sync(read)


def _preferred(accept: str) -> str:
    first = accept.split(",")[0].partition(";")[0].strip().lower()
    return {CSV: "csv", JSONL: "jsonl"}.get(first, "json")


def _table(call: Call[None, UsageQuery], asked: _Asked, form: str) -> Response:
    def rows() -> Iterator[Row]:
        for total in usage.every(call.services.engine, asked.wanted, asked.by):
            yield from _rows(call, asked, [total])

    if form == "csv":
        return StreamingResponse(forms.csv_lines(rows(), asked.by), media_type=CSV)
    return StreamingResponse(forms.json_lines(rows()), media_type=JSONL)


def _table_sample() -> str:
    """The same row as in JSON."""
    by: tuple[Group, ...] = ("day", "model")
    used = instance(UsageList).usage[0].model_dump()
    row = {name: used[name] for name in (*by, *forms.SUMS)}
    return "".join(forms.csv_lines([row], by))


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/v1/usage",
        tag="Operations",
        summary="Sum up what was used: one's own; an admin's is everybody's",
        permission=Permission.ACCOUNT,
        handler=_usage,
        body=NO_BODY,
        params=UsageQuery,
        response=UsageList,
        media_type=CSV,
        sample=_table_sample,
        errors=(Forbidden, UserNotFound),
    ),
)
