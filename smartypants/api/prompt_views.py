"""Prompts of the ledger as `/v1/prompts` shows them."""

from __future__ import annotations

from collections.abc import Sequence

from smartypants.api.fields import at
from smartypants.api.prompt_models import (
    ActiveVersion,
    Name,
    Prompt,
    PromptActivation,
    PromptHistory,
    PromptVersion,
)
from smartypants.api.services import Services
from smartypants.ledger import prompts
from smartypants.prompts.defaults import DEFAULT, default_prompt
from smartypants.prompts.kinds import ALLOWED, Kind
from smartypants.prompts.shares import Share
from smartypants.prompts.template import TemplateMessage


def describe(services: Services, name: Name, collection: str | None) -> Prompt:
    kind = Kind(name)
    now = prompts.in_force(services.engine, kind, collection)
    shares = now.shares if now else (Share(DEFAULT, 1.0),)
    return Prompt(
        name=name,
        collection=collection,
        own=now is not None and now.collection == collection,
        active=_active(shares),
        variables=sorted(ALLOWED[kind]),
    )


def history(services: Services, name: Name, collection: str | None) -> PromptHistory:
    kind = Kind(name)
    now = describe(services, name, collection)
    stored = prompts.versions(services.engine, kind, collection)
    packaged = default_prompt(kind)
    return PromptHistory(
        **now.model_dump(),
        versions=[
            *(version(item) for item in stored),
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


def version(stored: prompts.StoredPrompt) -> PromptVersion:
    return PromptVersion(
        version=stored.version,
        collection=stored.collection,
        messages=[TemplateMessage.model_validate(item) for item in stored.body["messages"]],
        created_at=at(stored.created_at),
        created_by=stored.created_by,
        note=stored.note,
    )
