"""Conversations and their turns as their owners see them, by what they may see now."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, Field
from sqlalchemy import Engine

from smartypants.api import access
from smartypants.api.answers import AnswerWarning, Citation, Usage
from smartypants.api.fields import Time, at, maybe_at
from smartypants.auth.callers import Caller
from smartypants.ledger.conversations import Conversation as StoredConversation
from smartypants.ledger.turns import Turn


class TurnError(BaseModel):
    """Why a turn failed; the codes are those of problems."""

    code: str
    detail: str
    hint: str


class ConversationTurn(BaseModel):
    """A question, and what became of it.

    It is `withheld` where the answer may tell of a document that the caller may not read any
    more, or that is gone: the answer, its citations and warnings are left out then.
    """

    number: int
    question: str
    state: str = Field(
        description="`running`, `finished`, `cancelled`, `interrupted` (ask again), or `failed`."
    )
    withheld: bool
    answer: str | None = Field(description="As far as it came, where it did not finish.")
    citations: list[Citation]
    found: bool | None = Field(description="False: the documents don't tell.")
    mode: str | None
    finish_reason: str | None
    supported_share: float | None
    prompt_version: str | None = Field(description="See `/v1/prompts`.")
    usage: Usage | None
    warnings: list[AnswerWarning]
    skipped: dict[str, str]
    error: TurnError | None
    created_at: Time
    finished_at: Time | None


class Conversation(BaseModel):
    id: str
    title: str
    collection: str | None = Field(description="Null: none was named, so it is the default one.")
    created_at: Time
    updated_at: Time = Field(description="When something was asked last.")


class ConversationWithTurns(Conversation):
    turns: list[ConversationTurn]


def describe(row: StoredConversation) -> Conversation:
    return Conversation(
        id=row.id,
        title=row.title,
        collection=row.collection,
        created_at=at(row.created_at),
        updated_at=at(row.updated_at),
    )


def turn_view(engine: Engine, turn: Turn, caller: Caller) -> ConversationTurn:
    return turn_views(engine, [turn], caller)[0]


def turn_views(engine: Engine, turns: Sequence[Turn], caller: Caller) -> list[ConversationTurn]:
    """With one look at the permissions of all documents."""
    sources = {document_id for turn in turns for document_id in turn.sources}
    hidden = access.hidden(engine, sources, caller)
    return [_view(turn, withheld=not hidden.isdisjoint(turn.sources)) for turn in turns]


def _view(turn: Turn, *, withheld: bool) -> ConversationTurn:
    details = {} if withheld else turn.details
    tokens = {
        name: details[name] for name in ("prompt_tokens", "completion_tokens") if name in details
    }
    return ConversationTurn(
        number=turn.number,
        question=turn.question,
        state=turn.state,
        withheld=withheld,
        answer=None if withheld else turn.answer,
        citations=[] if withheld else [Citation(**item) for item in turn.citations],
        found=details.get("found"),
        mode=details.get("mode"),
        finish_reason=details.get("finish_reason"),
        supported_share=details.get("supported_share"),
        prompt_version=turn.prompt_version,
        usage=Usage(**tokens) if tokens else None,
        warnings=[AnswerWarning(**item) for item in details.get("warnings", ())],
        skipped=details.get("skipped", {}),
        error=None if turn.error is None or withheld else TurnError(**turn.error),
        created_at=at(turn.created_at),
        finished_at=maybe_at(turn.finished_at),
    )
