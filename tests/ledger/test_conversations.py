"""Conversations and turns in the ledger, in both databases."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from smartypants.errors import (
    ConversationFull,
    ConversationNotFound,
    IdempotencyKeyReused,
    SmartyPantsError,
    TurnInProgress,
    TurnNotFound,
)
from smartypants.ledger import conversations, turn_leases, turns
from smartypants.ledger.turn_leases import Outcome
from smartypants.ledger.turns import Asked, Turn, TurnState

DONE = Outcome(
    TurnState.FINISHED, "Three \0 months. [1]", ["Three", " months.", 0], [{"passage": "x"}],
    ["d1"], {"found": True}, "v1",
)  # fmt: skip


def asked(ask_id: str = "a", **changes: Any) -> Asked:
    first = Asked(
        owner="ann",
        ask_id=ask_id,
        fingerprint="f",
        question="How  long\nis it?",
        conversation_id=None,
        collection=None,
        runner="r1",
        lease_s=60.0,
        max_turns=3,
    )
    return replace(first, **changes)


def begin(engine: Engine, ask_id: str = "a", **changes: Any) -> Turn:
    return turns.begin(engine, asked(ask_id, **changes))[0]


def test_a_turn_from_begin_to_end(engine: Engine) -> None:
    turn = begin(engine)
    assert (turn.number, turn.state, turn.ended, turn.answer) == (1, "running", False, None)
    assert conversations.get(engine, turn.conversation_id, "ann").title == "How long is it?"
    kept = turn_leases.finish(engine, turn, DONE)
    assert kept == turns.get(engine, turn.conversation_id, 1)
    assert kept is not None
    assert (kept.state, kept.answer) == ("finished", "Three \ufffd months. [1]")
    assert list(kept.pieces) == ["Three", " months.", 0]
    assert kept.error is None
    again = turn_leases.finish(engine, turn, Outcome(TurnState.CANCELLED))
    assert again == kept  # it had ended
    second = begin(engine, "b", conversation_id=turn.conversation_id)
    assert second.number == 2
    assert turns.get(engine, turn.conversation_id).number == 2
    with pytest.raises(TurnNotFound):
        turns.get(engine, turn.conversation_id, 3)


def test_asked_twice_it_is_one_turn(engine: Engine) -> None:
    first, new = turns.begin(engine, asked())
    same, again = turns.begin(engine, asked())
    assert (new, again) == (True, False)
    assert same == first
    assert turns.begin(engine, asked(conversation_id=first.conversation_id)) == (first, False)
    with pytest.raises(IdempotencyKeyReused):
        begin(engine, fingerprint="g")
    assert begin(engine, owner="bob").conversation_id != first.conversation_id


def test_one_at_a_time_and_no_more_than_allowed(engine: Engine) -> None:
    turn = begin(engine)
    own = {"conversation_id": turn.conversation_id}
    with pytest.raises(TurnInProgress):
        begin(engine, "b", **own)
    for number in range(3):
        turn_leases.finish(engine, turn, DONE)
        if number < 2:
            turn = begin(engine, f"b{number}", **own)
    with pytest.raises(ConversationFull):
        begin(engine, "c", **own)
    with pytest.raises(ConversationNotFound):
        begin(engine, "d", owner="bob", **own)
    with pytest.raises(ConversationNotFound):
        begin(engine, "d", conversation_id="nothing")


def test_many_ask_at_once(engine: Engine) -> None:
    turn = begin(engine)
    turn_leases.finish(engine, turn, DONE)

    def race(number: int) -> object:
        try:
            return begin(engine, f"b{number}", conversation_id=turn.conversation_id).number
        except SmartyPantsError as exc:
            return type(exc)

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(race, range(6)))
        same = list(pool.map(lambda _: begin(engine, "same").key, range(6)))
    assert sorted(map(str, found)) == sorted(["2", *[str(TurnInProgress)] * 5])
    assert len(set(same)) == 1


def test_leases(engine: Engine) -> None:
    turn = begin(engine, lease_s=0.3)
    [beat] = turn_leases.beat(engine, "r1", lease_s=0.6)
    assert (beat.key, beat.wanted, beat.watched_until) == (turn.key, "run", 0.0)
    assert turn_leases.beat(engine, "r2", lease_s=1) == []
    turn_leases.want_cancel(engine, turn)
    turn_leases.watch(engine, turn, until=5.0)
    [beat] = turn_leases.beat(engine, "r1", lease_s=0.2)
    assert (beat.wanted, beat.watched_until) == ("cancel", 5.0)
    time.sleep(0.3)
    found = turns.get(engine, turn.conversation_id)
    assert (found.state, found.ended) == ("interrupted", True)
    assert turn_leases.beat(engine, "r1", lease_s=1) == []
    kept = turn_leases.finish(engine, turn, DONE)  # too late
    assert kept is not None
    assert kept.state == "interrupted"
    assert begin(engine, "b", conversation_id=turn.conversation_id).number == 2


def test_removed(engine: Engine) -> None:
    turn = begin(engine)
    other = begin(engine, "b")
    conversations.rename(engine, turn.conversation_id, "x")
    conversations.remove(engine, turn.conversation_id)
    conversations.remove(engine, turn.conversation_id)
    assert turn_leases.finish(engine, turn, DONE) is None
    assert turns.of_conversation(engine, turn.conversation_id) == []
    with pytest.raises(ConversationNotFound):
        conversations.get(engine, turn.conversation_id, "ann")
    with pytest.raises(ConversationNotFound):
        conversations.rename(engine, turn.conversation_id, "x")
    assert conversations.get(engine, other.conversation_id, None).owner == "ann"
    with pytest.raises(ConversationNotFound):
        conversations.get(engine, other.conversation_id, "bob")


def test_pages(engine: Engine) -> None:
    made = [begin(engine, str(number)).conversation_id for number in range(7)]
    begin(engine, "bobs", owner="bob")
    found: list[str] = []
    before = None
    while page := conversations.page(engine, "ann", limit=3, before=before):
        found += [row.id for row in page]
        before = (page[-1].updated_at, page[-1].id)
    assert found == made[::-1]


def test_what_was_not_used_since_is_removed(engine: Engine) -> None:
    old, running, new = (begin(engine, ask_id) for ask_id in "abc")
    for turn in (old, new):
        turn_leases.finish(engine, turn, DONE)
    again = begin(engine, "d", conversation_id=new.conversation_id)
    since = again.created_at
    assert conversations.remove_unused(engine, since=since) == 2
    assert conversations.remove_unused(engine, since=since) == 0
    assert turn_leases.finish(engine, running, DONE) is None
    for turn in (old, running):
        with pytest.raises(ConversationNotFound):
            conversations.get(engine, turn.conversation_id, "ann")
        assert turns.of_conversation(engine, turn.conversation_id) == []
    kept = turns.of_conversation(engine, new.conversation_id)
    assert [turn.number for turn in kept] == [1, 2]
    assert begin(engine, "a").conversation_id != old.conversation_id  # its ids are free again


def test_a_question_beats_the_removal(engine: Engine) -> None:
    """Of those who ask in an old conversation while it is removed, each is answered or hears that
    there is none: no turn is left without its conversation."""
    for number in range(10):
        turn = begin(engine, f"a{number}")
        turn_leases.finish(engine, turn, DONE)
        since = time.time()

        def ask(turn: Turn = turn, number: int = number) -> bool:
            try:
                begin(engine, f"b{number}", conversation_id=turn.conversation_id)
            except ConversationNotFound:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            asking = pool.submit(ask)
            removing = pool.submit(conversations.remove_unused, engine, since=since)
        assert removing.result() == (0 if asking.result() else 1)
        left = turns.of_conversation(engine, turn.conversation_id)
        assert len(left) == (2 if asking.result() else 0)
        conversations.remove(engine, turn.conversation_id)
