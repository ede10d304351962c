"""What a chat's messages do: ask, follow and cancel turns, for whoever is connected."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import AsyncGenerator, Iterable

import anyio.to_thread
from sqlalchemy import Engine
from starlette.requests import HTTPConnection

from smartypants.api import access, answers
from smartypants.api.chat_messages import PATH, ChatAsk
from smartypants.api.limiting import take_question
from smartypants.api.services import AnswerRequest, Services
from smartypants.api.streaming import closing
from smartypants.auditing import source
from smartypants.auth.callers import Caller
from smartypants.auth.roles import Permission
from smartypants.chatting.runner import TurnRunner
from smartypants.chatting.running import RunningTurn
from smartypants.errors import InvalidRequest
from smartypants.ledger import turn_leases, turns
from smartypants.ledger.turns import Asked, Turn, TurnState
from smartypants.metering import payer
from smartypants.prompts.inputs import TURNS
from smartypants.types import AnswerEvent, Message, stable_id

EARLIER_TURNS = TURNS // 2
"""A turn is two messages of those that the language model is told."""


async def ask(
    services: Services,
    runner: TurnRunner,
    connection: HTTPConnection,
    caller: Caller,
    body: ChatAsk,
) -> Turn:
    """The turn that the question is, being answered, or as it was when it was asked before.

    Raises what `turns.begin` does, `Forbidden`, `CollectionNotFound` and `InvalidRequest`.
    """
    await take_question(connection)
    collection = await anyio.to_thread.run_sync(_collection, services, caller, body)
    request = answers.to_request(connection, services.settings, body, collection=collection)
    request_id = uuid.uuid4().hex
    query = dataclasses.replace(request.query, request_id=request_id)
    request = dataclasses.replace(request, query=query)
    chosen = services.settings.chat
    asked = Asked(
        owner=caller.id,
        ask_id=body.id,
        fingerprint=stable_id(body.model_dump_json(exclude={"id", "conversation"})),
        question=body.question,
        conversation_id=body.conversation,
        collection=collection,
        runner=runner.id,
        lease_s=chosen.lease_s,
        max_turns=chosen.max_turns,
    )
    turn, new = await anyio.to_thread.run_sync(turns.begin, services.engine, asked)
    if new:
        running = RunningTurn(turn)
        paid_in = collection or services.settings.default_collection
        account = dataclasses.replace(payer.current(), route=PATH, collection=paid_in)
        asker = source.current()

        async def events() -> AsyncGenerator[AnswerEvent, None]:
            # The turn is answered outside of this connection's context.
            with payer.paying(account), source.acting(asker):
                async with closing(_events(services, caller, request, running)) as found:
                    async for event in found:
                        yield event

        runner.start(running, events)
    return turn


def _collection(services: Services, caller: Caller, body: ChatAsk) -> str | None:
    """Where the conversation takes place, which the caller may read."""
    collection = body.collection
    if body.conversation is not None:
        found = access.conversation(services.engine, body.conversation, caller)
        if collection not in (None, found.collection):
            raise InvalidRequest(
                f"The conversation is about {found.collection or 'the default collection'!r}.",
                "Leave `collection` out, or begin a new conversation.",
            )
        collection = found.collection
    caller.check(Permission.DOCUMENTS_READ, collection)
    access.collection(services.engine, collection, caller)  # before there is a turn, which fails
    return collection


async def _events(
    services: Services, caller: Caller, request: AnswerRequest, running: RunningTurn
) -> AsyncGenerator[AnswerEvent, None]:
    """The answer, made with the turns before that the caller may still see."""
    earlier = await anyio.to_thread.run_sync(_earlier, services, caller, running.turn)
    history: list[Message] = []
    for turn in earlier:
        running.told(turn.sources)  # the answer may repeat what they told
        history += [Message("user", turn.question), Message("assistant", turn.answer or "")]
    query = dataclasses.replace(request.query, history=tuple(history))
    async with closing(services.answer(dataclasses.replace(request, query=query))) as events:
        async for event in events:
            yield event


def _earlier(services: Services, caller: Caller, turn: Turn) -> list[Turn]:
    engine = services.engine
    finished = [
        other
        for other in turns.of_conversation(engine, turn.conversation_id)
        if other.number < turn.number and other.state == TurnState.FINISHED
    ][-EARLIER_TURNS:]
    sources = {document_id for other in finished for document_id in other.sources}
    hidden = access.hidden(engine, sources, caller)
    return [other for other in finished if hidden.isdisjoint(other.sources)]


def find(services: Services, caller: Caller, conversation_id: str, number: int | None) -> Turn:
    """The caller's turn, or the last one. Raises `ConversationNotFound` or `TurnNotFound`."""
    row = access.conversation(services.engine, conversation_id, caller)
    return turns.get(services.engine, row.id, number)


def visible(engine: Engine, sources: Iterable[str], caller: Caller) -> bool:
    """Whether what tells of these documents may be shown, as of now."""
    return not access.hidden(engine, sources, caller)


async def cancel(services: Services, runner: TurnRunner, turn: Turn) -> None:
    """End a turn, wherever it is answered; nothing happens to one that has ended."""
    running = runner.find(turn.key)
    if running is not None:
        running.stop(TurnState.CANCELLED)
    elif not turn.ended:
        await anyio.to_thread.run_sync(turn_leases.want_cancel, services.engine, turn)
