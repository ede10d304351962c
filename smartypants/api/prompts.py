"""`/v1/prompts`: what the language model is told, in versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import anyio.to_thread

from smartypants import wiring
from smartypants.api import access, search
from smartypants.api.bodies import NO_BODY, json_body
from smartypants.api.fields import NoParams
from smartypants.api.prompt_models import (
    ActivateRequest,
    Name,
    PreviewRequest,
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
from smartypants.api.prompt_views import describe, history, version
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.api.search import RETRIEVAL_ERRORS
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
from smartypants.ledger import prompts
from smartypants.prompts import previewing
from smartypants.prompts.kinds import Kind
from smartypants.prompts.shares import Share
from smartypants.prompts.template import Template, TemplateMessage, readable
from smartypants.prompts.validating import validate
from smartypants.types import SearchHit


def _check(caller: Caller, collection: str | None) -> None:
    """Raises `Forbidden`: who edits a collection may change its prompts, not those of all."""
    everywhere = collection is None
    needed = Permission.PROMPTS_WRITE if everywhere else Permission.COLLECTIONS_WRITE
    caller.check(needed, collection)


def _template(messages: list[TemplateMessage], variables: list[str] | None = None) -> Template:
    return readable({"messages": [item.model_dump() for item in messages], "variables": variables})


async def _list(call: Call[None, PromptScope]) -> PromptList:
    def read() -> PromptList:
        access.collection(call.services.engine, call.params.collection, call.caller)
        names: tuple[Name, ...] = get_args(Name)
        return PromptList(
            prompts=[describe(call.services, name, call.params.collection) for name in names]
        )

    return await anyio.to_thread.run_sync(read)


async def _get(call: Call[None, PromptPath]) -> PromptHistory:
    chosen = call.params

    def read() -> PromptHistory:
        access.collection(call.services.engine, chosen.collection, call.caller)
        return history(call.services, chosen.name, chosen.collection)

    return await anyio.to_thread.run_sync(read)


async def _create(call: Call[PromptRequest, NoParams]) -> PromptVersion:
    _check(call.caller, call.body.collection)
    body, services = call.body, call.services

    def write() -> PromptVersion:
        access.collection(services.engine, body.collection, call.caller)
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
        return version(stored)

    return await anyio.to_thread.run_sync(write)


async def _activate(call: Call[ActivateRequest, PromptOnly]) -> PromptHistory:
    _check(call.caller, call.body.collection)
    body, name = call.body, call.params.name

    def write() -> PromptHistory:
        access.collection(call.services.engine, body.collection, call.caller)
        prompts.activate(
            call.services.engine,
            Kind(name),
            [Share(item.version, item.share) for item in body.versions],
            collection=body.collection,
            created_by=call.caller.name,
            note=body.note,
        )
        return history(call.services, name, body.collection)

    return await anyio.to_thread.run_sync(write)


async def _roll_back(call: Call[RollbackRequest, PromptOnly]) -> PromptHistory:
    _check(call.caller, call.body.collection)
    body, name = call.body, call.params.name

    def write() -> PromptHistory:
        access.collection(call.services.engine, body.collection, call.caller)
        prompts.roll_back(
            call.services.engine,
            Kind(name),
            collection=body.collection,
            created_by=call.caller.name,
            note=body.note,
        )
        return history(call.services, name, body.collection)

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
        access.collection(services.engine, body.collection, call.caller)
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
        changes=False,
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
