"""`/v1/prompts`: what the language model is told, in versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import anyio.to_thread

from smartypants import wiring
from smartypants.api import search
from smartypants.api.bodies import NO_BODY, json_body
from smartypants.api.fields import NoParams, at
from smartypants.api.prompt_models import (
    ActivateRequest,
    ActiveVersion,
    Name,
    PreviewRequest,
    Prompt,
    PromptActivation,
    PromptHistory,
    PromptList,
    PromptOnly,
    PromptPath,
    PromptPreview,
    PromptRequest,
    PromptScope,
    PromptVersion,
    RenderedMessage,
    RollbackRequest,
)
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.api.search import RETRIEVAL_ERRORS
from smartypants.api.services import Services
from smartypants.auth.callers import Caller
from smartypants.auth.roles import Permission
from smartypants.errors import (
    CollectionNotFound,
    Conflict,
    InvalidRequest,
    PromptInvalid,
    PromptNotFound,
    PromptTooLong,
    ValidationFailed,
)
from smartypants.ledger import collections, prompts
from smartypants.prompts import previewing
from smartypants.prompts.defaults import DEFAULT, default_prompt
from smartypants.prompts.kinds import ALLOWED, Kind
from smartypants.prompts.shares import Share
from smartypants.prompts.template import Template, TemplateMessage, readable
from smartypants.prompts.validating import validate
from smartypants.types import SearchHit


def _describe(services: Services, name: Name, collection: str | None) -> Prompt:
    kind = Kind(name)
    if collection is not None:
        collections.get(services.engine, collection)
    now = prompts.in_force(services.engine, kind, collection)
    shares = now.shares if now else (Share(DEFAULT, 1.0),)
    return Prompt(
        name=name,
        collection=collection,
        own=now is not None and now.collection == collection,
        active=_active(shares),
        variables=sorted(ALLOWED[kind]),
    )


def _history(services: Services, name: Name, collection: str | None) -> PromptHistory:
    kind = Kind(name)
    now = _describe(services, name, collection)
    stored = prompts.versions(services.engine, kind, collection)
    packaged = default_prompt(kind)
    return PromptHistory(
        **now.model_dump(),
        versions=[
            *(_version(item) for item in stored),
            PromptVersion(
                version=packaged.version,
                collection=None,
                messages=list(packaged.template.messages),
                created_at=None,
                created_by="",
                note="The packaged one.",
            ),
        ],
        activations=[
            PromptActivation(
                id=item.id,
                versions=_active(item.shares),
                restores=item.restores,
                created_at=at(item.created_at),
                created_by=item.created_by,
                note=item.note,
            )
            for item in prompts.history(services.engine, kind, collection)
        ],
    )


def _active(shares: Sequence[Share]) -> list[ActiveVersion]:
    return [ActiveVersion(version=item.version, share=item.share) for item in shares]


def _version(stored: prompts.StoredPrompt) -> PromptVersion:
    return PromptVersion(
        version=stored.version,
        collection=stored.collection,
        messages=[TemplateMessage.model_validate(item) for item in stored.body["messages"]],
        created_at=at(stored.created_at),
        created_by=stored.created_by,
        note=stored.note,
    )


def _check(caller: Caller, collection: str | None) -> None:
    """Raises `Forbidden`: who edits a collection may change its prompts, not those of all."""
    everywhere = collection is None
    needed = Permission.PROMPTS_WRITE if everywhere else Permission.COLLECTIONS_WRITE
    caller.check(needed, collection)


def _template(messages: list[TemplateMessage], variables: list[str] | None = None) -> Template:
    return readable({"messages": [item.model_dump() for item in messages], "variables": variables})


async def _list(call: Call[None, PromptScope]) -> PromptList:
    def read() -> PromptList:
        names: tuple[Name, ...] = get_args(Name)
        return PromptList(
            prompts=[_describe(call.services, name, call.params.collection) for name in names]
        )

    return await anyio.to_thread.run_sync(read)


async def _get(call: Call[None, PromptPath]) -> PromptHistory:
    chosen = call.params
    return await anyio.to_thread.run_sync(_history, call.services, chosen.name, chosen.collection)


async def _create(call: Call[PromptRequest, NoParams]) -> PromptVersion:
    _check(call.caller, call.body.collection)
    body, services = call.body, call.services

    def write() -> PromptVersion:
        kind, made = Kind(body.name), _template(body.messages, body.variables)
        validate(
            kind,
            made,
            window=wiring.prompt_window(services.settings),
            answer_tokens=services.settings.answers.max_tokens,
        )
        stored = prompts.create(
            services.engine,
            kind,
            made,
            collection=body.collection,
            created_by=call.caller.name,
            note=body.note,
        )
        return _version(stored)

    return await anyio.to_thread.run_sync(write)


async def _activate(call: Call[ActivateRequest, PromptOnly]) -> PromptHistory:
    _check(call.caller, call.body.collection)
    body, name = call.body, call.params.name

    def write() -> PromptHistory:
        prompts.activate(
            call.services.engine,
            Kind(name),
            [Share(item.version, item.share) for item in body.versions],
            collection=body.collection,
            created_by=call.caller.name,
            note=body.note,
        )
        return _history(call.services, name, body.collection)

    return await anyio.to_thread.run_sync(write)


async def _roll_back(call: Call[RollbackRequest, PromptOnly]) -> PromptHistory:
    _check(call.caller, call.body.collection)
    body, name = call.body, call.params.name

    def write() -> PromptHistory:
        prompts.roll_back(
            call.services.engine,
            Kind(name),
            collection=body.collection,
            created_by=call.caller.name,
            note=body.note,
        )
        return _history(call.services, name, body.collection)

    return await anyio.to_thread.run_sync(write)


async def _preview(call: Call[PreviewRequest, PromptOnly]) -> PromptPreview:
    body, services = call.body, call.services
    kind = Kind(call.params.name)
    if body.version is not None and body.messages is not None:
        raise InvalidRequest("Both `version` and `messages` are given.", "Send one of them.")
    hits: Sequence[SearchHit] = previewing.sample_hits()
    if body.search and kind is Kind.ANSWER:
        query = search.to_query(
            call.request,
            services.settings,
            text=body.question,
            collection=body.collection,
            top_k=services.settings.answers.top_k,
            rerank=None,
            filters=None,
        )
        hits = (await services.search(query)).hits

    def render() -> PromptPreview:
        chosen = previewing.chosen(
            services.engine,
            kind,
            collection=body.collection,
            version=body.version,
            template=None if body.messages is None else _template(body.messages),
        )
        made = previewing.preview(
            chosen,
            body.question,
            settings=services.settings,
            window=wiring.prompt_window(services.settings),
            hits=hits,
            collection=body.collection or services.settings.default_collection,
        )
        return PromptPreview(
            version=chosen.version,
            messages=[RenderedMessage(role=m.role, content=m.content) for m in made.messages],
            tokens=made.tokens,
            room=made.room,
            passages=made.passages,
        )

    return await anyio.to_thread.run_sync(render)


_TEMPLATE_ERRORS = (PromptInvalid, PromptTooLong)

ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/v1/prompts",
        tag="Prompts",
        summary="List the prompts, and which versions are active",
        permission=Permission.DOCUMENTS_READ,
        collection=lambda call: call.params.collection,
        handler=_list,
        body=NO_BODY,
        params=PromptScope,
        response=PromptList,
        errors=(CollectionNotFound,),
    ),
    Route(
        method="POST",
        path="/v1/prompts",
        tag="Prompts",
        summary="Create a version, which nothing uses before it is activated",
        permission=Permission.COLLECTIONS_WRITE,
        handler=_create,
        body=json_body(PromptRequest),
        params=NoParams,
        response=PromptVersion,
        status=201,
        errors=(CollectionNotFound, *_TEMPLATE_ERRORS),
    ),
    Route(
        method="GET",
        path="/v1/prompts/{name}",
        tag="Prompts",
        summary="Get a prompt's versions and activations",
        permission=Permission.DOCUMENTS_READ,
        collection=lambda call: call.params.collection,
        handler=_get,
        body=NO_BODY,
        params=PromptPath,
        response=PromptHistory,
        errors=(CollectionNotFound,),
    ),
    Route(
        method="POST",
        path="/v1/prompts/{name}/preview",
        tag="Prompts",
        summary="Render a prompt for a question, without asking the language model",
        permission=Permission.DOCUMENTS_READ,
        collection=lambda call: call.body.collection,
        handler=_preview,
        body=json_body(PreviewRequest),
        params=PromptOnly,
        response=PromptPreview,
        errors=(InvalidRequest, PromptNotFound, *_TEMPLATE_ERRORS, *RETRIEVAL_ERRORS),
    ),
    Route(
        method="POST",
        path="/v1/prompts/{name}/activate",
        tag="Prompts",
        summary="Use a version, or several in shares, from now on",
        permission=Permission.COLLECTIONS_WRITE,
        handler=_activate,
        body=json_body(ActivateRequest),
        params=PromptOnly,
        response=PromptHistory,
        errors=(CollectionNotFound, PromptNotFound, ValidationFailed),
    ),
    Route(
        method="POST",
        path="/v1/prompts/{name}/rollback",
        tag="Prompts",
        summary="Use what was active before",
        permission=Permission.COLLECTIONS_WRITE,
        handler=_roll_back,
        body=json_body(RollbackRequest),
        params=PromptOnly,
        response=PromptHistory,
        errors=(CollectionNotFound, Conflict),
    ),
)
